"""Threads of our own that pull from one lazy iterator: a fraction of the cost of a Future per item.

Belongs here: the crew of one `imap` call: pulling within the look-ahead, handing outcomes over, deadlines, stopping.
Does not belong here: what happens to one item (``attempts``).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any, ClassVar

from kaygraph_viz.errors import DeadlineExceeded
from kaygraph_viz.execute.attempts import Claim, Held
from kaygraph_viz.execute.base import Capabilities, Executor, Request, in_order
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.trace.lanes import Lane

__all__ = ["ThreadExecutor"]

LOOKS = 32  # looks at the deadlines within one timeout, at most


class ThreadExecutor(Executor):
    """Runs branches in threads of this process: good for waiting (network, disk), bound by the GIL for CPU work.

    Each `imap` call has its own crew of daemon threads, so a nested call can never wait for a thread that its own
    caller holds.
    """

    kind: ClassVar[str] = "thread"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs_in_parallel=True, can_kill=False, shares_memory=True, needs_pickling=False
    )

    def _run(self, request: Request) -> Generator[Outcome, None, None]:
        crew = _Crew(request, self.workers)
        outcomes = crew.outcomes()
        try:
            for outcome in in_order(outcomes) if request.ordered else outcomes:
                crew.count_delivery()
                yield outcome
        except KeyboardInterrupt:
            crew.give_up_all()  # control goes back at once: threads cannot be killed, and nothing queued starts
            raise
        finally:
            crew.stop()


class _Worker(threading.Thread):
    """One thread of a crew: pulls an item, runs it, hands its outcome over, until there is nothing left."""

    def __init__(self, crew: _Crew, lane: Lane | None) -> None:
        super().__init__(name=lane.name if lane else None, daemon=True)
        self.crew = crew
        self.lane = lane
        self.claim = Claim() if crew.is_watched else None

    def run(self) -> None:
        try:
            self.crew.branches.context().run(self._work)  # the input is read here, and sees what its caller sees
        except BaseException as error:  # a fault of our own: no item may get lost without a word
            self.crew.break_off(error)
        finally:
            self.crew.leave(self)

    def _work(self) -> None:
        crew, lane, claim = self.crew, self.lane, self.claim
        run, done, news = crew.branches.run, crew.done, crew.news
        lanes = crew.branches.recorder.lanes if crew.branches.recorder is not None else None
        if lanes is not None and lane is not None:
            lanes.enter(lane)
        try:
            while (pulled := crew.pull()) is not None:
                outcome = run(*pulled, lane, claim)
                if outcome.status == "abandoned":
                    return  # another worker has taken this one's place
                done.append(outcome)
                if not news.is_set():
                    news.set()
        finally:
            if lanes is not None and lane is not None:
                lanes.free(lane)


class _Crew:
    """The threads of one `imap` call and what they share.

    Finished outcomes travel through a deque, whose appends need no lock; the lock guards the pulling only.
    """

    def __init__(self, request: Request, workers: int) -> None:
        self.branches = request.branches
        self.is_watched = request.timeout_s is not None or request.branches.recorder is not None
        self.done: deque[Outcome] = deque()
        self.news = threading.Event()  # set whenever there is something to read, or a worker has left
        self._request = request
        self._items: Iterator[Any] = iter(request.items)
        self._limit = workers + request.window
        self._enough_room = self._limit - max(1, request.window // 4)  # waking a worker costs as much as ten items
        self._pulled = self._delivered = 0
        self._look_again_ns = 0
        self._is_starving = self._is_stopped = False
        self._fault: BaseException | None = None
        self._lock = threading.Lock()  # an input that blocks holds it
        self._room = threading.Condition()
        self._workers: set[_Worker] = set()
        for _ in range(workers if request.count is None else min(workers, request.count)):
            self._hire()

    def _hire(self) -> None:
        recorder = self.branches.recorder
        worker = _Worker(self, recorder.lanes.take("thread") if recorder is not None else None)
        self._workers.add(worker)
        worker.start()

    # -- called by the workers ----------------------------------------------------------------------------------

    def pull(self) -> tuple[int, Any, int] | None:
        """Return the next index, item and when it was ready [ns]; None when there is nothing more to do."""
        while True:
            with self._lock:
                if self._pulled - self._delivered < self._limit or self._is_stopped:
                    return self._next_item()
            self._wait_for_room()  # without the lock: a queue for it would make each pull a switch of threads

    def _next_item(self) -> tuple[int, Any, int] | None:
        try:
            item = None if self._is_stopped else next(self._items)
        except StopIteration:
            self._is_stopped = True
        except BaseException as error:  # the input's own fault: raised after the outcomes of what came before it
            self.break_off(error)
        if self._is_stopped:  # also when that was said while the input was blocking: nothing more is started
            return None
        index = self._pulled
        self._pulled += 1
        submitted = self._request.submitted_ns
        return index, item, self.branches.now_ns() if submitted is None else submitted

    def _wait_for_room(self) -> None:
        with self._room:
            while not self._is_stopped:
                self._is_starving = True
                if self._pulled - self._delivered < self._limit:  # looked at again: the reader may have missed the flag
                    return
                self._room.wait()

    def break_off(self, error: BaseException) -> None:
        """Pull nothing more; the reader raises `error` after the outcomes of what was pulled before."""
        self._is_stopped, self._fault = True, error

    def leave(self, worker: _Worker) -> None:
        """Take a worker that has ended off the list."""
        self._workers.discard(worker)
        self.news.set()

    # -- called by the reader -----------------------------------------------------------------------------------

    def outcomes(self) -> Iterator[Outcome]:
        """Yield outcomes as they are completed; raise the error of the input after the last one."""
        done, news, is_timed = self.done, self.news, self._request.timeout_s is not None
        while True:
            while done:
                yield done.popleft()
                if is_timed:  # a reader that always finds something to read must not miss a deadline
                    self._give_up_late()
            if done:
                continue  # while there is something to read, nobody has to be told about more
            news.clear()
            is_over = not self._workers  # looked at before the deque: a worker's last outcome is there before it leaves
            if done:
                continue
            if is_over:
                break
            news.wait(self._next_deadline_s())
            self._look_again_ns = 0  # after a wait at once: a deadline may be why it ended
            self._give_up_late()
        if self._fault is not None:
            raise self._fault

    def count_delivery(self) -> None:
        """Make room for one more item; workers are woken once there is room for some."""
        self._delivered += 1
        if self._is_starving and self._pulled - self._delivered <= self._enough_room:
            with self._room:
                self._is_starving = False
                self._room.notify_all()

    def stop(self) -> None:
        """Pull nothing more, and wait for what is in the workers' hands."""
        self._stop_pulling()
        for worker in list(self._workers):
            worker.join()

    def give_up_all(self) -> None:
        """Pull nothing more, and wait for nobody."""
        self._stop_pulling()
        for worker in list(self._workers):
            self._give_up(worker, worker.claim.peek() if worker.claim else None)
            self._workers.discard(worker)

    def _stop_pulling(self) -> None:
        self._is_stopped = True
        with self._room:
            self._room.notify_all()

    # -- deadlines ----------------------------------------------------------------------------------------------

    def _next_deadline_s(self) -> float | None:
        """Return the time to the next deadline of a branch in progress [s]; None where there is none."""
        timeout_s = self._request.timeout_s
        if timeout_s is None:
            return None
        starts = [held.started_ns for worker in list(self._workers) if (held := worker.claim and worker.claim.peek())]
        if not starts:
            return timeout_s
        return max(0.0, timeout_s - (self.branches.now_ns() - min(starts)) / 1e9)

    def _give_up_late(self) -> None:
        """Give up branches that overran their time; each worker that is stuck with one gets a replacement."""
        timeout_s, now_ns = self._request.timeout_s, self.branches.now_ns()
        if timeout_s is None or now_ns < self._look_again_ns:
            return
        self._look_again_ns = now_ns + round(timeout_s * 1e9 / LOOKS)
        for worker in list(self._workers):
            held = worker.claim.peek() if worker.claim else None
            if held is not None and now_ns - held.started_ns >= timeout_s * 1e9:
                self._time_out(worker, held, timeout_s)

    def _time_out(self, worker: _Worker, held: Held, timeout_s: float) -> None:
        if not self._give_up(worker, held):
            return  # it has just finished
        self._workers.discard(worker)
        error = DeadlineExceeded(self.branches.where(held.index), timeout_s)
        times = (held.submitted_ns, held.started_ns, self.branches.now_ns())
        self.done.append(Outcome(held.index, None, error, "timeout", 1, *times, held.name))
        self._hire()

    def _give_up(self, worker: _Worker, held: Held | None) -> bool:
        """Leave a worker alone with what it holds, unless it has just let go of it; its bar goes on until it ends."""
        if worker.claim is None or held is None:
            return False
        recorder = self.branches.recorder
        if recorder is not None:
            recorder.open_spans[held.span_id] = held  # before the worker can learn that it was given up
        if worker.claim.release(held):
            return True
        if recorder is not None:
            recorder.open_spans.pop(held.span_id, None)
        return False
