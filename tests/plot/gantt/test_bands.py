"""Rows that are too many to be told apart, as bands."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, strategies as st
from matplotlib.figure import Figure

from kaygraph_viz.plot.curves.queues import queue_depth
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.gantt.bands import FEW, MAX_BANDS, MAX_ROWS, folded
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.rows import MAX_GROUPS
from kaygraph_viz.testing import bar, make_trace


def lanes(*counts, kind="async"):
    """Return a chart of branches on so many lanes of each kind, all from 0 to 1."""
    made = [bar("b", f"{kind}{number}-{lane}", 0, 1) for number, count in enumerate(counts) for lane in range(count)]
    return Chart.of(make_trace(*made))


def texts(chart):
    return [row.text for row in chart.rows]


def test_rows_that_can_be_told_apart_are_left_as_they_are():
    chart = lanes(MAX_ROWS)
    assert folded(chart) is chart


def test_of_one_more_neighbouring_rows_become_bands():
    chart = folded(lanes(MAX_ROWS + 1))
    assert texts(chart)[:2] == ["async0-0 to 9 (10)", "async0-10 to 19 (10)"]
    assert texts(chart)[-1] == "async0-200"
    assert (chart.row_count, chart.band_count, chart.folded_count) == (201, 20, 200)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.integers(1, 60))
def test_each_row_is_in_the_one_band_at_its_place(counts, most):
    chart = lanes(*counts)
    found = folded(chart, most)
    assert found.row_count == chart.row_count
    assert chart.row_count > most or found is chart
    assert found is chart or len(found.rows) <= 2 * MAX_BANDS
    rows = np.repeat(np.arange(len(found.rows)), [row.stands_for for row in found.rows])
    assert found.runs[0].row_of.tolist() == rows[chart.runs[0].row_of].tolist()


def test_workers_of_several_kinds_are_in_bands_of_their_own():
    chart = folded(lanes(300, 150))
    assert not [text for text in texts(chart) if "async0" in text and "async1" in text]


def test_the_few_rows_of_a_kind_stay_beside_bands_of_others():
    chart = folded(lanes(FEW, 300))
    assert texts(chart)[: FEW + 1] == [*(f"async0-{lane}" for lane in range(FEW)), "async1-0 to 9 (10)"]


def test_very_many_kinds_of_workers_are_folded_together():
    chart = folded(lanes(*[1] * 500))
    assert [row.stands_for for row in chart.rows] == [20] * 25
    assert texts(chart)[0] == "async0-0 to async19-0 (20)"


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("ThreadPoolExecutor-0_", "ThreadPoolExecutor-0_0 to 9 (10)"),
        ("regional-download-pool-worker_", "regional-do…ool-worker_0 to 9 (10)"),
    ],
)
def test_lanes_of_other_programs_are_named_by_their_numbers(prefix, name):
    trace = make_trace(*(bar("b", f"{prefix}{number}", 0, 1) for number in range(300)))
    assert texts(folded(Chart.of(trace)))[0] == name


def test_a_worker_with_very_many_rows_is_named_once():
    chart = folded(Chart.of(make_trace(*(bar("b", "main", 0, 1) for _ in range(300)), check=False)))
    assert set(texts(chart)) == {"main (10)"}


def test_headings_and_lines_of_nodes_keep_their_places():
    runs = [bar(name, "main", 10 * at, 10 * at + 9, kind="node") for at, name in enumerate("ab")]
    branches = [[bar("b", f"t-{lane}", 10 * at, 10 * at + 1) for lane in range(300)] for at in range(2)]
    chart = Chart.of({"one": make_trace(*zip(runs, branches, strict=True)), "two": make_trace(*runs)})
    found = folded(chart)
    headings = [number for number, row in enumerate(found.rows) if row.is_heading]
    assert [found.rows[number] for number in headings] == [row for row in chart.rows if row.is_heading]
    assert [{line.row for line in run.nodes} for run in found.runs] == [{number} for number in headings]


def test_rows_of_nodes_are_folded_below_their_headings():
    made = [
        (bar(f"n{node}", "main", node, node + 1, kind="node"), [bar("b", f"t-{lane}", node, node + 1)
         for lane in range(20)]) for node in range(100)
    ]  # fmt: skip
    trace = make_trace(*made)
    found = folded(Chart.of(trace, "node"))
    assert sum(row.is_heading for row in found.rows) == MAX_GROUPS
    assert len(found.rows) == 2 * MAX_GROUPS
    ax = queue_depth(trace)
    assert len(ax.images) == MAX_GROUPS


def test_a_low_axes_has_room_for_fewer_rows():
    trace = make_trace(*(bar("b", f"t-{lane}", 0, 1) for lane in range(100)))
    low, high = (gantt(trace, ax=Figure(figsize=(6, height)).add_subplot()) for height in (1.5, 6))
    assert (len(low.images), len(high.images)) == (1, 0)


def test_the_size_of_a_picture_does_not_grow_with_the_number_of_workers():
    sizes = []
    for count in (1_000, 10_000):
        ax = gantt(make_trace(*(bar("b", f"async-{lane}", 0, 1, cpu_s=0.5) for lane in range(count))))
        pixels = sum(image.get_array().nbytes for image in ax.images)
        sizes.append((len(ax.images), len(ax.get_yticks()), ax.figure.get_size_inches()[1], pixels))
    (*one, pixels), (*other, more_pixels) = sizes
    assert one == other
    assert more_pixels <= pixels < 20e6  # longer names leave less room


def test_the_memory_that_a_chart_takes_does_not_grow_with_workers_times_pixels():
    def peak(workers):
        trace = make_trace(*(bar("b", f"async-{lane % workers}", lane // workers, lane // workers + 1, cpu_s=0.5)
                             for lane in range(1_500)))  # fmt: skip
        tracemalloc.start()
        gantt(trace, max_bars=1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)  # with what is loaded once
    assert peak(1_500) < 2 * peak(300)


def test_a_description_says_what_was_folded():
    made = [bar("b", f"async-{lane}", 1, 2, status="error" if lane == 7 else "ok") for lane in range(1_000)]
    ax = gantt(make_trace(bar("prep", "main", 0, 1, kind="phase"), *made))
    said = str(describe(ax)).replace("\n", " ")
    assert "1,000 workers (1,001 rows)" in said
    assert "1,000 are folded into 20 bands of at most 50 rows" in said
    assert ax.get_xlabel().splitlines()[1].startswith("1,000 rows in 20 bands: ")
    table = describe(ax).tables[0]
    assert [row[1:3] for row in table.rows][:2] == [("main", "1"), ("async-0 to 49 (50)", "50")]
    assert [row[-1] for row in table.rows][:3] == ["0", "1", "0"]


@pytest.mark.parametrize("color_by", ["part", "name", "status"])
def test_bands_are_coloured_by_parts(color_by):
    made = [bar("b", f"async-{lane}", 0, 1, cpu_s=0.5) for lane in range(300)]
    ax = gantt(make_trace(*made), color_by=color_by)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CPU", "waiting", "idle rows"]
