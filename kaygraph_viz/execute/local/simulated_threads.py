"""Threads in simulated time.

Belongs here: what a thread costs where the clock is virtual, and its deadlines. Does not belong here: the schedule
(``virtual``), and what real threads do (``core.worker_pool``), which the contract tests hold against this.
"""

from __future__ import annotations

from typing import Any

from kaygraph_viz.clock import current_clock
from kaygraph_viz.execute.core.branch import Claim, OpenBranch
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import Request
from kaygraph_viz.execute.core.worker_pool import Pulled, ThreadWorker, ThreadWorkerPool
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.recorder import Recorder
from kaygraph_viz.virtual.threads import VirtualThreads

__all__ = ["SimulatedThread", "SimulatedThreadPool"]


class SimulatedThreadPool(ThreadWorkerPool):
    """The simulated threads of one call, which cost what the clock says."""

    is_watched = True
    threads: VirtualThreads

    def __init__(self, request: Request, workers: int) -> None:
        clock = current_clock()
        self.start_up_s, self.dispatch_s = clock.start_up_s[self.lane_kind], clock.dispatch_s[self.lane_kind]
        self.is_given_up = False
        self._waits_for_begin = False
        super().__init__(request, workers)

    def _make_worker(self, lane: Lane) -> ThreadWorker:
        return SimulatedThread(self, lane)

    def take(self) -> Pulled | None:
        """Return the next item for a worker; None when there is nothing more to do."""
        return self.pull()

    def begin(self) -> None:
        """Wake the watcher of deadlines if it has none to wait for: one begins now."""
        if self._waits_for_begin:
            self._waits_for_begin = False
            self._alarm().set()

    def _alarm(self) -> Any:
        return self.news

    def _next_deadline_s(self) -> float | None:
        self._waits_for_begin = self.request.timeout_s is not None and not self._held()
        return None if self._waits_for_begin else super()._next_deadline_s()

    def _give_up_late(self, *, is_urgent: bool = False) -> None:
        now_ns, timeout_ns = self.branches.now_ns(), self._timeout_ns
        if self.request.timeout_s is not None and any(now_ns - held.started_ns >= timeout_ns for held in self._held()):
            self.threads.scheduler.yield_turn(is_last=True)  # what ends at this very instant is in time
            super()._give_up_late(is_urgent=is_urgent)

    def give_up_all(self) -> None:
        """Pull nothing more, and wait for no branch."""
        self.is_given_up = True
        super().give_up_all()


class _OpenClaim(Claim):
    """A claim whose branch is recorded as abandoned if the recording ends before it does."""

    __slots__ = ("_recorder", "_span_id")

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        self._span_id = 0

    def take(self, held: OpenBranch) -> None:
        super().take(held)
        self._span_id = held.span_id
        self._recorder.keep_open(held)

    def close(self) -> None:
        """Note that the branch has ended."""
        self._recorder.forget(self._span_id)


class SimulatedThread(ThreadWorker):
    """A simulated thread, with the time it takes to start and to get an item."""

    pool: SimulatedThreadPool

    def __init__(self, pool: SimulatedThreadPool, lane: Lane) -> None:
        super().__init__(pool, lane)
        self.claim: _OpenClaim = _OpenClaim(pool.branches.recorder)
        self._is_started = False

    def _run_items(self) -> None:
        pool = self.pool
        while (pulled := self._next_item()) is not None:
            self._pass(pool.dispatch_s)
            if pool.is_given_up:
                return
            pool.begin()
            outcome = self._run_item(pulled)
            if outcome is not None:
                if outcome.status == "abandoned":
                    return
                pool.done.append(outcome)
                pool.news.set()

    def _next_item(self) -> Pulled | None:
        self._start_up()
        return self.pool.take()

    def _start_up(self) -> None:
        if not self._is_started:
            self._is_started = True
            self._pass(self.pool.start_up_s)

    def _pass(self, seconds: float) -> None:
        if seconds:
            current_clock().sleep(seconds)

    def _run_item(self, pulled: Pulled) -> Outcome | None:
        """Run one item; None if its outcome has been delivered already."""
        try:
            return self.branches.run(*pulled, self.lane, self.claim)
        finally:  # also where it was killed, which has recorded the branch
            self.claim.close()
