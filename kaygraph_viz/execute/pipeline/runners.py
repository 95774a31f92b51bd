"""How one worker of a stage runs its items, one after the other: in its thread, in a process, or by another thread.

Belongs here: running an item, and giving it up. Does not belong here: where items come from and go (``workers``),
and how they are run inside (``core.branch``, ``local.processes``, ``core.worker_pool``).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import Protocol

from kaygraph_viz.clock import current_clock
from kaygraph_viz.execute.core.branch import Branches, Claim
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import Request
from kaygraph_viz.execute.core.worker_pool import Pulled, ThreadWorkerPool, WorkerPool, run_pool
from kaygraph_viz.execute.local.process_pool import Pool
from kaygraph_viz.execute.local.processes import ProcessCall, ProcessWorker
from kaygraph_viz.execute.local.simulated_processes import SimulatedProcessPool
from kaygraph_viz.execute.local.simulated_threads import SimulatedThreadPool
from kaygraph_viz.execute.pipeline.queues import QueuedItem
from kaygraph_viz.sync import is_virtual, threads
from kaygraph_viz.trace.lanes import Lane

__all__ = ["Runner", "runner_for"]


class Runner(Protocol):
    """What runs the items of one worker."""

    def __enter__(self) -> object:
        """Get ready, in the thread of the worker."""

    def run(self, queued: QueuedItem) -> Outcome | None:
        """Return what became of an item; None if it was given up meanwhile, and the worker with it."""

    def give_up(self, reason: BaseException) -> None:
        """Stop at once, whatever it is doing, and return at once; called from another thread."""

    def __exit__(self, *exc_info: object) -> None:
        """Let go of everything, in the thread of the worker."""


def runner_for(branches: Branches, kind: str) -> Runner:
    """Return what runs items for one worker.

    Parameters
    ----------
    branches
        What the items have in common.
    kind
        ``"thread"`` or ``"process"``.

    Raises
    ------
    BranchError
        If the function has to be sent to other processes and cannot be.
    """
    if kind == "process":
        return _Relay(branches, _SimulatedProcess) if is_virtual() else _ProcessRunner(branches)
    if branches.timeout_s is None:
        return _ThreadRunner(branches)
    return _Relay(branches, _SimulatedThread if is_virtual() else _Thread)


class _ThreadRunner:
    """Runs items in the thread of the worker."""

    def __init__(self, branches: Branches) -> None:
        self._branches = branches
        self._claim = Claim()
        self._lanes = branches.recorder.lanes if branches.recorder is not None else None
        self._lane: Lane | None = self._lanes.take("thread") if self._lanes is not None else None
        costs = ("start_up_s", "dispatch_s")  # of a virtual clock
        self._start_up_s, self._dispatch_s = (getattr(current_clock(), name, {}).get("thread", 0.0) for name in costs)

    def __enter__(self) -> None:
        if self._lanes is not None and self._lane is not None:
            self._lanes.enter(self._lane)
        _pass(self._start_up_s)

    def run(self, queued: QueuedItem) -> Outcome | None:
        _pass(self._dispatch_s)
        outcome = self._branches.run(queued.index, queued.value, queued.entered_ns, self._lane, self._claim)
        return None if outcome.status == "abandoned" else outcome

    def give_up(self, reason: BaseException) -> None:
        """Leave the thread alone with its item; its bar goes on until it ends."""
        held, recorder = self._claim.peek(), self._branches.recorder
        if held is None:
            return
        if recorder is not None:
            recorder.open_spans[held.span_id] = held  # before the worker can learn that it was given up
        if not self._claim.release(held) and recorder is not None:
            recorder.open_spans.pop(held.span_id, None)

    def __exit__(self, *exc_info: object) -> None:
        if self._lanes is not None and self._lane is not None:
            self._lanes.free(self._lane)


def _pass(seconds: float) -> None:
    if seconds:
        current_clock().sleep(seconds)


class _ProcessRunner:
    """Has items run in a process of its own, and waits for each answer."""

    def __init__(self, branches: Branches) -> None:
        self._children = Pool(1)
        self._done: deque[Outcome] = deque()
        self._call = ProcessCall(branches, self._children, self._done, threading.Event())
        lane = branches.recorder.lanes.take("process") if branches.recorder is not None else None
        self._worker = ProcessWorker(self._call, lane)

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

    def __init__(self, branches: Branches, pool: Callable[[Request], WorkerPool]) -> None:
        self._queued = threads().SimpleQueue()
        queue = iter(self._queued.get, None)
        self._request = Request(branches, queue, False, 0, branches.timeout_s, None, None)
        self._outcomes: Generator[Outcome, None, None] = run_pool(partial(pool, self._request))

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


class _FromStage(WorkerPool):
    """A worker pool whose items keep the index that they have in the source."""

    def _next_item(self) -> Pulled | None:
        pulled = super()._next_item()
        if pulled is None:
            return None
        queued: QueuedItem = pulled[1]
        return queued.index, queued.value, queued.entered_ns


class _Thread(_FromStage, ThreadWorkerPool):
    def __init__(self, request: Request) -> None:
        super().__init__(request, 1)


class _SimulatedThread(_FromStage, SimulatedThreadPool):
    def __init__(self, request: Request) -> None:
        super().__init__(request, 1, "thread")


class _SimulatedProcess(_FromStage, SimulatedProcessPool):
    def __init__(self, request: Request) -> None:
        super().__init__(request, 1, "process")
