"""The results of worker processes as outcomes and spans.

Belongs here: reading records, the errors for what cannot be read, bars of branches that a process left unfinished.
Does not belong here: the bytes (``core.pickling``), how they came (``processes``).
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from kaygraph_viz.execute.core.branch import Branches
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.pickling import unpack_result
from kaygraph_viz.execute.core.worker_pool import Pulled
from kaygraph_viz.execute.local.shared_progress import records_in
from kaygraph_viz.thread_protocols import Event
from kaygraph_viz.trace.attributes import describe_error
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.span import RowTuple, Status
from kaygraph_viz.trace.wire import Shift, adopt, squeezed

__all__ = ["Results"]


class Results:
    """Turns the records of one worker process into outcomes and spans."""

    def __init__(self, branches: Branches, lane: Lane, done: deque[Outcome], news: Event, *, is_real: bool) -> None:
        self.branches = branches
        self.lane = lane.name
        self.recorder = branches.recorder
        self._done = done
        self._news = news
        self._is_real = is_real
        self._kept: tuple[Sequence[Pulled], bytes, int, int] | None = None

    def keep(self, chunk: Sequence[Pulled], written: bytes, sent_ns: int) -> None:
        """Keep the records of a chunk until `deliver`."""
        self._kept = chunk, written, sent_ns, self.branches.now_ns()

    def deliver(self) -> None:
        """Deliver the outcomes of the records that were kept, if any."""
        if self._kept is None:
            return
        (chunk, written, sent_ns, received_ns), self._kept = self._kept, None
        records = records_in(written)
        shift = None
        if records and not self._is_real:
            shift = squeezed(records[0][1], sent_ns, received_ns)
        # short records, of numbers and texts: no name, no error, no rows of their own
        is_plain = {4}.issuperset(map(len, records)) and tuple not in set(map(type, map(itemgetter(0), records)))
        if shift is None and is_plain:
            self._done.extend(self._plain(chunk, records))
        else:
            for pulled, record in zip(chunk, records, strict=False):
                self._done.append(self._long(pulled, record, shift))
        self._news.set()

    def _plain(self, chunk: Sequence[Pulled], records: Sequence[tuple[Any, ...]]) -> list[Outcome]:
        """Return the outcomes of items whose value is a number or text, all in one go."""
        name = self.branches.name
        pairs = list(zip(chunk, records, strict=False))
        if self.branches.is_recorded:
            add, next_id = self.branches.add, self.recorder.next_id
            parent_id, lane = self.branches.parent_id, self.lane
            for (index, _, submitted), (_, started, ended, cpu) in pairs:
                add((
                    next_id(), parent_id, index, name, "branch", lane, submitted, started, ended, cpu, 0, "ok", 1,
                    None, None, None, None,
                ))  # fmt: skip
        return [
            Outcome(index, value, None, "ok", 1, submitted, started, ended, name)
            for (index, _, submitted), (value, started, ended, _) in pairs
        ]

    def _long(self, pulled: Pulled, record: tuple[Any, ...], shift: Shift | None) -> Outcome:
        """Return the outcome of one item of which there may be more to say."""
        index, _, submitted = pulled
        where, cpu = self.branches.where(index), -1
        failure: Any = None
        rows: list[RowTuple] | None = None
        status: Status = "ok"
        attempts, name = 1, self.branches.name
        if len(record) == 4:
            packed, started, ended, cpu = record
        else:
            long = pickle.loads(record[0])  # noqa: S301  (from our own process)
            packed, started, ended, failure, status, attempts, name, rows = long
        value, error = unpack_result(packed, failure, where)
        if error is not None and failure is None:  # the value could not be loaded
            status, rows = "error", None
        if shift is not None:
            started, ended = shift(started), shift(ended)
            cpu = min(cpu, ended - started)
        outcome = Outcome(index, value, error, status, attempts, submitted, started, ended, name)
        self._record(outcome, rows, cpu, shift)
        return outcome

    def end(self, pulled: Pulled, started_ns: int, ended_ns: int, status: Status, error: Exception | None) -> None:
        """Deliver the outcome of an item of which the process has left no record."""
        index, item, submitted = pulled
        started_ns, name = max(submitted, started_ns), self.branches.name_of(item)
        outcome = Outcome(index, None, error, status, 1, submitted, started_ns, max(started_ns, ended_ns), name)
        self._record(outcome, None, -1, None)
        if status != "cancelled":
            self._done.append(outcome)
            self._news.set()

    def _record(self, outcome: Outcome, rows: list[RowTuple] | None, cpu_ns: int, shift: Shift | None) -> None:
        recorder, parent_id, submitted = self.recorder, self.branches.parent_id, outcome.submitted_ns
        if not self.branches.is_recorded:  # no row is made for nothing
            return
        if rows:
            adopt(
                recorder,
                rows,
                parent_id=parent_id,
                lane=self.lane,
                submitted_ns=submitted,
                shift=shift,
                add=self.branches.add,
            )
            return
        text = None if outcome.error is None else describe_error(outcome.error)
        self.branches.add((  # a plain tuple: it is made for every small item, and a `Row` costs 0.6 us more
            recorder.next_id(), parent_id, outcome.index, outcome.name, "branch", self.lane, submitted,
            outcome.started_ns, outcome.ended_ns, cpu_ns, 0, outcome.status, outcome.attempts, text, None, None, None,
        ))  # fmt: skip
