"""What a chart consists of: its runs and rows, the parts and labels of bars, and bands of rows."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st
from matplotlib.figure import Figure

from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.plot.curves.queues import queue_depth
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.gantt.layout import BarLabels, make_layout
from kaygraph_viz.plot.gantt.loops import awaiting
from kaygraph_viz.plot.gantt.scene import FEW_ROWS as FEW, MAX_BANDS, MAX_ROWS, Attempts, Chart, bar_parts, folded
from kaygraph_viz.plot.rows import MAX_GROUPS
from kaygraph_viz.plot.style import Size
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting
from tests.plot.gantt.examples import layout_of


def test_inner_nodes_have_no_lines_where_there_is_no_room_for_all():
    stages = [bar(f"stage {number}", "main", 0, 9, kind="node") for number in range(4)]
    trace = make_trace((bar("Pipeline", "main", 0, 9, kind="node"), stages), bar("Report", "main", 9, 10, kind="node"))
    assert [line.label for line in Chart.of(trace).runs[0].nodes] == ["Pipeline", "Report"]


def test_an_outer_node_lies_above_those_in_it():
    inner = [bar("a", "main", 0, 2, kind="node"), bar("b", "main", 2, 5, kind="node")]
    lines = Chart.of(make_trace((bar("outer", "main", 0, 5, kind="node"), inner))).runs[0].nodes
    assert {line.label: line.level for line in lines} == {"outer": 0, "a": 1, "b": 1}


def test_nodes_are_shown_above_the_rows_if_there_are_several():
    one = bar("a", "main", 0, 1, kind="node")
    two = make_trace(one, bar("b", "main", 1, 2, kind="node"))
    assert Chart.of(make_trace(one)).runs[0].nodes == ()
    assert [line.label for line in Chart.of(two).runs[0].nodes] == ["a", "b"]


def test_rows_of_workers_without_a_heading_between_them_are_one_block():
    one, other = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1)), make_trace(bar("a", "main", 0, 1))
    assert Chart.of(one).blocks() == [range(2)]
    assert Chart.of({"one": one, "other": other}).blocks() == [range(1, 3), range(4, 5)]
    assert Chart.of(make_trace()).blocks() == []


# -- the attempts of branches, and the parts of bars with and without them -----


@pytest.fixture
def tried():
    """Return a branch that was tried twice with a pause between, and one that was not, with options for the first."""

    def make(**options):
        attempts = [bar("a", "t", 0, 1, kind="attempt", status="error"), bar("a", "t", 3, 5, kind="attempt", attempt=2)]
        retried = bar("a", "t", 0, 6, attempt=2, **options), attempts
        return Nesting.of(make_trace(retried, bar("b", "u", 0, 2, cpu_s=2)).columns)

    return make


def parts_of(nesting):
    units = np.flatnonzero(nesting.columns.is_kind("branch"))
    found = bar_parts(nesting.columns, units, Attempts(nesting))
    rows = zip(found.owner, found.kind, found.started_ns / 1e9, found.ended_ns / 1e9, strict=True)
    return [(int(owner), PART_KINDS[kind], float(start), float(end)) for owner, kind, start, end in rows]


def test_without_noted_parts_the_gaps_between_attempts_are_pauses(tried):
    assert parts_of(tried()) == [
        (0, "unknown", 0, 1), (0, "pause", 1, 3), (0, "unknown", 3, 5), (0, "pause", 5, 6), (1, "cpu", 0, 2)
    ]  # fmt: skip


def test_noted_parts_say_it_better(tried):
    noted = [("cpu", 1), ("pause", 2), ("blocked", 1), ("cpu", 2)]
    assert [part[1] for part in parts_of(tried(parts=noted))] == ["cpu", "pause", "blocked", "cpu", "cpu"]


# -- when branches around others only waited -----


def run_of(*bars):
    return Chart.of(make_trace(*bars, check=False), has_own_time=True).runs[0]


def waits_of(run):
    found = awaiting(run)
    return [
        (int(run.row_of[place]), start / 1e9, end / 1e9)
        for place, start, end in zip(*(each.tolist() for each in found), strict=True)
    ]


def test_a_branch_waits_between_what_it_does_by_itself():
    jobs = [bar("job", "t-2", 2, 4), bar("job", "t-2", 5, 8)]
    assert waits_of(run_of((bar("task", "t-1", 0, 9), jobs))) == [(0, 2, 4), (0, 5, 8)]


def test_one_that_is_drawn_only_because_others_of_its_name_are_waits_all_the_time():
    tasks = [(bar("task", f"t-{lane}", 0, 9), [bar("job", f"u-{lane}", lane, 9)]) for lane in (0, 4)]
    assert waits_of(run_of(*tasks)) == [(0, 0, 9), (1, 4, 9)]


def test_bars_in_its_row_are_no_waiting():
    step = bar("step", "t-1", 3, 4)
    assert waits_of(run_of((bar("task", "t-1", 0, 9), [step, bar("job", "t-2", 2, 6)]))) == [(0, 2, 3), (0, 4, 6)]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(0, 4), st.booleans()), min_size=1))
def test_bars_and_waits_fill_the_row_and_never_overlap(tasks):
    bars, at = [], 0
    for before, job, after, is_inline in tasks:
        start, end = at + before, at + before + job
        bars.append((bar("task", "t-1", at, end + after), [bar("job", "t-1" if is_inline else "t-2", start, end)]))
        at = end + after
    run = run_of(*bars, (bar("task", "t-3", 0, at + 1), [bar("job", "t-4", 0, 1)]))  # so that tasks are drawn
    rows = {run.nesting.columns.span(unit).lane: row for unit, row in zip(run.units, run.row_of, strict=True)}
    found = [(start, end) for row, start, end in waits_of(run) if row == rows["t-1"]]
    found += [
        (span.started_ns / 1e9, span.ended_ns / 1e9)
        for span in map(run.nesting.columns.span, run.units.tolist())
        if span.lane == "t-1"
    ]
    edges = [each for each in sorted(found) if each[0] < each[1]]
    assert (edges[0][0], edges[-1][1]) == (0, at)
    assert all(one[1] == other[0] for one, other in pairwise(edges))


# -- which branches around others have rows: all of one name, or none of them -----


def task(lane, start, before_s, *, name="task", took_s=10.0):
    """Return a branch that works by itself for some time, and then waits for a job on another lane to its end."""
    return bar(name, lane, start, start + took_s), [
        bar("job", f"inner-{lane}", start + before_s, start + took_s, queued_s=0)
    ]


def rows_of(*bars):
    return [row.text for row in Chart.of(make_trace(*bars), has_own_time=True).rows]


HANDED_OVER = ["inner-t-1", "inner-t-2"]


def test_branches_that_only_hand_over_have_no_rows():
    assert rows_of(task("t-1", 0, 0.0), task("t-2", 0, 0.0)) == HANDED_OVER


def test_many_short_stretches_are_drawn_as_well_as_a_single_long_one():
    tasks = [task("t-1", 0.5 * number, 0.3, took_s=0.5) for number in range(100)]
    assert rows_of(*tasks) == ["inner-t-1", "t-1"]


def test_where_some_worked_notably_all_of_that_name_have_rows():
    assert rows_of(task("t-1", 0, 4.0), task("t-2", 0, 0.0)) == [*HANDED_OVER, "t-1", "t-2"]


def test_those_of_another_name_do_not_count():
    assert rows_of(task("t-1", 0, 4.0), task("t-2", 0, 0.0, name="other")) == [*HANDED_OVER, "t-1"]


def test_a_worker_that_did_other_things_is_not_shown_to_be_free_while_it_waits():
    assert rows_of(bar("first", "t-1", 0, 1), task("t-1", 1, 0.0)) == ["inner-t-1", "t-1"]


def statuses_at_ends(*bars):
    """Return time [s] and status of the bars of branches around others that did not end well."""
    run = Chart.of(make_trace(*bars), has_own_time=True).runs[0]
    spans = map(run.nesting.columns.span, run.units.tolist())
    return [(span.ended_ns / 1e9, span.status) for span in spans if span.span_id < 0 and span.status != "ok"]


def test_one_that_failed_after_all_within_it_went_well_is_drawn_and_marked_at_its_end():
    failed = bar("task", "t-1", 0, 9, status="error", error="E"), [bar("job", "t-2", 0, 9)]
    assert rows_of(failed) == ["t-1", "t-2"]
    assert statuses_at_ends(failed) == [(9, "error")]


def test_one_that_failed_with_a_branch_in_it_is_not_marked_again():
    failed = bar("task", "t-1", 0, 9, status="error", error="E"), [bar("job", "t-2", 0, 9, status="error", error="E")]
    assert rows_of(failed) == ["t-2"]
    assert statuses_at_ends((failed[0], [*failed[1], bar("job", "t-2", 9, 9)])) == []


@pytest.mark.parametrize("started", [0, 4])
def test_what_held_up_a_loop_is_drawn_even_if_a_branch_ran_meanwhile(started):
    blocked = bar("loop blocked", "task-1", started, started + 1, kind="wait")
    rows = rows_of((bar("main", "task-1", 0, 9), [blocked, bar("job", "thread-1", 0, 9)]))
    assert rows == ["thread-1", "task-1"]


def test_a_branch_whose_own_steps_keep_its_worker_has_no_bar_beside_them():
    steps = [bar("order", "p-1", 0, 1), bar("order", "p-1", 1, 2)]
    run = Chart.of(make_trace((bar("chunk", "p-1", 0, 2), steps)), has_own_time=True).runs[0]
    assert set(run.ids.tolist()) == {2, 3}


def test_a_branch_around_others_was_queued_until_it_began():
    outer = bar("task", "t-1", 2, 9, queued_s=2), [bar("job", "t-2", 4, 8, queued_s=1)]
    rects = make_layout(Chart.of(make_trace(outer), has_own_time=True)).rects
    queued = [(rect.row, rect.x0_s, rect.x1_s) for rect in rects if rect.fill == "queued"]
    assert sorted(queued) == [(0, 0.0, 2.0), (1, 3.0, 4.0)]


def test_one_that_waited_from_its_begin_on_is_not_queued_until_its_work_comes():
    outer = bar("task", "t-1", 2, 9, queued_s=2), [bar("job", "t-2", 2, 5, queued_s=0)]
    rects = make_layout(Chart.of(make_trace(outer), has_own_time=True)).rects
    assert not [rect for rect in rects if rect.fill == "queued" and rect.x1_s > 2]


# -- the texts for bars -----


def test_steps_around_the_work_are_slim_and_the_work_has_the_name_of_its_node():
    phases = [bar(name, "main", start, start + 1, kind="phase") for start, name in enumerate(["prep", "exec", "post"])]
    layout = layout_of(make_trace((bar("Load", "main", 0, 3, kind="node"), phases)))
    assert [made.height for made in layout.bars] == [Size.slim, Size.full, Size.slim]
    assert layout.bars[1].labels == ("Load",)


def test_items_of_a_batch_are_told_apart_by_their_number():
    trace = make_trace(bar("Check", "t", 0, 1, index=0), bar("Check", "t", 1, 2, index=1, status="timeout"))
    assert [made.labels for made in layout_of(trace).bars] == [
        ("Check 0", "0"), ("Check 1: timed out", "1: timed out", "timed out", "1")
    ]  # fmt: skip


def labels_of(trace):
    return BarLabels(Nesting.of(trace.columns), np.arange(len(trace)))


def test_a_label_stands_behind_the_name_which_is_cut_before_it_is_dropped():
    trace = make_trace(
        bar("fetch_anchor_pages", "t", 0, 1, label='"a.html"'), bar("fetch_anchor_images", "t", 1, 2, label="7")
    )
    assert labels_of(trace).of(0) == ('fetch_anchor_pages("a.html")', 'fetc…pages("a.html")', '"a.html"')
    assert labels_of(trace).of(1) == ("fetch_anchor_images(7)", "fetc…mages(7)", "7")
    assert labels_of(trace).name(0) == "fetch_anchor_pages"


def test_a_label_from_a_file_is_made_harmless():
    assert labels_of(make_trace(bar("a", "t", 0, 1, label="x\n\u202ey"))).of(0) == ("a(x y)", "x y")
    assert labels_of(make_trace(bar("a", "t", 0, 1, label=["x"]))).of(0) == ("a",)


def test_a_bundle_tells_its_number_of_items():
    trace = make_trace(bar("square", "t", 0, 1, items=1_000), bar("square", "t", 1, 2, items=1))
    assert [labels_of(trace).of(position) for position in (0, 1)] == [("square x 1,000", "x 1,000"), ("square",)]


def test_what_a_branch_around_others_did_itself_is_called_after_it():
    pages = [
        (bar("page", "t-1", start, start + 4, index=index), [bar("image", "t-2", start + 1, start + 3)])
        for index, start in enumerate((0, 4))
    ]
    layout = make_layout(Chart.of(make_trace(*pages), has_own_time=True))
    assert [made.labels[0] for made in layout.bars if made.row == 0] == ["page 0", "page 0", "page 1", "page 1"]


def test_a_branch_of_which_there_is_one_needs_no_number_beside_spans_of_its_name():
    assert labels_of(make_trace(bar("call", "t-1", 0, 1, index=6), bar("call", "t-2", 0, 1))).of(0) == ("call",)


# -- rows that are too many to be told apart, as bands -----


def lanes(*counts, kind="async"):
    """Return a chart of branches on so many lanes of each kind, all from 0 to 1."""
    made = [bar("b", f"{kind}{number}-{lane}", 0, 1) for number, count in enumerate(counts) for lane in range(count)]
    return Chart.of(make_trace(*made))


def texts(chart):
    return [row.text for row in chart.rows]


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
