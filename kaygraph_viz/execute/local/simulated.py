"""Simulated workers: threads of simulated time that cost what the clock says; as processes they copy and can be killed.

Belongs here: what threads and processes cost where the clock is virtual, and how they end. Does not belong here: the
schedule (``clock.virtual``), and what real ones do (``worker_pool``, ``processes``, ``dask``), which the contract
tests hold against this.

A simulated process has an interpreter of its own, gets copies of function, items and context, sends back copies of
results, and can be killed. It cannot die by itself.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any
from weakref import WeakKeyDictionary

from kaygraph_viz.base.errors import BranchError, DeadlineExceeded
from kaygraph_viz.clock.clock import Clock, current_clock
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.clock.virtual.threads import VirtualThreads
from kaygraph_viz.execute.branch import Branches, Claim, OpenBranch
from kaygraph_viz.execute.call import Call
from kaygraph_viz.execute.local.answers import Results
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pickling import (
    by_value,
    cannot_send,
    context_values,
    not_sent,
    pack,
    pack_error,
    pack_result,
    unpack,
    unpack_result,
)
from kaygraph_viz.execute.retries import Attempts, Result
from kaygraph_viz.execute.worker_pool import Pulled, ThreadWorker, ThreadWorkerPool
from kaygraph_viz.trace.lanes import NO_LANE, Lane
from kaygraph_viz.trace.recorder import Recorder
from kaygraph_viz.trace.row import Row, RowTuple, describe_error
from kaygraph_viz.trace.span import Status

__all__ = ["SimulatedDaskPool", "SimulatedProcessPool", "SimulatedThread", "SimulatedThreadPool"]


class SimulatedThreadPool(ThreadWorkerPool):
    """The simulated threads of one call, which cost what the clock says."""

    is_watched = True
    threads: VirtualThreads

    def __init__(self, call: Call, workers: int) -> None:
        clock = current_clock()
        self.start_up_s, self.dispatch_s = clock.start_up_s[self.lane_kind], clock.dispatch_s[self.lane_kind]
        self.is_given_up = False
        self._waits_for_begin = False
        super().__init__(call, workers)

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
        self._waits_for_begin = self.branches.timeout_s is not None and not self._held()
        return None if self._waits_for_begin else super()._next_deadline_s()

    def _give_up_late(self, *, is_urgent: bool = False) -> None:
        now_ns, timeout_ns = self.branches.now_ns(), self._timeout_ns
        if self.branches.timeout_s is not None and any(now_ns - held.started_ns >= timeout_ns for held in self._held()):
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


_idle: WeakKeyDictionary[object, tuple[Clock, list[None]]] = WeakKeyDictionary()  # of which executor, by which clock


class SimulatedProcessPool(SimulatedThreadPool):
    """The simulated processes of one call: their time, their copies, and being killed."""

    lane_kind = "process"

    def __init__(self, call: Call, workers: int, executor: object = None) -> None:
        branches = call.branches
        try:
            self.packed = by_value((branches.function, branches.label, branches.retry, branches.fallback))
        except Exception as error:
            raise cannot_send(f"the function of {branches.owner!r}", error) from error
        self.context = context_values(branches.context())
        self.idle = [] if executor is None else _idle_of(executor)
        self.ready = threads().SimpleQueue()
        self._wake_watcher = threads().Event()
        self._has_watcher = call.timeout_s is not None and self.lane_kind == "process"
        super().__init__(call, workers)

    def start_workers(self) -> None:
        """Start the workers, the reader of the input, and the watcher of deadlines."""
        super().start_workers()
        self._start(_InputReader(self, NO_LANE))
        if self._has_watcher:
            self._start(_DeadlineWatcher(self, NO_LANE))

    def _make_worker(self, lane: Lane) -> ThreadWorker:
        return _SimulatedProcess(self, lane)

    def take(self) -> Pulled | None:
        """Return the next item for a worker; None when there is nothing more to do."""
        pulled: Pulled | None = self.ready.get()
        if pulled is None:
            self.ready.put(None)  # for the others
        return pulled

    def read_input(self) -> None:
        """Pull the input within the look-ahead and queue it for the workers."""
        try:
            while (pulled := self.pull()) is not None:
                self.ready.put(pulled)
        finally:
            self.ready.put(None)

    def watch_deadlines(self, watcher: ThreadWorker) -> None:
        """Kill workers at their deadlines, until only the watcher is left."""
        while not self.is_given_up and list(self._workers) != [watcher]:
            self._wake_watcher.clear()
            self._wake_watcher.wait(super()._next_deadline_s())
            super()._give_up_late(is_urgent=True)

    def remove(self, worker: Any) -> None:
        """Take a worker that has ended off the list."""
        super().remove(worker)
        self._wake_watcher.set()

    def _alarm(self) -> Any:
        return self._wake_watcher if self._has_watcher else self.news

    def _next_deadline_s(self) -> float | None:
        return None if self._has_watcher else super()._next_deadline_s()

    def _give_up_late(self, *, is_urgent: bool = False) -> None:
        if not self._has_watcher:
            super()._give_up_late(is_urgent=is_urgent)

    def _stop_pulling(self) -> None:
        super()._stop_pulling()
        while not self.ready.empty():
            self.ready.get_nowait()
        self.ready.put(None)

    def give_up_all(self) -> None:
        """Pull nothing more and kill what is in progress."""
        self.is_given_up = True
        self._stop_pulling()
        self._wake_watcher.set()
        for worker in list(self._workers):
            held = worker.claim.peek()
            if held is not None:
                self._end(worker, held, "cancelled")
            self._workers.pop(worker, None)

    def _time_out(self, worker: Any, held: OpenBranch, timeout_s: float) -> None:
        error = DeadlineExceeded(self.branches.where(held.index), timeout_s)
        if self._end(worker, held, "timeout", error):
            times = (held.submitted_ns, held.started_ns, self.branches.now_ns())
            self.done.append(Outcome(held.index, None, error, "timeout", 1, *times, held.name))
            self._start_worker()
            self.news.set()

    def _end(self, worker: Any, held: OpenBranch, status: Status, error: Exception | None = None) -> bool:
        """Kill a worker and record its branch, unless that has just ended."""
        if not self.branches.give_up(worker.claim, held):
            return False
        worker.kill()
        self._workers.pop(worker, None)  # also where its code will not let itself be ended
        text = None if error is None else describe_error(error)
        self.branches.add(held.row(self.branches.now_ns(), status, text))
        self.branches.recorder.forget(held.span_id)
        return True


class SimulatedDaskPool(SimulatedProcessPool):
    """The simulated processes of a Dask cluster, of which late ones are killed when the reader looks."""

    lane_kind = "dask"


def _idle_of(executor: object) -> list[None]:
    """Return one entry for each process of an executor that has been started by the clock in force and is idle."""
    clock = current_clock()
    if executor not in _idle or _idle[executor][0] is not clock:
        _idle[executor] = clock, []
    return _idle[executor][1]


class _Helper(ThreadWorker):
    """A thread of the caller that serves the workers; it holds no branch."""

    pool: SimulatedProcessPool
    name: str

    def _thread(self, name: str) -> Any:
        return super()._thread(self.name)

    def _work(self) -> None:
        self._run_items()  # without a lane: it is no row of a chart


class _InputReader(_Helper):
    """A thread that pulls the input, so that a slow one does not stop the workers."""

    name = "input"

    def _run_items(self) -> None:
        self.pool.read_input()


class _DeadlineWatcher(_Helper):
    """A thread that kills late workers."""

    name = "deadlines"

    def _run_items(self) -> None:
        self.pool.watch_deadlines(self)


class _SimulatedProcess(SimulatedThread):
    """A simulated process: a thread of simulated time with an interpreter of its own."""

    pool: SimulatedProcessPool

    def _thread(self, name: str) -> Any:
        simulated = self.pool.threads
        return simulated.Thread(target=self._run, name=name, interpreter=simulated.interpreter())

    def kill(self) -> None:
        """End it at this instant, and wait until it has ended."""
        self.thread.kill()
        if self.pool.threads.scheduler.mine() is not None:
            self.thread.join()

    def _run_items(self) -> None:
        pool = self.pool
        self.branches = _CopyingBranches(pool.branches, pool.packed, pool.context)
        self._results = Results(pool.branches, self.lane, pool.done, pool.news, is_real=True)
        super()._run_items()
        if self._is_started:
            pool.idle.append(None)

    def _next_item(self) -> Pulled | None:
        pulled = self.pool.take()
        if pulled is not None and not self._is_started and self.pool.idle:
            self.pool.idle.pop()  # it was started by an earlier call
            self._is_started = True
        if pulled is not None:
            self._start_up()  # once there is an item for it, as real ones
        return pulled

    def _run_item(self, pulled: Pulled) -> Outcome | None:
        where, now = self.branches.where(pulled[0]), self.branches.now_ns()
        try:
            packed = pack(pulled[1])
        except Exception as error:
            self._results.end(pulled, now, now, "error", cannot_send(where, error))
            return None
        try:
            item = unpack(packed)
        except Exception as error:
            made = BranchError(f"{where} could not be loaded in the worker process: {describe_error(error)}")
            made.__cause__ = error
            self._results.end(pulled, now, now, "error", made)
            return None
        outcome = super()._run_item((pulled[0], item, pulled[2]))
        if outcome is not None and isinstance(outcome.error, Exception):
            _, outcome.error = unpack_result(None, pack_error(outcome.error), where)
        return outcome


class _CopyingBranches(Branches):
    """Branches as they are in a process: with copies of what they need, sending back copies of what they return."""

    __slots__ = ("_keep",)

    def __init__(self, branches: Branches, call: bytes, context: Sequence[bytes]) -> None:
        for name in Branches.__slots__:
            setattr(self, name, getattr(branches, name))
        try:
            self.function, self.label, retry, fallback = pickle.loads(call)
        except Exception as error:
            what = f"the function of {branches.owner!r} could not be loaded in a worker process"
            raise BranchError(f"{what}: {describe_error(error)}") from error
        self.attempts = Attempts(self.function, retry, fallback, self.where)
        self._base = _copied_context(branches.context(), context)
        self._keep, self.add = branches.add, self._add_unless_killed

    def _add_unless_killed(self, row: RowTuple) -> None:
        """Keep the row of a branch; of one that was killed and whose code went on all the same, it is there already."""
        if Row._make(row).status != "abandoned":
            self._keep(row)

    def _attempts(self, index: int, item: Any, claim: Claim | None) -> Result:
        value, error, attempts = super()._attempts(index, item, claim)
        if error is not None:
            return value, error, attempts
        try:
            packed = pack_result(value)
        except Exception as failed:
            return None, not_sent(self.where(index), failed), attempts
        return *unpack_result(packed, None, self.where(index)), attempts


def _copied_context(context: Context, packed: Sequence[bytes]) -> Context:
    """Return a context with copies of what can be pickled, as a process has, and with all variables of this package."""
    copied = Context()
    for variable, value in context.items():
        if variable.name.startswith("kaygraph_viz_"):
            copied.run(variable.set, value)
    for each in packed:
        with suppress(Exception):  # as in a process, which may not have what it needs
            variable, value = pickle.loads(each)
            copied.run(variable.set, value)
    return copied
