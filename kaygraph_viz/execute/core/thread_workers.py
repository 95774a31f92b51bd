"""The threads of one `imap` call: what each of them does, and giving them up when their time is over.

Belongs here: threads as workers. Does not belong here: pulling and handing over (``worker_pool``), what happens to one
item (``branch``), the executor (``local.threads``).
"""

from __future__ import annotations

from typing import Any

from kaygraph_viz.errors import DeadlineExceeded
from kaygraph_viz.execute.core.branch import Claim, Held
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import Request
from kaygraph_viz.execute.core.worker_pool import Crew
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.virtual.fiber import Stopped

__all__ = ["ThreadCrew", "Worker"]

LOOKS = 32  # looks at the deadlines within one timeout, at most


class Worker:
    """One thread of a crew: pulls an item, runs it, hands its outcome over, until there is nothing left."""

    def __init__(self, crew: ThreadCrew, lane: Lane | None) -> None:
        self.crew = crew
        self.lane = lane
        self.branches = crew.branches
        self.claim = Claim()
        self.thread = self._thread(lane.name if lane else "thread worker")

    def _thread(self, name: str) -> Any:
        return self.crew.threads.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def is_alive(self) -> bool:
        """Return whether the thread has started and not ended."""
        return bool(self.thread.is_alive())

    def join(self) -> None:
        """Wait until the thread has ended."""
        self.thread.join()

    def _run(self) -> None:
        try:
            self.crew.branches.context().run(self._work)  # the input is read here, and sees what its caller sees
        except Stopped:  # simulated time is over for this worker, and for its crew if that has to know
            pass
        except BaseException as error:  # a fault of our own: no item may get lost without a word
            self.crew.break_off(error)
        finally:
            self.crew.leave(self)

    def _work(self) -> None:
        lane, recorder = self.lane, self.branches.recorder
        lanes = recorder.lanes if recorder is not None else None
        if lanes is not None and lane is not None:
            lanes.enter(lane)
        try:
            self._run_items()
        finally:
            if lanes is not None and lane is not None:
                lanes.free(lane)

    def _run_items(self) -> None:
        pull, run, lane = self.crew.pull, self.branches.run, self.lane
        done, news = self.crew.done, self.crew.news
        claim = self.claim if self.crew.is_watched else None
        while (pulled := pull()) is not None:
            outcome = run(*pulled, lane, claim)
            if outcome.status == "abandoned":
                return  # another worker has taken this one's place
            done.append(outcome)
            if not news.is_set():
                news.set()


class ThreadCrew(Crew):
    """The threads of one `imap` call; its reader gives up those that are late."""

    lane_kind = "thread"
    is_watched = False  # whether workers say what they hold, so that it can be given up

    def __init__(self, request: Request, workers: int) -> None:
        self._has_deadlines = request.timeout_s is not None
        self._timeout_ns = round((request.timeout_s or 0.0) * 1e9)
        self.is_watched = self.is_watched or self._has_deadlines or request.branches.recorder is not None
        self._look_again_ns = 0
        super().__init__(request, workers)

    def _hire(self) -> None:
        recorder = self.branches.recorder
        self._start(self._worker(recorder.lanes.take(self.lane_kind) if recorder is not None else None))

    def _worker(self, lane: Lane | None) -> Worker:
        return Worker(self, lane)

    def give_up_all(self) -> None:
        """Pull nothing more, and wait for nobody: threads cannot be killed."""
        self._stop_pulling()
        for worker in list(self._workers):
            self._give_up(worker, worker.claim.peek())
            self._workers.pop(worker, None)

    def _next_deadline_s(self) -> float | None:
        """Return the time to the next deadline of a branch in progress [s]; None where there is none."""
        timeout_s = self.request.timeout_s
        if timeout_s is None:
            return None
        starts = [held.started_ns for worker in list(self._workers) if (held := worker.claim.peek())]
        if not starts:
            return timeout_s
        first_ns: int = min(starts)
        return max(0, first_ns + self._timeout_ns - self.branches.now_ns()) / 1e9

    def _give_up_late(self, *, is_urgent: bool = False) -> None:
        """Give up branches that overran their time; each worker that is stuck with one gets a replacement."""
        timeout_s, now_ns = self.request.timeout_s, self.branches.now_ns()
        if timeout_s is None or (now_ns < self._look_again_ns and not is_urgent):
            return
        self._look_again_ns = now_ns + self._timeout_ns // LOOKS
        for worker in list(self._workers):
            held = worker.claim.peek()
            if held is not None and now_ns - held.started_ns >= self._timeout_ns:
                self._time_out(worker, held, timeout_s)

    def _time_out(self, worker: Worker, held: Held, timeout_s: float) -> None:
        if not self._give_up(worker, held):
            return  # it has just finished
        self._workers.pop(worker, None)
        error = DeadlineExceeded(self.branches.where(held.index), timeout_s)
        times = (held.submitted_ns, held.started_ns, self.branches.now_ns())
        self.done.append(Outcome(held.index, None, error, "timeout", 1, *times, held.name))
        self._hire()

    def _give_up(self, worker: Worker, held: Held | None) -> bool:
        """Leave a worker alone with what it holds, unless it has just let go of it; its bar goes on until it ends."""
        if held is None:
            return False
        recorder = self.branches.recorder
        if recorder is not None:
            recorder.open_spans[held.span_id] = held  # before the worker can learn that it was given up
        if worker.claim.release(held):
            return True
        if recorder is not None:
            recorder.open_spans.pop(held.span_id, None)
        return False
