"""The diagram of a graph by its artists."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.diagram import describe_diagram, diagram
from kaygraph_viz.plot.flow import make_flow
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.structure import EdgeView, GraphView, NodeView

CHECKS = ("security", "format", "business", "external")


def chain(*ids):
    nodes = tuple(NodeView(name, name.title()) for name in ids)
    return GraphView("chain", nodes, tuple(EdgeView(a, b) for a, b in pairwise(ids)))


VALIDATION = GraphView(
    "validation",
    (NodeView("input", "Input"), NodeView("validate", "ParallelValidationNode", True, CHECKS),
     NodeView("aggregate", "AggregationNode"), NodeView("output", "Output")),
    (EdgeView("input", "validate"), EdgeView("validate", "aggregate"), EdgeView("aggregate", "output")),
)  # fmt: skip
REVIEW = GraphView(
    "review",
    tuple(NodeView(name, name.title()) for name in ("draft", "review", "publish", "reject", "log")),
    (EdgeView("draft", "review"), EdgeView("review", "draft", "revise"), EdgeView("review", "publish", "approve"),
     EdgeView("review", "reject", "decline"), EdgeView("publish", "log"), EdgeView("reject", "log"),
     EdgeView("draft", "draft", "think"), EdgeView("draft", "log", "give up")),
)  # fmt: skip
NESTED = GraphView(
    "outer",
    (NodeView("fetch", "Fetch"), NodeView("inner", "Graph", graph=VALIDATION), NodeView("done", "Done")),
    (EdgeView("fetch", "inner"), EdgeView("inner", "done", "ok")),
)
WIDE = GraphView(
    "wide",
    (NodeView("p", "FanOut", True, tuple(f"branch {i}" for i in range(18))), NodeView("q", "Batch", True)),
    (EdgeView("p", "q"),),
)


@pytest.fixture(autouse=True)
def _closed_figures():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts]


def assert_tidy(ax):
    """No two texts collide, everything is inside the Axes, and every text is inside its box."""
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    inside = ax.get_window_extent(renderer).padded(1)
    boxes = [text.get_window_extent(renderer) for text in ax.texts]
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    patches = [patch.get_window_extent(renderer) for patch in ax.patches]
    for box in [*boxes, *patches]:
        assert inside.x0 <= box.x0
        assert box.x1 <= inside.x1
        assert inside.y0 <= box.y0
        assert box.y1 <= inside.y1


def assert_boxes_apart(ax):
    boxes = [patch for patch in ax.patches if str(patch.get_gid()).startswith("box-")]
    extents = [box.get_path().get_extents(box.get_patch_transform()).extents for box in boxes]
    for a, b in combinations(extents, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize("view", [VALIDATION, REVIEW, NESTED, WIDE, chain("load", "check", "store"), chain("one")])
def test_nothing_collides_and_nothing_leaves_the_axes(view):
    ax = diagram(view)
    assert_tidy(ax)
    assert_boxes_apart(ax)


@pytest.mark.parametrize("size", [(2, 1), (5, 3), (20, 2)])
def test_a_given_axes_gets_a_drawing_that_fits(size):
    _, ax = plt.subplots(figsize=size)
    assert diagram(VALIDATION, ax=ax) is ax
    assert_tidy(ax)


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 9))
    ends = st.integers(0, count - 1)
    edges = draw(
        st.lists(st.tuples(ends, ends, st.sampled_from(["default", "retry", "a longer action", "b"])), max_size=14)
    )
    kinds = draw(
        st.lists(st.sampled_from([(False, ()), (True, ()), (True, ("x", "y"))]), min_size=count, max_size=count)
    )
    nodes = tuple(NodeView(f"n{number}", "Node", *kind) for number, kind in enumerate(kinds))
    return GraphView("g", nodes, tuple(EdgeView(f"n{a}", f"n{b}", action) for a, b, action in edges))


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_any_graph_is_tidy(view):
    ax = diagram(view)
    assert_tidy(ax)
    assert_boxes_apart(ax)
    plt.close("all")


@given(graphs())
def test_columns_grow_along_every_edge_that_closes_no_loop(view):
    flow = make_flow(view, None)
    forward = {(w.source, w.target) for w in flow.ways if flow.items[w.source].column < flow.items[w.target].column}
    reached, waiting = set(), list(forward)
    while waiting:
        pair = waiting.pop()
        if pair not in reached:
            reached.add(pair)
            waiting += [(pair[0], b) for a, b in forward if a == pair[1]]
    assert all(a != b for a, b in reached)


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


def test_a_long_chain_collapses_in_the_middle():
    view = chain(*(f"n{number}" for number in range(10_000)))
    ax = diagram(view)
    assert "… 9,990 more nodes" in texts(ax)
    assert {"N0", "N4", "N9995", "N9999"} <= set(texts(ax))
    assert_tidy(ax)


def test_a_wide_fan_collapses_at_its_end():
    nodes = (NodeView("root", "Root"), *(NodeView(f"n{i}", "Leaf") for i in range(10_000)))
    ax = diagram(GraphView("fan", nodes, tuple(EdgeView("root", f"n{i}", f"a{i}") for i in range(10_000))))
    assert "… 9,993 more nodes" in texts(ax)
    assert_tidy(ax)


def test_actions_are_written_unless_default():
    found = texts(diagram(REVIEW))
    assert {"approve", "decline", "revise", "think", "give up"} <= set(found)
    assert "default" not in found


def test_a_trace_counts_how_often_an_edge_was_taken():
    order = ["draft", "review", "draft", "review", "draft", "review", "publish", "log"]
    ax = diagram(REVIEW, trace=make_trace(*(bar(name, "main", n, n + 1, kind="node") for n, name in enumerate(order))))
    assert {"x 3", "revise x 2", "approve"} <= set(texts(ax))
    dotted = [p for p in ax.patches if isinstance(p, FancyArrowPatch) and p.get_linestyle() not in ("-", "solid")]
    assert len(dotted) == 4  # decline and what follows it, think, give up
    assert_tidy(ax)


def test_a_nested_graph_is_a_frame_with_its_name():
    ax = diagram(NESTED)
    assert {"validation", "security", "Fetch"} <= set(texts(ax))
    assert len([patch for patch in ax.patches if patch.get_gid() == "frame"]) == 1


def test_graphs_in_nested_graphs_stay_closed():
    ax = diagram(GraphView("top", (NodeView("mid", "Graph", graph=NESTED),)))
    assert "a graph of 4" in texts(ax)
    assert "security" not in texts(ax)
    assert_tidy(ax)


def test_a_graph_is_asked_for_its_structure():
    class Flow:
        def structure(self):
            return VALIDATION

    assert texts(diagram(Flow())) == texts(diagram(VALIDATION))


@pytest.mark.parametrize("name", ["$x$", "<script>", "a\x00\u202eb", "", "y" * 1_000_000, "名前"])
def test_hostile_names_are_harmless(name):
    view = GraphView(
        name, (NodeView(name, name, True, (name,)), NodeView(name + "2", name)), (EdgeView(name, name + "2", name),)
    )
    ax = diagram(view)
    assert_tidy(ax)
    assert all(len(text) < 80 for text in texts(ax))


def test_duplicate_ids_and_unknown_ends_do_no_harm():
    view = GraphView("odd", (NodeView("a", "A"), NodeView("a", "B")), (EdgeView("a", "a"), EdgeView("a", "nowhere")))
    assert_tidy(diagram(view))


def test_a_graph_without_nodes_says_so():
    ax = diagram(GraphView("empty", ()))
    assert texts(ax) == ["this graph has no nodes"]
    assert_tidy(ax)


def test_the_same_graph_gives_the_same_drawing():
    places = [[(text.get_text(), text.get_position()) for text in diagram(REVIEW).texts] for _ in range(2)]
    assert places[0] == places[1]


def test_the_diagram_has_a_text_of_its_own():
    assert diagram(VALIDATION).get_label() == describe_diagram(VALIDATION)
    assert "4 nodes and 3 edges, starting at Input; parallel: ParallelValidationNode." in describe_diagram(VALIDATION)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"graph": 3}, "graph must be"),
        ({"trace": 3}, "trace must be"),
        ({"max_branches": 1}, "max_branches"),
        ({"ax": 3}, "ax"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        diagram(**{"graph": VALIDATION, **options})
