"""The rows of a chart."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from kaygraph_viz.analysis.workers import lane_order
from kaygraph_viz.plot.gantt.scene import Chart
from kaygraph_viz.plot.rows import MAX_GROUPS, assign_rows
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting
from tests.plot.gantt.examples import layout_of


def node(name, start, *workers):
    branches = [bar("b", worker, start, start + 1) for worker in workers]
    return (bar(name, "main", start, start + 1, kind="node"), branches)


def texts(trace, **options):
    return [row.text for row in Chart.of(trace, **options).rows]


def test_main_comes_first_and_numbers_count_as_numbers():
    lanes = ["thread-10", "process-2", "main", "thread-9", "thread-1"]
    trace = make_trace(*(bar("b", lane, number, number + 1) for number, lane in enumerate(lanes)))
    assert [row.lane for row in Chart.of(trace).rows] == ["main", "thread-1", "thread-9", "thread-10", "process-2"]
    assert sorted(["w-²", "w-1"], key=lane_order) == ["w-1", "w-²"]


def test_lanes_of_other_programs_are_in_the_order_of_their_pools_and_numbers():
    lanes = [
        "main", "Thread-2 (fetch-all)", "Thread-10 (fetch-all)", "ThreadPoolExecutor-2_1", "ThreadPoolExecutor-10_0",
        "asyncio_2", "asyncio_10", "task-2", "task-10", "process-2", "process-2/asyncio_0", "process-10",
    ]  # fmt: skip
    assert sorted(sorted(lanes), key=lane_order) == lanes


def test_long_names_of_lanes_keep_what_tells_them_apart():
    lanes = [f"process-1/ThreadPoolExecutor-0_{number}" for number in range(12)]
    assert texts(make_trace(*(bar("b", lane, 0, 1) for lane in lanes)))[1] == "process-1/T…Executor-0_1"
    nodes = [node(f"ValidateCustomerRecordsOf{name}", at, "t-1", "t-2") for at, name in enumerate(["Oslo", "Rome"])]
    assert texts(make_trace(*nodes), group_by="node")[::3] == ["ValidateCus…ecordsOfOslo", "ValidateCus…ecordsOfRome"]


def test_overlapping_bars_of_one_lane_get_rows_of_their_own():
    trace = make_trace(bar("a", "main", 0, 2), bar("b", "main", 1, 3), bar("c", "main", 2, 4), check=False)
    layout = layout_of(trace)
    assert [row.text for row in Chart.of(trace).rows] == ["main", ""]
    assert [made.row for made in sorted(layout.bars, key=lambda made: made.x0_s)] == [0, 1, 0]


def test_rows_by_node_are_in_the_order_in_which_nodes_began():
    trace = make_trace(node("Last", 2, "t-1"), node("Zebra", 0, "t-2", "t-1"), node("Ape", 1, "t-1"))
    assert texts(trace, group_by="node") == ["Zebra", "t-1", "t-2", "Ape · t-1", "Last · t-1"]


def test_work_outside_nodes_is_a_group_too():
    trace = make_trace(node("Loop", 0, "t-1"), bar("free", "t-1", 2, 3))
    assert texts(trace, group_by="node") == ["Loop · t-1", "outside nodes · t-1"]


def test_workers_without_work_are_rows_of_the_node_that_started_their_kind():
    phase = bar("exec", "main", 0, 1, kind="phase", executor="thread", workers=3)
    trace = make_trace((bar("Check", "main", 0, 1, kind="node"), [(phase, [bar("b", "thread-1", 0, 1)])]))
    assert texts(trace) == ["thread-1", "thread-2", "thread-3"]
    assert texts(trace, group_by="node") == ["Check", "thread-1", "thread-2", "thread-3"]


def test_ten_thousand_nodes_have_a_bounded_number_of_groups():
    trace = make_trace(*(node(f"n{number}", number, "t-1") for number in range(10_000)))
    chart = Chart.of(trace, "node")
    assert len(chart.rows) == MAX_GROUPS
    assert chart.rows[-1].text == "9,961 more nodes · t-1"
    assert len(set(chart.runs[0].row_of.tolist())) == MAX_GROUPS


@st.composite
def nested(draw):
    """Nodes with branches on a few lanes, which may overlap."""
    made = []
    for number in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, 9))
        branches = [bar("b", f"t-{draw(st.integers(1, 3))}", start, start + draw(st.integers(0, 4))) for _ in
                    range(draw(st.integers(1, 4)))]  # fmt: skip
        made.append((bar(f"n{draw(st.integers(1, 3))}", f"main-{number}", start, start + 4, kind="node"), branches))
    return make_trace(*made, check=False)


@given(nested(), st.sampled_from(["worker", "node"]))
def test_bars_of_one_row_are_of_one_worker_and_never_overlap(trace, group_by):
    nesting = Nesting.of(trace.columns)
    units = np.flatnonzero(trace.columns.is_kind("branch"))
    row_of, rows = assign_rows(nesting, units, group_by)
    last = {}
    for unit, row in sorted(
        zip(units.tolist(), row_of.tolist(), strict=True), key=lambda pair: trace.spans[pair[0]].started_ns
    ):
        span = trace.spans[unit]
        assert rows[row].lane == span.lane
        assert not rows[row].is_heading
        assert last.get(row, 0) <= span.started_ns or span.service_s == 0
        last[row] = max(last.get(row, 0), span.ended_ns)
