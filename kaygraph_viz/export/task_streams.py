"""A reader of the task stream of Dask, as ``client.get_task_stream()`` returns it.

Belongs here: the meaning of a message of that stream. Does not belong here: recording on Dask workers (``execute``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kaygraph_viz.export.reader import Reader, integer_ns
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.dask_stream import after_each_other, function_of_key
from kaygraph_viz.trace.files import Allowance
from kaygraph_viz.trace.row import safe_attributes
from kaygraph_viz.trace.span import Status

SECOND_NS = 1_000_000_000
NOTED = ("key", "worker", "nbytes", "typename")


class _Action(NamedTuple):
    """One action for a task, such as a transfer or the computation, from and to [ns]."""

    name: object
    start_ns: int
    stop_ns: int

    @classmethod
    def of(cls, noted: Mapping[str, Any]) -> _Action:
        start_ns, stop_ns = (integer_ns(noted.get(end), SECOND_NS) for end in ("start", "stop"))
        return cls(noted.get("action"), start_ns, stop_ns)


class TaskStreamReader(Reader):
    """A reader that makes branches of tasks."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__(allowance)
        self._workers: dict[str, tuple[str, dict[str, str]]] = {}  # by address: its name, and the lanes of its threads
        self._count = 0

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in the message of one task."""
        times = event.get("startstops")
        if not isinstance(times, list) or not all(isinstance(each, dict) for each in times):
            raise ValueError("it has no 'startstops', so it is no message of a task stream")
        if not times:  # it never ran, so there is no branch
            return
        actions = [_Action.of(each) for each in times]
        ran = [action for action in actions if action.name == "compute"] or actions
        self._count += 1
        noted = {name: event[name] for name in NOTED if event.get(name) is not None}
        status: Status = "error" if event.get("status") == "error" else "ok"
        self._keep((
            self._count, 0, -1, function_of_key(event.get("key")), "branch", self._lane(event),
            min(each.start_ns for each in actions), min(each.start_ns for each in ran),
            max(each.stop_ns for each in ran), -1, 0, status, 1,
            "the task failed" if status == "error" else None, safe_attributes(noted), None, None,
        ))  # fmt: skip

    def _lane(self, event: Mapping[str, Any]) -> str:
        address, thread = str(event.get("worker"))[:200], str(event.get("thread"))[:200]
        worker, lanes = self._workers.setdefault(address, (f"dask-{len(self._workers) + 1}", {}))
        return lanes.setdefault(thread, f"{worker}/thread-{len(lanes) + 1}")

    def finish(self, *, is_complete: bool) -> tuple[SpanColumns, int]:
        """Return the tasks; the lane of a worker with a single thread has the name of the worker."""
        columns, dropped = super().finish(is_complete=is_complete)
        alone = {lane: worker for worker, lanes in self._workers.values() if len(lanes) == 1 for lane in lanes.values()}
        columns.lanes = tuple(alone.get(lane, lane) for lane in columns.lanes)
        return _without_overlaps(columns), dropped


def _without_overlaps(columns: SpanColumns) -> SpanColumns:
    """Return tasks of which those of one thread do not overlap."""
    rows, names = columns.rows, ("started_ns", "ended_ns")
    if (rows["ended_ns"] < rows["started_ns"]).any():  # the file is damaged, and is refused
        return columns
    found = list(after_each_other(zip(*(rows[name].tolist() for name in ("lane", *names)), strict=True)))
    for name in names:
        rows[name] = [getattr(each, name) for each in found]
    cut = {
        number: each.as_attribute
        for number, each in zip(rows["span_id"].tolist(), found, strict=True)
        if each.clipped_ns
    }
    noted = {number: {**columns.attributes.get(number, {}), **its} for number, its in cut.items()}
    columns.attributes = {**columns.attributes, **noted}
    return columns.in_order()
