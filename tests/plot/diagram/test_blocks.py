"""The drawings of single nodes."""

from __future__ import annotations

from matplotlib.patches import FancyArrowPatch

from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.structure import GraphView, NodeView
from tests.plot.diagram.examples import (
    CHECKS,
    NESTED,
    VALIDATION,
    WIDE,
    assert_tidy,
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
