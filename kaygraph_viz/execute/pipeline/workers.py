"""The workers of one stage: each takes an item from the inbox, has it run, and puts it into the outbox.

Belongs here: the loop of a worker, and noticing the last one that ends. Does not belong here: how a thread runs an item
(``runners``), and what is done around that (``stage_run``).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from kaygraph_viz.execute.core.branch import Branches
from kaygraph_viz.execute.pipeline.queues import END, waiting, waiting_async
from kaygraph_viz.execute.pipeline.runners import Runner, runner_for
from kaygraph_viz.execute.pipeline.stage_run import StageRun
from kaygraph_viz.sync import run_loop, threads
from kaygraph_viz.trace.lanes import Lane

__all__ = ["StageWorkers", "step_for", "workers_for"]


class StageWorkers(Protocol):
    """The workers of one stage."""

    def start(self) -> Iterator[Any]:
        """Start them, and yield each thread."""

    def give_up(self, reason: BaseException) -> None:
        """Give up the items in progress, and return at once."""


def workers_for(stage_run: StageRun, owner: str) -> StageWorkers:
    """Return the workers of a stage."""
    branches = stage_run.branches(owner)
    return _Coroutines(stage_run, branches) if stage_run.stage.kind == "async" else _Threads(stage_run, branches)


def step_for(stage_run: StageRun, owner: str) -> Callable[[], bool]:
    """Return a function that takes one item through a stage in the caller's thread and says whether it got through."""
    branches = stage_run.branches(owner)

    def step() -> bool:
        queued = stage_run.inbox.take()
        if queued is None or queued is END:
            return False
        lane = branches.recorder.lanes.mine()
        outcome = branches.run(stage_run.begin(queued).index, queued.value, queued.entered_ns, lane)
        stage_run.finish(queued, outcome)
        return outcome.ok

    return step


# -- threads, one for each worker ----------------------------------------------------------------------------------


class _Threads:
    """Threads that run items themselves, or have them run and wait for that."""

    def __init__(self, stage_run: StageRun, branches: Branches) -> None:
        self._stage_run = stage_run
        self._runners = [runner_for(branches, stage_run.stage.kind) for _ in range(stage_run.stage.workers)]
        self._context = branches.context()
        self._left = itertools.count(1)

    def start(self) -> Iterator[Any]:
        for runner in self._runners:
            context, name = self._context.copy(), self._stage_run.stage.name
            thread = threads().Thread(target=context.run, args=(self._work, runner), name=name, daemon=True)
            thread.start()
            yield thread

    def give_up(self, reason: BaseException) -> None:
        for runner in self._runners:
            runner.give_up(reason)

    def _work(self, runner: Runner) -> None:
        stage_run = self._stage_run
        try:
            with runner:
                while (queued := waiting(stage_run.inbox.take)) is not END:
                    outcome = runner.run(stage_run.begin(queued))
                    if outcome is None:
                        return
                    stage_run.finish(queued, outcome)
        except BaseException as error:  # a fault of our own: no item may get lost without a word
            stage_run.fail(error)
        finally:
            if next(self._left) == len(self._runners):
                stage_run.close()


# -- coroutines ----------------------------------------------------------------------------------------------------


class _Coroutines:
    """A thread with an event loop, and in it a task for each worker of the stage."""

    def __init__(self, stage_run: StageRun, branches: Branches) -> None:
        self._stage_run = stage_run
        self._branches = branches
        self._lanes = branches.recorder.lanes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_given_up = False

    def start(self) -> Iterator[Any]:
        context, name = self._branches.context(), self._stage_run.stage.name
        thread = threads().Thread(target=context.run, args=(self._run,), name=name, daemon=True)
        thread.start()
        yield thread

    def give_up(self, reason: BaseException) -> None:
        self._is_given_up = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _run(self) -> None:
        try:
            run_loop(self._main())
        except BaseExceptionGroup as group:
            self._stage_run.fail(group.exceptions[0])
        except BaseException as error:
            self._stage_run.fail(error)
        finally:
            self._stage_run.close()

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._is_given_up:  # before there was a task to cancel
            return
        async with asyncio.TaskGroup() as slots:
            for _ in range(self._stage_run.stage.workers):
                slots.create_task(self._work())

    async def _work(self) -> None:
        with self._lanes.occupied(self._lanes.take("async")) as lane:
            await self._run_items(lane)

    async def _run_items(self, lane: Lane) -> None:
        stage_run = self._stage_run
        while (queued := await waiting_async(stage_run.inbox.take)) is not END:
            index = stage_run.begin(queued).index
            outcome = await self._branches.run_async(index, queued.value, queued.entered_ns, lane)
            await stage_run.finish_async(queued, outcome)
            await asyncio.sleep(0)  # slots that never wait must not shut out the others
