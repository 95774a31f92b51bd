"""Spans that were recorded in another process of this machine, taken into the trace of this one.

Belongs here: new numbers, parents, lanes and times for their rows. Does not belong here: how the rows travelled
(``execute``), clocks of other machines (``offsets``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from kaygraph_viz.parts import shifted
from kaygraph_viz.trace.span import Row
from kaygraph_viz.trace.storage import RowList

if TYPE_CHECKING:
    from kaygraph_viz.trace.recorder import Recorder

__all__ = ["OWN_LANE", "RowList", "adopt", "squeezed"]

OWN_LANE = "worker"  # what a process calls the lane of its own main thread

Shift = Callable[[int], int]


def squeezed(first_ns: int, sent_ns: int, received_ns: int) -> Shift:
    """Return a function from times of a process to a clock that it knows nothing of, such as a simulated one.

    Parameters
    ----------
    first_ns
        A time of the process [ns] that happened no earlier than `sent_ns`.
    sent_ns, received_ns
        Between which times of the other clock all of it happened [ns].

    Examples
    --------
    >>> shift = squeezed(1_000, 50, 60)
    >>> shift(1_004), shift(5_000), shift(0)
    (54, 60, 50)
    """
    return lambda time_ns: max(sent_ns, min(time_ns - first_ns + sent_ns, received_ns))


def adopt(
    recorder: Recorder, rows: list[Row], *, parent_id: int, lane: str, submitted_ns: int, shift: Shift | None = None
) -> None:
    """Add the rows of one branch from another process to a recorder.

    Parameters
    ----------
    recorder
        Of the trace here.
    rows
        As they were recorded there.
    parent_id
        The span that encloses the branch here; it also takes in rows whose parent is not among `rows`.
    lane
        What the process is called here; lanes of other threads there become lanes beside it.
    submitted_ns
        When the branch was ready to run [ns].
    shift
        Takes the times of the process to those of the trace; None where both read the same clock.
    """
    numbers = {row[0]: recorder.next_id() for row in rows}
    for row in rows:
        recorder.add(_adopted(row, numbers, parent_id, lane, submitted_ns, shift))


def _adopted(
    row: Row, numbers: Mapping[int, int], parent_id: int, lane: str, submitted_ns: int, shift: Shift | None
) -> Row:
    (span_id, parent, index, name, kind, its_lane, submitted, started, ended, cpu, blocked, status, attempt, error,
     attributes, links, parts) = row  # fmt: skip
    if shift is not None:
        submitted, started, ended = shift(submitted), shift(started), shift(ended)
        cpu, blocked = min(cpu, ended - started), min(blocked, ended - started)
        parts = shifted(parts, shift, started, ended)
    if index >= 0 and parent not in numbers:  # the branch itself: only here is it known when it was ready
        submitted = min(submitted_ns, started)
    return (
        numbers[span_id], numbers.get(parent, parent_id), index, name, kind,
        lane if its_lane == OWN_LANE else f"{lane}/{its_lane}", submitted, started, ended, cpu, blocked, status,
        attempt, error, attributes, tuple(numbers[link] for link in links if link in numbers) if links else None,
        parts,
    )  # fmt: skip
