"""The results of Dask workers as outcomes and rows of the trace, and what the workers are sent to know.

Belongs here: stamps, lanes, clock offsets, and the outcomes of branches that did not come back. Does not belong here:
deciding that a branch is lost or late (``executor``).
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any, NamedTuple

from kaygraph_viz.base.errors import DeadlineExceeded, OptionError, RemoteWorkerLostError, warn
from kaygraph_viz.capture.process_recorder import wanted_by
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.execute.branch import Branches, OpenBranch
from kaygraph_viz.execute.call import Call
from kaygraph_viz.execute.dask.cluster import Link
from kaygraph_viz.execute.dask.worker import Answer, Finished, Setup, WorkerThread, Written
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pickling import by_value, context_values, unpack_result
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.offsets import NO_OFFSET, Move
from kaygraph_viz.trace.options import DEFAULT_MAX_SPANS
from kaygraph_viz.trace.row import Row, describe_error
from kaygraph_viz.trace.span import Status
from kaygraph_viz.trace.wire import Shift, adopt, squeezed

Pair = tuple[int, Any, int]  # index, item, when it was ready [ns]


@dataclass(slots=True, eq=False)
class Chunk:
    """Items that are sent together."""

    number: int
    pairs: list[Pair]
    sent_ns: int
    future: Any = None


class News(NamedTuple):
    """An entry of the queue to the reader: an answer, an error, an outcome, a reason to stop, or the end."""

    chunk: Chunk | None = None
    answer: Answer | None = None
    error: BaseException | None = None
    outcome: Outcome | None = None
    reason: BaseException | None = None
    is_end: bool = False


def packed_setup(branches: Branches) -> bytes:
    """Return the settings of a call, packed; raise `OptionError` where they cannot be."""
    setup = Setup(
        branches.function,
        branches.name,
        branches.label,
        branches.owner,
        branches.retry,
        branches.fallback,
        branches.timeout_s,
        context_values(branches.context()),
        max_spans=DEFAULT_MAX_SPANS if branches.is_recorded else 0,
        wanted=wanted_by(branches.recorder),
    )
    try:
        return by_value(setup)
    except Exception as error:
        expected = f"a value that can be sent to a worker ({describe_error(error)})"
        raise OptionError("fn", branches.function, expected, "a function that gets its data as its item") from error


class Results:
    """Turns the answers of workers in one `imap` call into outcomes, and rows of the trace."""

    def __init__(self, request: Call, link: Link) -> None:
        self._branches = request.branches
        self._recorder = request.branches.recorder
        self._link = link
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._held: dict[int, OpenBranch] = {}
        self._has_warned = False

    # -- finished on a worker -----------------------------------------------------------------------------------

    def of(self, pairs: list[Pair], worker: WorkerThread | None, finished: list[bytes]) -> list[Outcome]:
        """Return the outcomes of the first items of a chunk, and record them."""
        if worker is None:
            return []
        return [self._one(pairs, worker, Finished(*pickle.loads(packed))) for packed in finished]

    def _one(self, pairs: list[Pair], worker: WorkerThread, done: Finished) -> Outcome:
        index, _, submitted = pairs[done.position]
        value, error = unpack_result(done.packed, done.failure, self._branches.where(index))
        status: Status = "error" if error is not None and done.status == "ok" else done.status
        offset = self._link.offset(worker.address) if self._branches.is_recorded else NO_OFFSET
        now_ns = self._branches.now_ns()
        shift: Shift = Move(offset, submitted, now_ns)
        if self._branches.is_recorded and self._recorder.clock is not REAL:  # a worker knows nothing of that clock
            shift = squeezed(done.started_ns, submitted, now_ns)
        started, ended = shift(done.started_ns), shift(done.ended_ns)
        if self._branches.is_recorded:
            if started < submitted and not self._has_warned:  # by more than the clock can be off
                self._has_warned = True
                warn(
                    f"a branch on {worker.address} started {(submitted - started) / 1e6:.3f} ms before it was "
                    f"submitted, although the clock of that worker is known within {offset.bound_ns / 1e6:.3f} ms: its "
                    "times may be wrong",
                    stacklevel=2,
                )
            rows = [Row._make(row) for row in done.rows]
            if (worker.address, worker.thread) not in self._lanes:
                facts = {"worker": worker.address, "pid": worker.pid, **offset.attributes}
                rows = [
                    row._replace(attributes={**(row.attributes or {}), **facts})
                    if row.index >= 0 and row.kind == "branch"
                    else row
                    for row in rows
                ]
            lane = self._lane(worker).name
            adopt(
                self._recorder, rows, parent_id=self._branches.parent_id, lane=lane, submitted_ns=submitted, shift=shift
            )
        return Outcome(index, value, error, status, done.attempts, submitted, started, max(started, ended), done.name)

    # -- lanes --------------------------------------------------------------------------------------------------

    def _lane(self, worker: WorkerThread) -> Lane:
        key = (worker.address, worker.thread)
        if key not in self._lanes:
            self._lanes[key] = self._recorder.lanes.take("dask")
        return self._lanes[key]

    def free_all(self) -> None:
        """Give back all lanes; called at the end of the call."""
        for lane in self._lanes.values():
            self._recorder.lanes.free(lane)
        self._lanes.clear()

    # -- not finished on a worker -------------------------------------------------------------------------------

    def started_ns(self, sent_ns: int, written: Written) -> int | None:
        """Return when the item that a journal names began [ns], or None if it has not."""
        if self._link.has_journals:
            return None if written.started is None else max(sent_ns, written.started_ns)
        return sent_ns

    def failed(self, pair: Pair, error: BaseException) -> Outcome:
        """Return the outcome of an item that could not run."""
        now_ns = self._branches.now_ns()
        self._add(pair, None, (now_ns, now_ns), "error", error)
        return self._outcome(pair, "error", error, now_ns, now_ns)

    def lost(self, pair: Pair, sent_ns: int, written: Written, error: BaseException | None) -> Outcome:
        """Return the outcome of an item whose worker died."""
        runs = 1 if self._link.has_journals else 1 + int(getattr(error, "allowed_failures", 0))
        worker = written.worker
        where = self._branches.where(pair[0])
        last = worker or getattr(error, "last_worker", None)  # of Dask, which knows no process
        lost = RemoteWorkerLostError(where, getattr(last, "address", None), worker.pid if worker else 0, runs)
        lost.__cause__ = error
        started, ended = self.started_ns(sent_ns, written) or sent_ns, self._branches.now_ns()
        self._add(pair, worker, (started, ended), "lost", lost)
        return self._outcome(pair, "lost", lost, started, ended)

    def timed_out(self, pair: Pair, started_ns: int) -> Outcome:
        """Return the outcome of an item that overran its time."""
        error = DeadlineExceeded(self._branches.where(pair[0]), self._branches.timeout_s or 0.0)
        return self._outcome(pair, "timeout", error, started_ns, self._branches.now_ns())

    def _outcome(self, pair: Pair, status: Status, error: BaseException, started_ns: int, ended_ns: int) -> Outcome:
        index, item, submitted = pair
        name = self._branches.name_of(item)
        return Outcome(index, None, error, status, 1, submitted, max(started_ns, submitted), ended_ns, name)

    def ended_by_us(self, pair: Pair, worker: WorkerThread | None, started_ns: int, status: Status) -> None:
        """Record an item whose worker was ended."""
        self._add(pair, worker, (started_ns, self._branches.now_ns()), status, None)

    def _add(
        self,
        pair: Pair,
        worker: WorkerThread | None,
        times: tuple[int, int],
        status: Status,
        error: BaseException | None,
    ) -> None:
        if not self._branches.is_recorded:
            return
        bar = self._bar(pair, worker, times[0])
        text = None if error is None else describe_error(error)
        self._recorder.add(bar.row(max(bar.started_ns, times[1]), status, text))

    def hold(self, number: int, pair: Pair, worker: WorkerThread | None, started_ns: int) -> None:
        """Keep the bar of an item open that was given up and still runs."""
        if not self._branches.is_recorded:
            return
        self._held[number] = bar = self._bar(pair, worker, started_ns)
        self._recorder.keep_open(bar)

    def _bar(self, pair: Pair, worker: WorkerThread | None, started_ns: int) -> OpenBranch:
        index, item, submitted = pair
        branches, lane = self._branches, self._lane(worker).name if worker is not None else "dask"
        ids = self._recorder.next_id(), branches.parent_id, lane
        return OpenBranch(index, branches.name_of(item), submitted, max(started_ns, submitted), *ids)

    def release(self, number: int) -> None:
        """End the bar of an item that was given up and has now ended."""
        held = self._held.pop(number, None)
        if held is not None:
            self._recorder.add(held.abandoned_row(self._branches.now_ns()))
            self._recorder.forget(held.span_id)
