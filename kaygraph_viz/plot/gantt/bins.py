"""The shares of an image of many bars: exactly which share of each pixel's time each part takes.

Belongs here: the arithmetic from spans to shares. Does not belong here: colours on an Axes (``image``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.plot.gantt.chart import Chart, Run
from kaygraph_viz.plot.gantt.part_fills import STACK, Floats, share_of
from kaygraph_viz.plot.style import STATUS_FILLS

__all__ = ["MAX_IMAGE_ROWS", "Bins", "busy_share", "make_bins"]

MAX_IMAGE_ROWS = 400


@dataclass(frozen=True)
class Bins:
    """The shares of one block of rows: rows of workers without a heading between them.

    Parameters
    ----------
    rows
        Which rows of the chart they are.
    shares
        For each part, an array of shape (image rows, bins) with values from 0 to 1. There is one image row for each
        row, or for several rows together where the chart has more than `MAX_IMAGE_ROWS`.
    failed
        Row and time [s] of what ended badly, by status, at most one of each for each row and bin, shape (m, 2).
    """

    rows: range
    shares: Mapping[str, Floats]
    failed: Mapping[str, Floats]


def busy_share(
    rows: Ints, starts: Ints, ends: Ints, edges: Ints, row_count: int, weights: Floats | float = 1.0
) -> Floats:
    """Return which share of each bin is covered, for each row.

    Parameters
    ----------
    rows, starts, ends
        The intervals, times in [ns] from 0; those of one row do not overlap.
    edges
        The bins' borders [ns], ascending, shape (b + 1,).
    row_count
        How many rows there are.
    weights
        How much of each interval counts, 0 to 1.

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
    # Empty intervals first: `last` below finds the last one at a start, and only that counts.
    order = np.lexsort((ends, starts, rows))
    rows, starts, ends = rows[order], starts[order], ends[order]
    weight = np.broadcast_to(weights, len(order))[order]
    before = np.concatenate([[0], np.cumsum((ends - starts) * weight)])  # covered by earlier intervals, in all rows
    stride = int(max(edges[-1], ends.max())) + 1
    wanted = np.arange(row_count)[:, None] * stride + edges[None, :]
    last = np.searchsorted(rows * stride + starts, wanted, side="right") - 1
    at = np.maximum(last, 0)
    left_of_last = (ends[at] - edges[None, :]).clip(0) * weight[at]
    is_mine = (last >= 0) & (rows[at] == np.arange(row_count)[:, None])
    covered = before[at + (last >= 0)] - np.where(is_mine, left_of_last, 0)
    share: Floats = np.diff(covered, axis=1) / np.maximum(np.diff(edges), 1)
    return share


def make_bins(chart: Chart, bin_count: int) -> list[Bins]:
    """Return the shares of a chart for an image of `bin_count` columns, for each block of rows.

    Parameters
    ----------
    chart
        With at least one unit of work.
    bin_count
        One for each pixel that the image is wide.
    """
    edges = np.linspace(0, max(round(chart.extent_s * 1e9), bin_count), bin_count + 1).astype(np.int64)
    rows = len(chart.rows)
    shares: dict[str, Floats] = {}
    for run in chart.runs:
        _add_shares(shares, run, edges, rows)
    failed = {status: found for status in STATUS_FILLS if len(found := _failed(chart, status, edges))}
    blocks = chart.blocks()
    density = MAX_IMAGE_ROWS / max(MAX_IMAGE_ROWS, sum(map(len, blocks)))
    made: list[Bins] = []
    for block in blocks:
        mine = slice(block.start, block.stop)
        folded = {part: _fold(share[mine], math.ceil(density * len(block))) for part, share in shares.items()}
        bad = {status: places[np.isin(places[:, 0], block)] for status, places in failed.items()}
        made.append(Bins(block, folded, bad))
    return made


def _add_shares(shares: dict[str, Floats], run: Run, edges: Ints, row_count: int) -> None:
    """Add the shares of a run; of unknown parts the measured share counts as CPU and the rest as waiting."""
    parts = run.parts
    for fill in STACK:
        weights = share_of(parts, fill)
        some = np.flatnonzero(weights)
        if len(some):
            starts, ends = (column[some] - run.first_ns for column in (parts.started_ns, parts.ended_ns))
            share = busy_share(run.row_of[parts.owner[some]], starts, ends, edges, row_count, weights[some])
            name = "wait" if fill == "unknown" else fill
            shares[name] = shares.get(name, 0.0) + share


def _fold(share: Floats, most: int) -> Floats:
    """Return at most `most` rows of shares, each the mean of rows that no screen shows apart."""
    if len(share) <= most:
        return share
    firsts = np.unique(np.arange(most) * len(share) // most)
    heights = np.diff(np.append(firsts, len(share)))
    folded: Floats = np.add.reduceat(share, firsts, axis=0) / heights[:, None]
    return folded


def _failed(chart: Chart, status: str, edges: Ints) -> Floats:
    """Return row and time [s] of the bars that ended with a status, once for each row and bin."""
    found = [np.empty((0, 2))]
    for run in chart.runs:
        is_bad = run.nesting.columns.is_status(status)[run.units]
        ends = run.since_start("ended_ns")[is_bad]
        place = np.minimum(np.searchsorted(edges, ends, side="right") - 1, len(edges) - 2)
        cells = np.unique(np.stack([run.row_of[is_bad], place], axis=1), axis=0)
        found.append(np.stack([cells[:, 0].astype(np.float64), edges[cells[:, 1]] / 1e9], axis=1))
    return np.concatenate(found)
