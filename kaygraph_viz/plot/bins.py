"""Many bars as an image: which share of each pixel's time each part takes, exactly.

Belongs here: the arithmetic from spans to shares. Does not belong here: colours on an Axes (``gantt``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.nesting import Nesting, unit_mask
from kaygraph_viz.plot.rows import RowLabel, assign_rows
from kaygraph_viz.trace.trace import Trace

__all__ = ["MAX_IMAGE_ROWS", "Bins", "busy_share", "make_bins"]

MAX_IMAGE_ROWS = 400
PARTS = ("cpu", "waiting", "blocked", "busy")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bins:
    """The shares of one chart.

    Parameters
    ----------
    rows
        What each row is called.
    shares
        For each part, an array of shape (image rows, bins) with values from 0 to 1. There is one image row for each
        row, or for several rows together where there are more than `MAX_IMAGE_ROWS`.
    failed
        Row and time [s] of what ended badly, at most one for each row and bin, shape (m, 2).
    extent_s
        The makespan [s].
    bar_count
        How many units of work the image stands for.
    """

    rows: tuple[RowLabel, ...]
    shares: dict[str, Floats]
    failed: Floats
    extent_s: float
    bar_count: int


def busy_share(rows: Ints, starts: Ints, ends: Ints, edges: Ints, row_count: int) -> Floats:
    """Return which share of each bin is covered, for each row.

    Parameters
    ----------
    rows, starts, ends
        The intervals, times in [ns] from 0; those of one row do not overlap.
    edges
        The bins' borders [ns], ascending, shape (b + 1,).
    row_count
        How many rows there are.

    Returns
    -------
    ndarray
        Shape (row_count, b), values from 0 to 1.

    Notes
    -----
    With F(t) the time covered until t, the share of a bin is ``(F(right) - F(left)) / (right - left)``. F is found
    for all edges at once by a binary search, so the result is exact and its cost hardly grows with the number of
    intervals.

    Examples
    --------
    >>> zeros = np.zeros(2, np.int64)
    >>> busy_share(zeros, np.array([0, 30]), np.array([5, 40]), np.array([0, 10, 20, 40]), 1).tolist()
    [[0.5, 0.0, 0.5]]
    """
    if not len(starts):
        return np.zeros((row_count, len(edges) - 1))
    order = np.lexsort((ends, starts, rows))  # what takes no time first: the last one to start counts up to an edge
    rows, starts, ends = rows[order], starts[order], ends[order]
    before = np.concatenate([[0], np.cumsum(ends - starts)])  # covered by all earlier intervals, over all rows
    stride = int(max(edges[-1], ends.max())) + 1
    wanted = np.arange(row_count)[:, None] * stride + edges[None, :]
    last = np.searchsorted(rows * stride + starts, wanted, side="right") - 1
    at = np.maximum(last, 0)
    into_last = np.minimum(edges[None, :], ends[at]) - starts[at]
    is_mine = (last >= 0) & (rows[at] == np.arange(row_count)[:, None])
    covered = before[at + (last >= 0)] - np.where(is_mine, ends[at] - starts[at] - into_last, 0)
    share: Floats = np.diff(covered, axis=1) / np.maximum(np.diff(edges), 1)
    return share


def make_bins(trace: Trace, bin_count: int) -> Bins:
    """Return the shares of a trace for an image of `bin_count` columns.

    Parameters
    ----------
    trace
        A trace with at least one unit of work.
    bin_count
        One for each pixel that the image is wide.
    """
    columns = trace.columns
    nesting = Nesting.of(columns)
    units = np.flatnonzero(unit_mask(nesting))
    row_of, rows = assign_rows(columns, units)
    first, last = int(columns.column("submitted_ns").min()), int(columns.column("ended_ns").max())
    edges = np.linspace(0, max(last - first, bin_count), bin_count + 1).astype(np.int64)
    starts, ends = columns.column("started_ns")[units] - first, columns.column("ended_ns")[units] - first
    cpu, blocked = columns.column("cpu_ns")[units], columns.column("blocked_ns")[units]
    borders = _borders(starts, ends, cpu, blocked)
    shares = {
        part: _fold(busy_share(row_of[some], low[some], high[some], edges, len(rows)))
        for part, (low, high, some) in borders.items()
        if some.any()
    }
    is_bad = columns.is_status("error", "timeout", "abandoned", "lost", "cancelled")[units]
    failed = _failed(row_of[is_bad], ends[is_bad], edges)
    return Bins(rows, shares, failed, (last - first) / 1e9, len(units))


def _borders(
    starts: Ints, ends: Ints, cpu: Ints, blocked: Ints
) -> dict[str, tuple[Ints, Ints, npt.NDArray[np.bool_]]]:  # fmt: skip
    """Return where each part begins and ends, and which bars have it: the same rule as for single bars."""
    blocked_from = ends - np.minimum(blocked, ends - starts)
    is_measured = cpu >= 0
    cpu_until = np.where(is_measured, np.minimum(starts + cpu, blocked_from), blocked_from)
    return {
        "cpu": (starts, cpu_until, is_measured),
        "busy": (starts, cpu_until, ~is_measured),
        "waiting": (cpu_until, blocked_from, blocked_from > cpu_until),
        "blocked": (blocked_from, ends, blocked > 0),
    }


def _fold(share: Floats) -> Floats:
    """Average rows that lie so close together that no screen shows them apart."""
    if len(share) <= MAX_IMAGE_ROWS:
        return share
    firsts = np.unique(np.arange(MAX_IMAGE_ROWS) * len(share) // MAX_IMAGE_ROWS)
    heights = np.diff(np.append(firsts, len(share)))
    folded: Floats = np.add.reduceat(share, firsts, axis=0) / heights[:, None]
    return folded


def _failed(rows: Ints, ends: Ints, edges: Ints) -> Floats:
    place = np.minimum(np.searchsorted(edges, ends, side="right") - 1, len(edges) - 2)
    cells = np.unique(np.stack([rows, place], axis=1), axis=0)
    return np.stack([cells[:, 0].astype(np.float64), edges[cells[:, 1]] / 1e9], axis=1)
