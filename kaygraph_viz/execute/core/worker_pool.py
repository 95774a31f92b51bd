"""The crew of one `imap` call: what its workers and its reader share.

Belongs here: pulling items within the look-ahead, handing outcomes over, stopping; the same for threads and processes.
Does not belong here: how one kind of worker runs an item, and how it is given up (``local.threads``,
``local.processes``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

from kaygraph_viz.execute.core.base import in_order
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import Request
from kaygraph_viz.sync import threads

__all__ = ["Crew", "delivered"]

Pulled = tuple[int, Any, int]  # the index, the item, and when it was ready [ns]
LOOK_AT_MEMORY_S = 0.05


def delivered(make: Callable[[], Crew]) -> Generator[Outcome, None, None]:
    """Yield the outcomes of the crew that `make` returns; whatever ends the reading, or the hiring, ends the crew."""
    crew = make()
    request = crew.request
    outcomes = crew.outcomes()
    try:
        with request.token.stopping(crew.cancel):
            crew.hire_all()
            for outcome in in_order(outcomes) if request.ordered else outcomes:
                crew.count_delivery()
                yield outcome
    except KeyboardInterrupt:
        crew.give_up_all()  # control goes back at once, and nothing queued starts
        raise
    finally:
        crew.stop()


class Crew(ABC):
    """The workers of one `imap` call and what they share.

    Finished outcomes travel through a deque, whose appends need no lock; the lock guards the pulling only.

    Parameters
    ----------
    request
        The call.
    workers
        How many may work at once; there are never more of them than items.
    """

    def __init__(self, request: Request, workers: int) -> None:
        self.request = request
        self.branches = request.branches
        self.done: deque[Outcome] = deque()
        self.threads = threads()
        self.news = self.threads.Event()  # set whenever there is something to read, or a worker has left
        self.size = workers if request.count is None else min(workers, request.count)
        self._items: Iterator[Any] = iter(request.items)
        self._memory = request.memory
        self._limit = workers + request.window
        self._enough_room = self._limit - max(1, request.window // 4)  # waking a worker costs as much as ten items
        self._pulled = self._delivered = 0
        self._is_starving = self._is_stopped = False
        self._fault: BaseException | None = None
        self._lock = self.threads.Lock()  # an input that blocks holds it
        self._room = self.threads.Condition()
        self._workers: dict[Any, None] = {}  # in the order in which they were hired

    def hire_all(self) -> None:
        """Hire the workers."""
        for _ in range(self.size):
            self._hire()

    @abstractmethod
    def _hire(self) -> None:
        """Put one worker on the list and start it."""

    def _start(self, worker: Any) -> None:
        self._workers[worker] = None
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
            self.break_off(error)
        if self._is_stopped:  # also when that was said while the input was blocking: nothing more is started
            return None
        index = self._pulled
        self._pulled += 1
        submitted = self.request.submitted_ns
        return index, item, self.branches.now_ns() if submitted is None else submitted

    def _wait_for_room(self) -> None:
        with self._room:
            while not self._is_stopped:
                self._is_starving = True
                if self._pulled - self._delivered < self._limit:  # looked at again: the reader may have missed the flag
                    return
                self._room.wait()

    def _wait_for_memory(self, is_tight: Any) -> None:
        """Wait while memory is short and as many items are on their way as there are workers, without look-ahead."""
        while self._pulled - self._delivered >= self.size and not self._is_stopped and is_tight():
            with self._room:
                self._room.wait(LOOK_AT_MEMORY_S)

    def break_off(self, error: BaseException) -> None:
        """Pull nothing more; the reader raises `error` after the outcomes of what was pulled before."""
        self._is_stopped, self._fault = True, error

    def leave(self, worker: Any) -> None:
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
                continue  # while there is something to read, nobody has to be told about more
            news.clear()
            is_over = not self._workers  # looked at before the deque: a worker's last outcome is there before it leaves
            if done:
                continue
            if is_over:
                break
            news.wait(self._next_deadline_s())
            self._give_up_late(is_urgent=True)  # after a wait at once: a deadline may be why it ended
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
            if worker.is_alive():  # not one whose start has failed
                worker.join()

    def cancel(self, reason: BaseException) -> None:
        """Give up everything; the reader raises `reason`. Called from any thread."""
        self.break_off(reason)
        self.give_up_all()
        self.news.set()

    @abstractmethod
    def give_up_all(self) -> None:
        """Pull nothing more, and wait for nobody."""

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
        """Give up branches that overran their time; often called, so it looks only from time to time."""
