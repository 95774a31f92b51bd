"""The diagram of a graph by its artists."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.diagram.blocks import lines_size
from kaygraph_viz.plot.diagram.diagram import describe_diagram, diagram
from kaygraph_viz.plot.diagram.layering import layered_graph
from kaygraph_viz.plot.diagram.markup import diagram_text
from kaygraph_viz.plot.diagram.placement import graph_scene
from kaygraph_viz.plot.diagram.stats import graph_stats
from kaygraph_viz.plot.style import CRITICAL, Size
from kaygraph_viz.plot.text import width_pt
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


@given(graphs())
def test_any_scene_is_tidy(view):
    """No two boxes overlap, nor two labels; everything is inside, and every text inside its box."""
    scene = graph_scene(view, None, 6)
    boxes = [(box.x, box.y, box.right, box.bottom) for box in scene.boxes]
    labels = [
        (text.x - text.width / 2, text.y - text.height / 2, text.x + text.width / 2, text.y + text.height / 2)
        for text in scene.labels
    ]
    for same in (boxes, labels):
        for a, b in combinations(same, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for x0, y0, x1, y1 in [*boxes, *labels]:
        assert -1e-6 <= x0 <= x1 <= scene.width + 1e-6
        assert -1e-6 <= y0 <= y1 <= scene.height + 1e-6
    for box in scene.boxes:
        width, height = lines_size(box.lines)
        assert width <= box.width
        assert height <= box.height
    assert all(width_pt(label.text, Size.small_font) <= label.width for label in scene.labels)


@settings(max_examples=5)
@given(graphs())
def test_what_is_drawn_is_as_tidy_as_its_scene(view):
    ax = diagram(view)
    assert_tidy(ax)
    assert_boxes_apart(ax)
    plt.close("all")


@given(graphs())
def test_columns_grow_along_every_edge_that_closes_no_loop(view):
    flow = layered_graph(view, None)
    forward = {(w.source, w.target) for w in flow.routes if flow.items[w.source].column < flow.items[w.target].column}
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


def test_stages_that_work_at_the_same_time_are_joined_by_their_number_of_items(pipeline):
    nodes = (NodeView("Load parse", "parse", True), NodeView("Load store", "store"))
    ax = diagram(GraphView("Load", nodes, (EdgeView("Load parse", "Load store"),)), trace=pipeline)
    assert "x 4" in texts(ax)
    assert all(p.get_linestyle() in ("-", "solid") for p in ax.patches if isinstance(p, FancyArrowPatch))


def critical(ax):
    """Return the texts in boxes that are highlighted, and how many arrows are."""
    colour = CRITICAL.colour.lower()
    marked = [patch for patch in ax.patches if to_hex(patch.get_edgecolor()) == colour]
    boxes = [patch.get_extents() for patch in marked if str(patch.get_gid()).startswith("box-")]
    ax.figure.canvas.draw()
    inside = [text.get_text() for text in ax.texts if any(box.overlaps(text.get_window_extent()) for box in boxes)]
    return inside, len([patch for patch in ax.patches if patch.get_gid() == "arrow-critical"])


def checked(*lengths):
    branches = [
        bar(name, f"t-{n}", 1, 1 + length) for n, (name, length) in enumerate(zip(CHECKS, lengths, strict=False))
    ]
    end = 1 + max(lengths)
    return make_trace(
        (bar("input", "main", 0, 1, kind="node"), [bar("exec", "main", 0, 1, kind="phase")]),
        (bar("validate", "main", 1, end, kind="node"), [(bar("exec", "main", 1, end, kind="phase"), branches)]),
        (bar("aggregate", "main", end, end + 1, kind="node"), [bar("exec", "main", end, end + 1, kind="phase")]),
    )


def test_the_critical_path_is_highlighted():
    inside, arrows = critical(diagram(VALIDATION, trace=checked(1, 4, 2, 3)))
    assert set(inside) >= {"Input", "ParallelValidationNode", "format", "AggregationNode"}
    assert not {"security", "business", "external", "Output"} & set(inside)
    assert arrows == 4  # two edges, and those to and from the longest branch


def test_the_critical_path_can_be_left_out():
    ax = diagram(VALIDATION, trace=checked(1, 2), critical_path=False)
    assert critical(ax) == ([], 0)
    assert ax.get_legend() is None


def test_a_collapsed_node_shows_the_branches_on_the_critical_path():
    branches = [bar(f"branch {n}", f"t-{n}", 0, 9 if n == 15 else 1) for n in range(18)]
    trace = make_trace((bar("p", "main", 0, 9, kind="node"), [(bar("exec", "main", 0, 9, kind="phase"), branches)]))
    found = texts(diagram(WIDE, trace=trace, max_branches=4))
    assert {"branch 0", "branch 1", "branch 15", "… and 15 more"} <= set(found)
    assert "branch 2" not in found


def test_a_path_through_many_branches_leads_through_the_box_that_stands_for_them():
    branches = [bar(f"b{n}", f"t-{n % 2}", n // 2, n // 2 + 1) for n in range(40)]
    trace = make_trace((bar("p", "main", 0, 20, kind="node"), [(bar("exec", "main", 0, 20, kind="phase"), branches)]))
    inside, arrows = critical(diagram(GraphView("g", (NodeView("p", "Fan", True),)), trace=trace))
    assert {"Fan", "… and 35 more"} <= set(inside)
    assert arrows == 2


def test_the_path_through_a_nested_graph_takes_the_edges_at_each_level():
    inner = [
        (bar(name, "main", at, at + 1, kind="node"), [bar("exec", "main", at, at + 1, kind="phase")])
        for at, name in enumerate(["input", "validate"], 1)
    ]
    trace = make_trace(
        (bar("fetch", "main", 0, 1, kind="node"), [bar("exec", "main", 0, 1, kind="phase")]),
        (bar("inner", "main", 1, 3, kind="graph"), inner),
        (bar("done", "main", 3, 4, kind="node"), [bar("exec", "main", 3, 4, kind="phase")]),
    )
    assert graph_stats(trace).critical == {("fetch", "inner"), ("input", "validate"), ("inner", "done")}


def same_names():
    """Return a graph and a run of it, in which graph and node have the names of those around them."""
    inner = GraphView("Graph", (NodeView("Load", "Load"), NodeView("Save", "Save")), (EdgeView("Load", "Save"),))
    nodes = NodeView("Load", "Load"), NodeView("Graph", "Graph", graph=inner), NodeView("Save", "Save")
    view = GraphView("Graph", nodes, (EdgeView("Load", "Graph"), EdgeView("Graph", "Save")))
    inside = [bar("Load", "main", 1, 3, kind="node"), bar("Save", "main", 3, 4, kind="node")]
    outside = [bar("Load", "main", 0, 1, kind="node"), (bar("Graph", "main", 1, 4, kind="graph"), inside),
               bar("Save", "main", 4, 8, kind="node")]  # fmt: skip
    return view, make_trace((bar("Graph", "main", 0, 8, kind="graph"), outside))


def test_nodes_of_one_name_are_told_apart_by_the_graph_in_which_they_lie():
    view, trace = same_names()
    found = texts(diagram(view, trace=trace))
    assert {"1.00 s, 12%", "3.00 s, 38%", "4.00 s, 50%", "2.00 s, 25%"} < set(found)
    assert not [text for text in found if text.startswith("x ")]
    nodes, edges = describe(diagram(view, trace=trace)).tables
    assert [row[3] for row in nodes.rows] == ["1"] * 5
    assert [row[3] for row in edges.rows] == ["1"] * 3
    assert "2.00 s, 25#37;" in diagram_text(view, trace=trace)
    inner = view.nodes[1].graph
    alone = make_trace((bar("other", "main", 0, 8, kind="graph"), [bar("Load", "main", 0, 1, kind="node")]))
    assert "1.00 s, 12%" in texts(diagram(inner, trace=alone))


def test_a_branch_that_is_a_node_is_on_the_critical_path_too():
    def branch(name, lane, length):
        within = (bar("Check", lane, 0, length, kind="node"), [bar("exec", lane, 0, length, kind="phase")])
        return bar(name, lane, 0, length), [within]

    branches = [branch(f"branch {n}", f"t-{n}", 9 if n == 15 else 1) for n in range(18)]
    trace = make_trace((bar("p", "main", 0, 9, kind="node"), [(bar("exec", "main", 0, 9, kind="phase"), branches)]))
    inside, _ = critical(diagram(WIDE, trace=trace))
    assert {"FanOut", "branch 15"} <= set(inside)
    assert "branch 0" not in inside


def test_the_path_goes_on_through_nodes_that_take_no_time():
    nodes = [("draft", 0, 1), ("review", 1, 1), ("draft", 1, 2), ("review", 2, 2), ("publish", 2, 3)]
    trace = make_trace(*(
        (bar(name, "main", start, end, kind="node"), [bar("exec", "main", start, end, kind="phase")])
        for name, start, end in nodes
    ))  # fmt: skip
    facts = graph_stats(trace, REVIEW)
    assert facts.critical == {("draft", "review"), ("review", "draft"), ("review", "publish")}
    assert [name for name, node in facts.nodes.items() if node.is_critical] == ["draft", "review", "publish"]


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


def test_the_tables_list_nodes_and_edges_with_what_was_measured():
    nodes, edges = describe(diagram(VALIDATION, trace=checked(1, 4, 2, 3))).tables
    assert nodes.rows[1] == (
        "ParallelValidationNode", "validate", "security, format, business, external", "1", "4.00 s", "67%", "0", "yes"
    )  # fmt: skip
    assert nodes.rows[3] == ("Output", "output", "", "0", "", "", "", "")
    assert edges.rows[0] == ("Input", "ParallelValidationNode", "", "1", "yes")
    assert edges.rows[2] == ("AggregationNode", "Output", "", "0", "")


def test_the_tables_hold_nested_graphs_too_and_stay_small():
    nodes, edges = describe(diagram(NESTED)).tables
    assert [row[0] for row in nodes.rows] == ["Fetch", "Graph", "Input", "ParallelValidationNode", "AggregationNode",
                                              "Output", "Done"]  # fmt: skip
    assert len(edges.rows) == 5
    assert len(describe(diagram(chain(*(f"n{number}" for number in range(1_000))))).tables[0].rows) == 40


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
