"""The diagram of a graph by its artists."""

from __future__ import annotations

import base64
from io import BytesIO

import pytest
from hypothesis import given, settings
from matplotlib import pyplot as plt
from matplotlib.image import imread
from matplotlib.patches import FancyArrowPatch

import kaygraph_viz as kv
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.diagram.description import checked_view
from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.diagram.scene import Box, box_scene, framed, lines_size
from kaygraph_viz.plot.diagram.stats import graph_stats
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView
from tests.plot.diagram.examples import (
    CHECKS,
    NESTED,
    REVIEW,
    VALIDATION,
    WIDE,
    assert_boxes_apart,
    assert_tidy,
    chain,
    checked,
    critical,
    graphs,
    texts,
)


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


@settings(max_examples=5)
@given(graphs())
def test_what_is_drawn_is_as_tidy_as_its_scene(view):
    ax = diagram(view)
    assert_tidy(ax)
    assert_boxes_apart(ax)
    plt.close("all")


def test_actions_are_written_unless_default():
    found = texts(diagram(REVIEW))
    assert {"approve", "decline", "revise", "think", "give up"} <= set(found)
    assert "default" not in found


@pytest.mark.parametrize("name", ["$x$", "<script>", "a\x00\u202eb", "", "y" * 1_000_000, "名前"])
def test_hostile_names_are_harmless(name):
    view = GraphView(
        name, (NodeView(name, name, True, (name,)), NodeView(name + "2", name)), (EdgeView(name, name + "2", name),)
    )
    ax = diagram(view)
    assert_tidy(ax)
    assert all(len(text) < 80 for text in texts(ax))


def test_a_graph_without_nodes_says_so():
    ax = diagram(GraphView("empty", ()))
    assert texts(ax) == ["this graph has no nodes"]
    assert_tidy(ax)


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


# -- the drawings of single nodes -----


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


def test_a_frame_goes_around_its_graph_and_is_wide_enough_for_its_name():
    view = NodeView("n", "Graph", graph=GraphView("a graph with a long name", chain("a").nodes))
    scene = framed(box_scene(Box(0, 0, 10, 10)), view, None)
    (frame,), (box,) = scene.frames, scene.boxes
    assert frame.x < box.x < box.right < frame.x + frame.width
    assert frame.y < box.y < box.bottom < frame.y + frame.height
    assert lines_size(frame.lines)[0] < frame.width
    assert scene.axis == box.y + box.height / 2


# -- the critical path on a graph -----


def test_the_critical_path_is_highlighted():
    inside, arrows = critical(diagram(VALIDATION, trace=checked(1, 4, 2, 3)))
    assert set(inside) >= {"Input", "ParallelValidationNode", "format", "AggregationNode"}
    assert not {"security", "business", "external", "Output"} & set(inside)
    assert arrows == 4  # two edges, and those to and from the longest branch


def test_the_critical_path_can_be_left_out():
    ax = diagram(VALIDATION, trace=checked(1, 2), critical_path=False)
    assert critical(ax) == ([], 0)
    assert ax.get_legend() is None


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


# -- diagrams in words -----


def test_the_diagram_has_a_text_of_its_own():
    assert diagram(VALIDATION).get_label() == (
        "Diagram of validation with 4 nodes and 3 edges, starting at Input; parallel: ParallelValidationNode."
    )


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


def test_a_graph_is_asked_for_its_structure():
    class Flow:
        def structure(self):
            return VALIDATION

    assert texts(diagram(Flow())) == texts(diagram(VALIDATION))


def test_the_class_of_a_graph_is_no_graph():
    class Flow:
        def structure(self):
            return VALIDATION

    with pytest.raises(OptionError, match="graph must be"):
        checked_view(Flow)


# -- graphs and nodes on the last line of a cell -----


class Load(kv.Node):
    """The first node."""


class Check(kv.ParallelBatchNode):
    """The second node."""


@pytest.fixture
def graph():
    load = Load()
    load >> Check()
    return kv.Graph(start=load)


def shown(it):
    from IPython.core.formatters import DisplayFormatter

    return DisplayFormatter().format(it)


def test_a_graph_is_drawn_in_each_format(graph):
    data, metadata = shown(graph)
    assert data["text/plain"] == "<Graph>"
    assert data["text/vnd.mermaid"] == kv.diagram_text(graph)
    assert imread(BytesIO(base64.b64decode(data["image/png"]))).shape[1] > 200
    assert metadata["image/png"]["alt"].startswith("Diagram of Graph with 2 nodes")


@pytest.mark.parametrize("node", [Load(), Check(), kv.AsyncNode(node_id="<b>")], ids=repr)
def test_a_node_is_drawn_alone(node):
    data, metadata = shown(node)
    assert data["text/plain"] == repr(node)
    assert "with 1 node" in metadata["image/png"]["alt"]


def test_no_figure_is_left_open(graph):
    before = plt.get_fignums()
    shown(graph)
    assert plt.get_fignums() == before
