"""The shares of an image of many bars: exactly which share of each pixel's time each part takes.

Belongs here: the arithmetic from spans to shares. Does not belong here: colours on an Axes (``image``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.plot.gantt.chart import Chart, Run
from kaygraph_viz.plot.gantt.part_fills import STACK, Floats, share_of
from kaygraph_viz.plot.style import STATUS_FILLS
from kaygraph_viz.trace.counting import sums

__all__ = ["Bins", "Coverage", "make_bins"]

NOISE = 1e-9  # a share below this is what rounding left of none


@dataclass(frozen=True)
class Bins:
    """The shares of one block of rows: rows of workers without a heading between them."""

    rows: range
    shares: Mapping[str, Floats]
    failed: Mapping[str, Floats]


class Coverage:
    """How much of each bin intervals cover, row by row; intervals of one row may overlap."""

    def __init__(self, rows: Ints, starts: Ints, ends: Ints, edges: Ints, row_count: int) -> None:
        self._shape = row_count, len(edges) - 1
        self._widths = np.diff(edges)
        self._sides = [(sign, *self._cells(rows, times, edges)) for sign, times in ((1, starts), (-1, ends))]

    def _cells(self, rows: Ints, times: Ints, edges: Ints) -> tuple[Ints, Ints]:
        """Return row and bin of each time as one number, and how much of the bin lies behind it [ns]."""
        place = (np.searchsorted(edges, times, side="right") - 1).clip(0, self._shape[1] - 1)
        return rows * self._shape[1] + place, edges[place + 1] - times

    def shares(self, weights: Floats | None = None) -> Floats:
        """Return how much of each bin is covered, shape (rows, bins): from 0 to the number of intervals at once."""
        size = self._shape[0] * self._shape[1]
        whole, within = np.zeros(size), np.zeros(size)
        some = slice(None) if weights is None else np.flatnonzero(weights)
        weight = 1.0 if weights is None else weights[some]
        for sign, cell, behind in self._sides:
            counted = np.broadcast_to(np.asarray(weight, np.float64), cell[some].shape)
            whole += sign * sums(cell[some], counted, size)
            within += sign * sums(cell[some], counted * behind[some], size)
        whole, within = whole.reshape(self._shape), within.reshape(self._shape)
        share: Floats = np.cumsum(whole, axis=1) - whole + within / np.maximum(self._widths, 1)
        share[share < NOISE] = 0
        return share


def make_bins(chart: Chart, bin_count: int) -> list[Bins]:
    """Return the shares of a chart for an image of `bin_count` columns, for each block of rows."""
    edges = np.linspace(0, max(round(chart.extent_s * 1e9), bin_count), bin_count + 1).astype(np.int64)
    shares: dict[str, Floats] = {}
    for run in chart.runs:
        _add_shares(shares, run, edges, len(chart.rows))
    heights = np.array([row.stands_for for row in chart.rows])[:, None]
    failed = {status: found for status in STATUS_FILLS if len(found := _failed(chart, status, edges))}
    return [
        Bins(
            block,
            {part: (share / heights)[block.start : block.stop] for part, share in shares.items()},
            {status: places[np.isin(places[:, 0], block)] for status, places in failed.items()},
        )
        for block in chart.blocks()
    ]


def _add_shares(shares: dict[str, Floats], run: Run, edges: Ints, row_count: int) -> None:
    """Add the shares of a run; of unknown parts the measured share counts as CPU and the rest as waiting."""
    parts = run.parts
    times = parts.started_ns - run.first_ns, parts.ended_ns - run.first_ns
    coverage = Coverage(run.row_of[parts.owner], *times, edges, row_count)
    for fill in STACK:
        weights = share_of(parts, fill)
        if weights.any():
            name = "wait" if fill == "unknown" else fill
            shares[name] = shares.get(name, 0.0) + coverage.shares(weights)


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
