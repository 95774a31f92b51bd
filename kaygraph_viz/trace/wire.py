"""Adding the spans of another process of this machine to the trace of this one.

Belongs here: new numbers, parents, lanes and times for rows that came home. Does not belong here: how they travelled
(``execute``), clocks of other machines (``offsets``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kaygraph_viz.base.parts import shifted
from kaygraph_viz.trace.row import Row, RowTuple

if TYPE_CHECKING:
    from kaygraph_viz.trace.recorder import Recorder


OWN_LANE = "worker"  # what a process calls the lane of its own main thread

Shift = Callable[[int], int]


def squeezed(first_ns: int, sent_ns: int, received_ns: int) -> Shift:
    """Return a function that maps times of a process to another clock, such as a simulated one."""
    return lambda time_ns: max(sent_ns, min(time_ns - first_ns + sent_ns, received_ns))


def adopt(
    recorder: Recorder,
    rows: Iterable[RowTuple],
    *,
    parent_id: int,
    lane: str,
    submitted_ns: int,
    shift: Shift | None = None,
    add: Callable[[RowTuple], object] | None = None,
) -> None:
    """Add the rows of one branch from another process to a recorder."""
    found = [Row._make(row) for row in rows]
    numbers = {row.span_id: recorder.next_id() for row in found}
    add = add or recorder.add
    for row in found:
        timed = _in_time(row, shift) if shift is not None else row
        is_branch = row.index >= 0 and row.parent_id not in numbers  # of which only we know when it was ready
        add(
            timed._replace(
                span_id=numbers[row.span_id],
                parent_id=numbers.get(row.parent_id, parent_id),
                lane=lane if row.lane == OWN_LANE else f"{lane}/{row.lane}",
                submitted_ns=min(submitted_ns, timed.started_ns) if is_branch else timed.submitted_ns,
                links=tuple(numbers[link] for link in row.links if link in numbers) if row.links else None,
            )
        )


def _in_time(row: Row, shift: Shift) -> Row:
    """Return the row with its times shifted, and CPU time of no more than it then lasts."""
    started_ns, ended_ns = shift(row.started_ns), shift(row.ended_ns)
    return row._replace(
        submitted_ns=shift(row.submitted_ns),
        started_ns=started_ns,
        ended_ns=ended_ns,
        cpu_ns=min(row.cpu_ns, ended_ns - started_ns),
        blocked_ns=min(row.blocked_ns, ended_ns - started_ns),
        parts=shifted(row.parts, shift, started_ns, ended_ns),
    )
