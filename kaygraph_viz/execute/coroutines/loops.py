"""Event loops of our own, beside one that runs already.

Belongs here: running coroutines for callers that cannot await them, and keeping a notebook's loop awake. Does not
belong here: the branches of a call (``executor``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from contextvars import copy_context
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, TypeVar

from kaygraph_viz.base.errors import BranchError
from kaygraph_viz.base.machine import has_threads
from kaygraph_viz.base.parts import PartLog
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.clock.sync import new_event_loop, run_loop, threads
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.trace.recorder import current_scope

T = TypeVar("T")
INTERRUPT_WAIT_S = 0.4  # what cancelled coroutines get to clean up before control goes back to the person
TICK_S = 0.1


class Service:
    """A thread with an event loop that runs submitted calls."""

    def __init__(self, workers: int) -> None:
        self._runner = asyncio.Runner(loop_factory=new_event_loop)
        self._loop = self._runner.get_loop()
        self._slots = asyncio.Semaphore(workers)
        self._running: dict[Future[Any], None] = {}
        self.threads = threads()
        self._thread = self.threads.Thread(target=self._serve, name="async service", daemon=True)
        self._thread.start()

    def serves(self, threads: object) -> bool:
        """Return whether calls are run, and by these threads: not in a fork, which has only a copy of the loop."""
        return self.threads is threads and bool(self._thread.is_alive())

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
        finally:  # also at the end of simulated time
            self._runner.close()

    def submit(self, function: Callable[[Any], Any], name: str) -> Future[Any]:
        """Call a function in the loop, await what it returns, and return a future of the result."""
        branches = Branches(function, name=name)
        future = self._begun(self._run(branches, branches.now_ns()))
        self._running[future] = None
        future.add_done_callback(self._running.pop)
        return future

    def _begun(self, running: Coroutine[Any, Any, Any]) -> Future[Any]:
        return self.threads.following(asyncio.run_coroutine_threadsafe(running, self._loop))

    def cancel(self) -> None:
        """Cancel what was submitted and has not ended."""
        for future in list(self._running):
            future.cancel()

    async def _run(self, branches: Branches, submitted_ns: int) -> Any:
        lanes = branches.recorder.lanes
        async with self._slots:
            with lanes.occupied(lanes.take("async")) as lane:
                outcome = await branches.run_async(0, None, submitted_ns, lane)
        if isinstance(outcome.error, KeyboardInterrupt):  # not a real one: those come in the main thread
            raise BranchError(f"{branches.owner!r} raised KeyboardInterrupt") from outcome.error
        return outcome.unwrap()

    def close(self) -> None:
        """Wait for what was submitted and end the loop."""
        if not self._thread.is_alive():  # simulated time has ended
            return
        for future in list(self._running):
            with suppress(CancelledError):
                future.exception()
        self._begun(_end_all()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


async def _end_all() -> None:
    """Cancel all tasks and wait until they have cleaned up, as `asyncio.run` does before it closes its loop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        if not task.cancelling():  # once more would cut short its cleaning up
            task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and return its result, as `asyncio.run` does, but in a notebook, too.

    It runs in a loop of its own, by the clock in force: in simulated time inside ``record(clock="virtual")``.

    Parameters
    ----------
    coroutine
        What to run.

    Examples
    --------
    >>> async def answer():
    ...     return 42
    >>> run(answer())
    42
    """
    return run_in_private_loop(lambda: coroutine)


def run_in_private_loop(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a loop of its own and return its result, also where a loop is running already."""
    private = _PrivateLoop(make)
    try:
        private.thread.start()
        private.finished.wait()
    except BaseException:
        private.give_up()
        raise
    private.tell_caller()
    result: T = private.outcome()
    return result


class _PrivateLoop:
    """A thread with an event loop that runs one coroutine."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self.finished = threads().Event()
        self._result: Any = None
        self._error: BaseException | None = None
        self._make = make
        self._recorder = current_scope().recorder
        self._lanes = self._recorder.lanes
        self._lane = self._lanes.again(self._lanes.mine())
        self._log: PartLog | None = None
        self._made_ns = self._recorder.now_ns()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._is_cancelled = False
        self.thread = threads().Thread(target=copy_context().run, args=(self._run,), name="async loop", daemon=True)

    def tell_caller(self) -> None:
        """Note in the log of the calling thread what held up the coroutine that it waited for."""
        if self._log is None:
            return
        mine, now_ns = self._recorder.lanes.mine(), self._recorder.now_ns()
        if (log := mine.noting()) is not None:  # a thread that only waits has as much CPU time now as before
            log.blocked_by(self._log, self._made_ns, now_ns, cpu_at_start_ns=mine.cpu_at(now_ns))

    def outcome(self) -> Any:
        """Return what the coroutine returned, or raise what it raised, once it has `finished`."""
        if self._error is not None:
            raise self._error
        return self._result

    def _run(self) -> None:
        try:
            self._result = run_loop(self._main())
        except BaseException as error:  # raised by `outcome`
            self._error = error
        finally:
            self.finished.set()

    async def _main(self) -> Any:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._is_cancelled:  # before there was a task to cancel
            raise asyncio.CancelledError
        self._lanes.enter(self._lane)  # the caller waits: its lane is free for what is done for it
        self._log = self._lane.noting()
        return await self._make()

    def give_up(self) -> None:
        """Cancel the coroutine, and leave it a moment to clean up."""
        self._is_cancelled = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(self._task.cancel)
        if self.thread.is_alive():  # it may not have started
            self.finished.wait(INTERRUPT_WAIT_S)


async def with_ticker(running: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine and wake the loop ten times a second meanwhile."""
    clock = current_clock()
    if not clock.is_kept_by(asyncio.get_running_loop()):  # a loop of simulated time: the one here brings interrupts
        try:
            private = _PrivateLoop(lambda: running)
            try:
                private.thread.start()
                await clock.wait_beside(private.finished)
            except BaseException:
                private.give_up()
                raise
        finally:
            if getcoroutinestate(running) == CORO_CREATED:
                running.close()  # it will not be awaited
        result: T = private.outcome()
        return result
    if clock.is_exact or not has_threads():  # its loops never really wait; in a browser tab nothing interrupts
        return await running
    ticker = asyncio.create_task(_tick())
    try:
        return await running
    finally:
        ticker.cancel()


async def _tick() -> None:
    while True:  # noqa: ASYNC110  (it waits for nothing: it only wakes the loop)
        await asyncio.sleep(TICK_S)
