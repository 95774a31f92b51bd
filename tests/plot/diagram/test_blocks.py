"""The drawings of single nodes."""

from __future__ import annotations

from matplotlib.patches import FancyArrowPatch

from kaygraph_viz.plot.diagram.blocks import box_scene, branch_boxes, framed, lines_size, node_box
from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.diagram.scene import Box
from kaygraph_viz.plot.diagram.stats import BranchStats, GraphStats, NodeStats
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.structure import GraphView, NodeView
from tests.plot.diagram.examples import (
    CHECKS,
    NESTED,
    VALIDATION,
    WIDE,
    assert_tidy,
    chain,
    texts,
)


def test_a_parallel_node_is_opened_into_its_branches():
    ax = diagram(VALIDATION)
    for name in (*CHECKS, "ParallelValidationNode", "AggregationNode"):
        assert name in texts(ax)
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 3 + 2 * len(CHECKS)
    xs = {text.get_text(): text.get_position()[0] for text in ax.texts}
    assert xs["Input"] < xs["ParallelValidationNode"] < xs["security"] < xs["AggregationNode"] < xs["Output"]
    assert len({round(xs[name]) for name in CHECKS}) == 1


def test_a_trace_adds_times_and_shares():
    branches = [bar(name, f"t-{n}", 1, 2 + n, status="error" if n == 2 else "ok") for n, name in enumerate(CHECKS)]
    trace = make_trace(
        bar("input", "main", 0, 1, kind="node"),
        (bar("validate", "main", 1, 5, kind="node"), [(bar("exec", "main", 1, 5, kind="phase"), branches)]),
    )
    found = texts(diagram(VALIDATION, trace=trace))  # fmt: skip
    assert {"1.00 s, 20%", "4.00 s, 80%", "did not run", "3.00 s, not ok"} <= set(found)
    assert_tidy(diagram(VALIDATION, trace=trace))


def test_items_of_a_batch_are_one_box_with_their_number():
    items = [bar("q", "t", number, number + 0.5, index=number) for number in range(40)]
    trace = make_trace((bar("q", "main", 0, 40, kind="node"), items))
    found = texts(diagram(WIDE, trace=trace))
    assert "q x 40" in found
    assert "mean 0.500 s" in found


def test_more_branches_than_asked_for_collapse():
    found = texts(diagram(WIDE, max_branches=4))
    assert "branch 2" in found
    assert "branch 3" not in found
    assert "… and 15 more" in found
    assert "one branch per item" in found


def test_a_collapsed_node_shows_the_branches_on_the_critical_path():
    branches = [bar(f"branch {n}", f"t-{n}", 0, 9 if n == 15 else 1) for n in range(18)]
    trace = make_trace((bar("p", "main", 0, 9, kind="node"), [(bar("exec", "main", 0, 9, kind="phase"), branches)]))
    found = texts(diagram(WIDE, trace=trace, max_branches=4))
    assert {"branch 0", "branch 1", "branch 15", "… and 15 more"} <= set(found)
    assert "branch 2" not in found


def test_a_nested_graph_is_a_frame_with_its_name():
    ax = diagram(NESTED)
    assert {"validation", "security", "Fetch"} <= set(texts(ax))
    assert len([patch for patch in ax.patches if patch.get_gid() == "frame"]) == 1


def test_graphs_in_nested_graphs_stay_closed():
    ax = diagram(GraphView("top", (NodeView("mid", "Graph", graph=NESTED),)))
    assert "a graph of 4" in texts(ax)
    assert "security" not in texts(ax)
    assert_tidy(ax)


def words(box):
    return [line.text for line in box.lines]


def test_the_box_of_a_node_has_its_id_where_that_differs():
    assert words(node_box(NodeView("check", "Check"), None)) == ["Check", "check"]
    assert words(node_box(NodeView("Check", "Check"), None)) == ["Check"]


def test_a_node_that_ran_several_times_has_the_mean():
    stats = GraphStats({"a": NodeStats(4, 8.0, 1, {})}, makespan_s=16.0)
    box = node_box(NodeView("a", "a"), stats)
    assert (words(box), box.is_failed) == (["a", "x 4, mean 2.00 s, 50%"], True)


def test_failures_and_retries_are_written_into_a_branch():
    node = NodeStats(1, 1.0, 0, {"x": BranchStats(3, 0.5, 2, 4), "y": BranchStats(1, 0.5, 1, 0)})
    found = [words(box) for box in branch_boxes(NodeView("a", "a", True), node, 6)]
    assert found == [["x x 3", "mean 0.500 s, 2 not ok, 4 retries"], ["y", "0.500 s, not ok"]]


def test_branches_on_the_critical_path_are_shown_before_others():
    branches = {name: BranchStats(1, 1.0, 0, 0, is_critical=name == "e") for name in "abcde"}
    boxes = branch_boxes(NodeView("n", "n", True), NodeStats(1, 1.0, 0, branches), 3)
    assert [words(box)[0] for box in boxes] == ["a", "e", "… and 3 more"]


def test_boxes_name_the_node_and_branch_that_they_show():
    (box,) = branch_boxes(NodeView("n", "Node", True, ("b",)), None, 3)
    assert (box.node_id, box.branch) == ("n", "b")
    assert (node_box(NodeView("n", "Node"), None).node_id, node_box(NodeView("n", "Node"), None).branch) == ("n", "")


def test_a_frame_goes_around_its_graph_and_is_wide_enough_for_its_name():
    view = NodeView("n", "Graph", graph=GraphView("a graph with a long name", chain("a").nodes))
    scene = framed(box_scene(Box(0, 0, 10, 10)), view, None)
    (frame,), (box,) = scene.frames, scene.boxes
    assert frame.x < box.x < box.right < frame.x + frame.width
    assert frame.y < box.y < box.bottom < frame.y + frame.height
    assert lines_size(frame.lines)[0] < frame.width
    assert scene.axis == box.y + box.height / 2
