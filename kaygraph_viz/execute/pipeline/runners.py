"""Runners of items for one worker of a stage: in its thread, in a process, or by another thread.

Belongs here: running an item, and giving it up. Does not belong here: where items come from and go (``workers``),
and how they are run inside (``core.branch``, ``local.processes``, ``core.worker_pool``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from functools import cache, partial
from typing import Any, Protocol

from kaygraph_viz.clock import current_clock
from kaygraph_viz.execute.core.branch import Branches, Claim
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import Request
from kaygraph_viz.execute.core.worker_pool import Pulled, ThreadWorkerPool, WorkerPool, run_pool
from kaygraph_viz.execute.local.process_starter import Pool
from kaygraph_viz.execute.local.processes import ProcessCall, ProcessWorker
from kaygraph_viz.execute.local.simulated import simulated_pool
from kaygraph_viz.execute.pipeline.queues import QueuedItem
from kaygraph_viz.real_threads import Event
from kaygraph_viz.sync import threads

__all__ = ["Runner", "runner_for"]


class Runner(Protocol):
    """Runs the items of one worker, one after the other."""

    def __enter__(self) -> object:
        """Prepare, in the thread of the worker."""

    def run(self, queued: QueuedItem) -> Outcome | None:
        """Run an item and return its outcome; None if it was given up meanwhile, and the worker with it."""

    def give_up(self, reason: BaseException) -> None:
        """Give up the item in progress, and return at once; called from another thread."""

    def __exit__(self, *exc_info: object) -> None:
        """Release lane and process, in the thread of the worker."""


def runner_for(branches: Branches, kind: str) -> Runner:
    """Return the runner of items for one worker; a function that cannot be sent to processes is a `BranchError`."""
    pool = simulated_pool(kind)
    if kind == "process":
        return _ProcessRunner(branches) if pool is None else _Relay(branches, pool)
    if branches.timeout_s is None:
        return _ThreadRunner(branches)
    return _Relay(branches, pool or ThreadWorkerPool)


class _ThreadRunner:
    """Runs items in the thread of the worker."""

    def __init__(self, branches: Branches) -> None:
        self._branches = branches
        self._claim = Claim()
        self._lane = branches.recorder.lanes.take("thread")
        self._on_lane = branches.recorder.lanes.occupied(self._lane)
        clock = current_clock()
        self._start_up_s, self._dispatch_s = clock.start_up_s["thread"], clock.dispatch_s["thread"]

    def __enter__(self) -> None:
        self._on_lane.__enter__()
        _pass(self._start_up_s)

    def run(self, queued: QueuedItem) -> Outcome | None:
        _pass(self._dispatch_s)
        outcome = self._branches.run(queued.index, queued.value, queued.entered_ns, self._lane, self._claim)
        return None if outcome.status == "abandoned" else outcome

    def give_up(self, reason: BaseException) -> None:
        """Leave the thread alone with its item; its bar goes on until it ends."""
        self._branches.give_up(self._claim, self._claim.peek())

    def __exit__(self, *exc_info: object) -> None:
        self._on_lane.__exit__(None, None, None)


def _pass(seconds: float) -> None:
    if seconds:
        current_clock().sleep(seconds)


class _ProcessRunner:
    """Has items run in a process of its own, and waits for each answer."""

    def __init__(self, branches: Branches) -> None:
        self._children = Pool(1)
        self._done: deque[Outcome] = deque()
        self._call = ProcessCall(branches, self._children, self._done, Event())
        self._worker = ProcessWorker(self._call, branches.recorder.lanes.take("process"))

    def __enter__(self) -> None:
        pass

    def run(self, queued: QueuedItem) -> Outcome | None:
        chunk: list[Pulled] = [(queued.index, queued.value, queued.entered_ns)]
        while chunk and not self._call.is_given_up:
            chunk = self._worker.run(chunk)
            self._worker.deliver()
        return self._done.popleft() if self._done else None

    def give_up(self, reason: BaseException) -> None:
        """Kill the process."""
        self._call.is_given_up = True
        self._worker.kill()

    def __exit__(self, *exc_info: object) -> None:
        self._worker.close()
        self._children.close()


class _Relay:
    """Has items run by a pool of one worker, which watches the time of each and replaces a worker that is late."""

    def __init__(self, branches: Branches, pool: type[WorkerPool]) -> None:
        self._queued = threads().SimpleQueue()
        items = iter(self._queued.get, None)
        self._request = Request(branches, items, False, 0, branches.timeout_s, None, None)
        self._outcomes: Generator[Outcome, None, None] = run_pool(partial(_keeping_index(pool), self._request, 1))

    def __enter__(self) -> None:
        pass

    def run(self, queued: QueuedItem) -> Outcome:
        self._queued.put(queued)
        return next(self._outcomes)

    def give_up(self, reason: BaseException) -> None:
        """Kill the simulated process, or leave the thread alone."""
        self._request.token.cancel(reason)
        self._queued.put(None)

    def __exit__(self, *exc_info: object) -> None:
        self._queued.put(None)
        self._outcomes.close()


@cache
def _keeping_index(pool: type[WorkerPool]) -> Any:
    """Return a kind of pool whose items keep the index that they have in the source."""

    class StagePool(pool):  # type: ignore[misc,valid-type]  # which class it is depends on the clock
        def _next_item(self) -> Pulled | None:
            pulled = super()._next_item()
            if pulled is None:
                return None
            queued: QueuedItem = pulled[1]
            return queued.index, queued.value, queued.entered_ns

    return StagePool
