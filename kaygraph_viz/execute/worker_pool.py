"""The worker pool of one `imap` call: what its workers and its reader share, and threads as workers.

Belongs here: pulling items within the look-ahead, delivering outcomes, deadlines, stopping; the same for threads and
processes, real and simulated. Does not belong here: what happens to one item (``branch``), how processes run items
(``local.processes``), what simulated workers cost (``local.simulated``, loaded when it is first needed).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from typing import Any

from kaygraph_viz.base.errors import CallCancelled, DeadlineExceeded
from kaygraph_viz.base.optional import SIMULATE, require_installed
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.clock.virtual.fiber import Stopped
from kaygraph_viz.execute.base import in_order
from kaygraph_viz.execute.branch import Claim, OpenBranch
from kaygraph_viz.execute.call import Call
from kaygraph_viz.execute.forks import end_copy, forks
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.trace.lanes import Lane

__all__ = ["Pulled", "ThreadWorker", "ThreadWorkerPool", "WorkerPool", "run_pool", "simulated_pool"]

Pulled = tuple[int, Any, int]  # the index, the item, and when it was ready [ns]
SIMULATED_POOLS = {"thread": "SimulatedThreadPool", "process": "SimulatedProcessPool", "dask": "SimulatedDaskPool"}
CHECK_MEMORY_S = 0.05
CHECKS_PER_TIMEOUT = 32  # of the deadlines, at most: reading the clock for each outcome would cost as much as an item


def run_pool(make: Callable[[], WorkerPool]) -> Generator[Outcome, None, None]:
    """Yield the outcomes of the pool that `make` returns, and stop the pool when the generator ends for any reason."""
    pool = make()
    call = pool.call
    outcomes = pool.outcomes()
    try:  # around the start of the workers, too: an interrupt that comes between two of them leaves none behind
        with call.token.stopping(pool.cancel):
            pool.start_workers()
            for outcome in in_order(outcomes) if call.ordered else outcomes:
                pool.count_delivery()
                yield outcome
    except KeyboardInterrupt:
        pool.give_up_all()  # control goes back at once, and nothing queued starts
        raise
    finally:
        pool.stop()


class WorkerPool(ABC):
    """The workers of one `imap` call and what they share with its reader."""

    def __init__(self, call: Call, workers: int) -> None:
        self.call = call
        self.branches = call.branches
        self.done: deque[Outcome] = deque()
        self.threads = threads()
        self.news = self.threads.Event()  # set whenever there is something to read, or a worker has left
        self.size = workers if call.count is None else min(workers, call.count)
        self._items = call.opened()
        self._memory = call.memory
        self._limit = workers + call.window
        self._wake_below = self._limit - max(1, call.window // 4)  # waking a worker costs as much as ten items
        self._pulled = self._delivered = 0
        self._is_waiting_for_room = self._is_stopped = False
        self._fault: BaseException | None = None
        self._lock = self.threads.Lock()  # an input that blocks holds it
        self._room = self.threads.Condition()
        self._forks = forks.count
        self._workers: dict[Any, None] = {}  # in the order in which they were started

    def start_workers(self) -> None:
        """Start the workers."""
        for _ in range(self.size):
            self._start_worker()

    @abstractmethod
    def _start_worker(self) -> None:
        """Make one worker and pass it to `_start`."""

    def _start(self, worker: Any) -> None:
        self._workers[worker] = None  # first: a worker that ends at once removes itself
        worker.start()

    # -- called by the workers ----------------------------------------------------------------------------------

    def pull(self) -> Pulled | None:
        """Return the next index, item and when it was ready [ns]; None when there is nothing more to do."""
        while True:
            with self._lock:
                if self._pulled - self._delivered < self._limit or self._is_stopped:
                    return self._next_item()
            self._wait_for_room()  # without the lock: a queue for it would make each pull a switch of threads

    def _next_item(self) -> Pulled | None:
        if self._memory is not None:
            self._wait_for_memory(self._memory.is_tight)
        try:
            item = None if self._is_stopped else next(self._items)
        except StopIteration:
            self._is_stopped = True
        except BaseException as error:  # the input's own fault: raised after the outcomes of what came before it
            self.fail(self.branches.input_error(error))
        if self._forks != forks.count:  # a copy of this process, made by the input or by what is done around a branch
            end_copy(self._forks, f"the input of {self.branches.owner!r}")
        if self._is_stopped:  # also when that was said while the input was blocking: nothing more is started
            return None
        index = self._pulled
        self._pulled += 1
        submitted = self.call.submitted_ns
        return index, item, self.branches.now_ns() if submitted is None else submitted

    def _wait_for_room(self) -> None:
        with self._room:
            while not self._is_stopped:
                self._is_waiting_for_room = True
                if self._pulled - self._delivered < self._limit:  # again: the reader may have missed the flag
                    return
                self._room.wait()

    def _wait_for_memory(self, is_tight: Callable[[], bool]) -> None:
        """Wait while memory is short and as many items are on their way as there are workers, without look-ahead."""
        while self._pulled - self._delivered >= self.size and not self._is_stopped and is_tight():
            with self._room:
                self._room.wait(CHECK_MEMORY_S)

    def fail(self, error: BaseException) -> None:
        """Pull nothing more; the reader raises `error` after the outcomes of what was pulled before."""
        self._is_stopped, self._fault = True, error

    def remove(self, worker: Any) -> None:
        """Take a worker that has ended off the list."""
        self._workers.pop(worker, None)
        self.news.set()

    # -- called by the reader -----------------------------------------------------------------------------------

    def outcomes(self) -> Iterator[Outcome]:
        """Yield outcomes as they are completed; raise the error of the input after the last one."""
        done, news, is_timed = self.done, self.news, self._has_deadlines
        while True:
            while done:
                yield done.popleft()
                if is_timed:  # a reader that always finds something to read must not miss a deadline
                    self._give_up_late()
            if done:
                continue  # while there is something to read, no worker has to wake the reader
            news.clear()
            is_over = not self._workers  # read before the deque: a worker's last outcome is there before it leaves
            if done:
                continue
            if is_over:
                break
            if self._forks != forks.count:
                raise CallCancelled("this process is a fork, and the workers of the call are not in it")
            news.wait(self._next_deadline_s())
            self._give_up_late(is_urgent=True)  # after a wait at once: a deadline may be why it ended
        if self._fault is not None:
            raise self._fault

    def count_delivery(self) -> None:
        """Make room for one more item; workers are woken once there is room for some."""
        self._delivered += 1
        if self._is_waiting_for_room and self._pulled - self._delivered <= self._wake_below:
            with self._room:
                self._is_waiting_for_room = False
                self._room.notify_all()

    def stop(self) -> None:
        """Pull nothing more, and wait for the branches in progress."""
        self._stop_pulling()
        for worker in list(self._workers):
            if worker.is_alive():  # not one whose start has failed
                worker.join()

    def cancel(self, reason: BaseException) -> None:
        """Give up all branches and have the reader raise `reason`; from any thread."""
        self.fail(reason)
        self.give_up_all()
        self.news.set()

    @abstractmethod
    def give_up_all(self) -> None:
        """Pull nothing more, and wait for no branch."""

    def _stop_pulling(self) -> None:
        self._is_stopped = True
        with self._room:
            self._room.notify_all()

    # -- deadlines, for kinds whose reader watches them ---------------------------------------------------------

    _has_deadlines = False

    def _next_deadline_s(self) -> float | None:
        """Return the time to the next deadline of a branch in progress [s]; None where the reader watches none."""
        return None

    def _give_up_late(self, *, is_urgent: bool = False) -> None:  # noqa: B027  (nothing to do for other kinds)
        """Give up branches that overran their time; called for each outcome, so it checks only from time to time."""


class ThreadWorker:
    """A thread that pulls an item, runs it, delivers its outcome, until there is nothing left."""

    def __init__(self, pool: ThreadWorkerPool, lane: Lane) -> None:
        self.pool = pool
        self.lane = lane
        self.branches = pool.branches
        self.claim = Claim()
        self.thread = self._thread(lane.name or "thread worker")

    def _thread(self, name: str) -> Any:
        return self.pool.threads.Thread(target=self._run, name=name, daemon=True)

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
            self.branches.context().run(self._work)  # the input is read here, and sees what its caller sees
        except Stopped:  # simulated time is over for it; if its pool has to know, the pool was told
            pass
        except BaseException as error:  # a fault of our own: no item may get lost without a word
            self.pool.fail(error)
        finally:
            self.pool.remove(self)

    def _work(self) -> None:
        with self.branches.recorder.lanes.occupied(self.lane):
            self._run_items()

    def _run_items(self) -> None:
        pull, run, lane = self.pool.pull, self.branches.run, self.lane
        done, news = self.pool.done, self.pool.news
        claim = self.claim if self.pool.is_watched else None
        while (pulled := pull()) is not None:
            outcome = run(*pulled, lane, claim)
            if outcome.status == "abandoned":
                return  # another worker was started in its place
            done.append(outcome)
            if not news.is_set():
                news.set()


class ThreadWorkerPool(WorkerPool):
    """The threads of one `imap` call; its reader gives up the branches that overrun their time."""

    lane_kind = "thread"
    is_watched = False  # whether workers store their branch, so that it can be given up

    def __init__(self, call: Call, workers: int) -> None:
        self._has_deadlines = call.timeout_s is not None
        self._timeout_ns = round((call.timeout_s or 0.0) * 1e9)
        self.is_watched = self.is_watched or self._has_deadlines or call.branches.is_recorded
        self._next_check_ns = 0
        super().__init__(call, workers)

    def _start_worker(self) -> None:
        self._start(self._make_worker(self.branches.recorder.lanes.take(self.lane_kind)))

    def _make_worker(self, lane: Lane) -> ThreadWorker:
        return ThreadWorker(self, lane)

    def give_up_all(self) -> None:
        """Pull nothing more, and leave the threads alone with what they run: they cannot be killed."""
        self._stop_pulling()
        for worker in list(self._workers):
            self.branches.give_up(worker.claim, worker.claim.peek())
            self._workers.pop(worker, None)

    def _next_deadline_s(self) -> float | None:
        """Return the time to the next deadline of a branch in progress [s]; None where there is none."""
        timeout_s = self.branches.timeout_s
        if timeout_s is None:
            return None
        starts = [held.started_ns for held in self._held()]
        if not starts:
            return timeout_s
        return max(0, min(starts) + self._timeout_ns - self.branches.now_ns()) / 1e9

    def _held(self) -> list[OpenBranch]:
        """Return the branches in progress; a copy of the list is read, since workers may leave meanwhile."""
        return [held for worker in list(self._workers) if (held := worker.claim.peek())]

    def _give_up_late(self, *, is_urgent: bool = False) -> None:
        """Give up branches that overran their time; each worker that is stuck with one gets a replacement."""
        timeout_s, now_ns = self.branches.timeout_s, self.branches.now_ns()
        if timeout_s is None or (now_ns < self._next_check_ns and not is_urgent):
            return
        self._next_check_ns = now_ns + self._timeout_ns // CHECKS_PER_TIMEOUT
        for worker in list(self._workers):
            held = worker.claim.peek()
            if held is not None and now_ns - held.started_ns >= self._timeout_ns:
                self._time_out(worker, held, timeout_s)

    def _time_out(self, worker: ThreadWorker, held: OpenBranch, timeout_s: float) -> None:
        if not self.branches.give_up(worker.claim, held):
            return  # it has just finished
        self._workers.pop(worker, None)
        error = DeadlineExceeded(self.branches.where(held.index), timeout_s)
        times = (held.submitted_ns, held.started_ns, self.branches.now_ns())
        self.done.append(Outcome(held.index, None, error, "timeout", 1, *times, held.name))
        self._start_worker()


def simulated_pool(kind: str) -> Any:
    """Return the class of the simulated worker pool of a kind, or None where the clock in force has real workers."""
    if not current_clock().simulates(kind):
        require_installed(f"workers of the kind {kind!r} in real time", SIMULATE)
        return None
    return getattr(import_module("kaygraph_viz.execute.local.simulated"), SIMULATED_POOLS[kind])
