"""Workers in simulated time: threads, and threads that stand for processes.

Belongs here: what a worker costs and copies where the clock is virtual. Does not belong here: the schedule
(``virtual``), and what real workers do (``threads``, ``processes``, ``dask_call``), which the contract tests hold
against this.

A simulated process has an interpreter of its own, gets copies of function and items, sends back copies of results, and
can be killed. It cannot die by itself.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Generator
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import BranchError, DeadlineExceeded
from kaygraph_viz.execute.arrivals import Arrivals
from kaygraph_viz.execute.attempts import Held
from kaygraph_viz.execute.crew import Pulled, delivered
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.parcels import by_value, cannot_send, not_sent, pack, pack_error, pack_result, unpack
from kaygraph_viz.execute.parcels import unpack_result as loaded
from kaygraph_viz.execute.request import Request
from kaygraph_viz.execute.thread_crew import ThreadCrew, Worker
from kaygraph_viz.trace.attributes import describe_error
from kaygraph_viz.trace.lanes import Lane

if TYPE_CHECKING:
    from kaygraph_viz.virtual.clock import VirtualClock

__all__ = ["simulated"]


def simulated(kind: str, workers: int, request: Request) -> Generator[Outcome, None, None]:
    """Yield the outcomes of a call whose workers are simulated, as `delivered` does."""
    crew = SimulatedThreads if kind == "thread" else SimulatedProcesses
    return delivered(partial(crew, request, workers, kind))


class SimulatedThreads(ThreadCrew):
    """Threads that cost what the clock says."""

    def __init__(self, request: Request, workers: int, kind: str) -> None:
        clock: VirtualClock = current_clock()  # type: ignore[assignment]  # the caller has looked
        self.lane_kind = kind
        self.start_up_s, self.dispatch_s = clock.start_up_s[kind], clock.dispatch_s[kind]
        super().__init__(request, workers)

    is_watched = True

    def _worker(self, lane: Lane | None) -> Worker:
        return _Thread(self, lane)


class _Thread(Worker):
    """A thread that takes its time to start, and for each item."""

    crew: SimulatedThreads

    def _run_items(self) -> None:
        crew = self.crew
        if crew.start_up_s:
            current_clock().sleep(crew.start_up_s)
        while (pulled := crew.pull()) is not None:
            if crew.dispatch_s:
                current_clock().sleep(crew.dispatch_s)
            outcome = self._run_item(pulled)
            if self.claim.is_lost:
                return
            if outcome is not None:
                crew.done.append(outcome)
                crew.news.set()

    def _run_item(self, pulled: Pulled) -> Outcome | None:
        """Run one item; None if its outcome has been handed over already."""
        return self.branches.run(*pulled, self.lane, self.claim)


class SimulatedProcesses(SimulatedThreads):
    """Processes, as far as time, copies and being killed are concerned."""

    def __init__(self, request: Request, workers: int, kind: str) -> None:
        branches = request.branches
        try:
            self.call = by_value((branches.function, branches.label, branches.retry, branches.fallback))
        except Exception as error:
            raise cannot_send(f"the function of {branches.owner!r}", error) from error
        super().__init__(request, workers, kind)

    def _worker(self, lane: Lane | None) -> Worker:
        return _Process(self, lane)

    def give_up_all(self) -> None:
        """Pull nothing more and kill what is in progress."""
        self._stop_pulling()
        for worker in list(self._workers):
            held = worker.claim.peek()
            if held is not None:
                worker.claim.verdict = "cancelled", None
                if self._give_up(worker, held):
                    worker.kill()
            self._workers.pop(worker, None)

    def _time_out(self, worker: Any, held: Held, timeout_s: float) -> None:
        error = DeadlineExceeded(self.branches.where(held.index), timeout_s)
        worker.claim.verdict = "timeout", error
        if not self._give_up(worker, held):
            worker.claim.verdict = None
            return
        self._workers.pop(worker, None)
        worker.kill()
        times = (held.submitted_ns, held.started_ns, self.branches.now_ns())
        self.done.append(Outcome(held.index, None, error, "timeout", 1, *times, held.name))
        self._hire()


class _Process(_Thread):
    """A thread that stands for a process."""

    crew: SimulatedProcesses

    def _thread(self, name: str) -> Any:
        threads = self.crew.threads
        return threads.Thread(target=self._run, name=name, interpreter=threads.interpreter())

    def kill(self) -> None:
        """End it at this instant, and wait until it has ended."""
        self.thread.kill()
        if self.crew.threads.scheduler.takes_part():
            self.thread.join()

    def _run_items(self) -> None:
        crew = self.crew
        self.branches = copy.copy(crew.branches)
        function, self.branches.label, self.branches.retry, fallback = pickle.loads(crew.call)  # noqa: S301  (ours)
        self.branches.function = partial(_sent_back, function)
        self.branches.fallback = None if fallback is None else partial(_sent_back, fallback)
        self._arrivals = Arrivals(crew.branches, self.lane, crew.done, crew.news, is_real=True)
        super()._run_items()

    def _run_item(self, pulled: Pulled) -> Outcome | None:
        where, now = self.branches.where(pulled[0]), self.branches.now_ns()
        try:
            packed = pack(pulled[1])
        except Exception as error:
            self._arrivals.end(pulled, now, now, "error", cannot_send(where, error))
            return None
        try:
            item = unpack(packed)
        except Exception as error:
            made = BranchError(f"{where} could not be loaded in the worker process: {describe_error(error)}")
            made.__cause__ = error
            self._arrivals.end(pulled, now, now, "error", made)
            return None
        outcome = super()._run_item((pulled[0], item, pulled[2]))
        if outcome is not None and isinstance(outcome.error, Exception):
            _, outcome.error = loaded(None, pack_error(outcome.error), where)
        return outcome


def _sent_back(function: Callable[..., Any], *args: Any) -> Any:
    """Return a copy of what a function returns, as if it had been sent from another process."""
    value = function(*args)
    if type(value) is CoroutineType:
        return value  # refused by whoever called
    try:
        packed = pack_result(value)
    except Exception as error:
        raise not_sent("the branch", error) from error
    found, failed = loaded(packed, None, "the branch")
    if failed is not None:
        raise failed
    return found
