"""Bands: rows that are too many to be told apart, folded into few, each of many neighbouring rows.

Belongs here: which rows become one, and what it is called. Does not belong here: rows of single workers
(``plot.rows``), and how busy a band was when (``bins``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, count, groupby

import numpy as np
from matplotlib.axes import Axes

from kaygraph_viz.analysis.workers import kind_of_lane
from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.labels import clean, clean_apart
from kaygraph_viz.plot.rows import NAME_LIMIT, Row
from kaygraph_viz.trace.counting import repeated

__all__ = ["MAX_BANDS", "MAX_ROWS", "folded", "most_rows"]

MAX_ROWS, LEAST_ROWS = 200, 40  # that are drawn one by one: on a figure of its own, and on an Axes however low
MAX_BANDS = 30  # each still has room for a name
FEW = 10  # rows of one kind of worker that stay as they are beside bands of others
MIN_ROW_PT = 1.5
DIGITS = "0123456789"


def most_rows(ax: Axes | None) -> int:
    """Return how many rows can be told apart on an Axes, or on a new one for None."""
    if ax is None:
        return MAX_ROWS
    return max(LEAST_ROWS, min(MAX_ROWS, int(Canvas(ax).height_pt / MIN_ROW_PT)))


def folded(chart: Chart, most: int = MAX_ROWS) -> Chart:
    """Return the chart, with its rows folded into bands if it has more than `most` rows of workers."""
    if chart.row_count <= most:
        return chart
    firsts = sorted([*_firsts(chart), *(number for number, row in enumerate(chart.rows) if row.is_heading)])
    sizes = np.diff([*firsts, len(chart.rows)])
    rows = list[Row]()
    for first, size in zip(firsts, sizes.tolist(), strict=True):
        row, last = chart.rows[first], chart.rows[first + size - 1]
        band = Row(row.lane, f"{_names(row.lane, last.lane)} ({size:,})", stands_for=size)
        rows.append(row if size == 1 else band)
    new = repeated(np.arange(len(firsts)), sizes)
    runs = (
        replace(run, row_of=new[run.row_of], nodes=tuple(replace(line, row=int(new[line.row])) for line in run.nodes))
        for run in chart.runs
    )
    return Chart(tuple(runs), tuple(rows))


def _firsts(chart: Chart) -> Iterator[int]:
    """Yield the first row of each band, and the rows that stay as they are."""
    stretches = list(_by_kind(chart))
    if len(stretches) > MAX_BANDS:
        stretches = chart.blocks()
    small = [stretch for stretch in stretches if len(stretch) <= FEW]
    if sum(map(len, small)) <= MAX_BANDS:
        yield from chain.from_iterable(small)
        stretches = [stretch for stretch in stretches if len(stretch) > FEW]
    limit = max(MAX_BANDS, len(stretches))
    sizes = (step * 10**power for power in count() for step in (1, 2, 5))
    size = next(size for size in sizes if sum(-(-len(stretch) // size) for stretch in stretches) <= limit)
    for stretch in stretches:
        yield from stretch[::size]


def _by_kind(chart: Chart) -> Iterator[range]:
    """Yield the rows of each kind of worker that follow each other; those of the main thread are apart."""
    for block in chart.blocks():
        for _, rows in groupby(block, lambda row: (chart.rows[row].lane == "main", kind_of_lane(chart.rows[row].lane))):
            mine = list(rows)
            yield range(mine[0], mine[-1] + 1)


def _names(first: str, last: str) -> str:
    if first == last:
        return clean_apart([first], NAME_LIMIT)[0]
    words = clean_apart([first, last], NAME_LIMIT)
    before, after = first.rstrip(DIGITS), last.rstrip(DIGITS)
    is_short = before == after and "" not in (before, last[len(after) :])
    return f"{words[0]} to {clean(last[len(after) :]) if is_short else words[1]}"
