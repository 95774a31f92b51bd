"""The diagram of a graph by its artists."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from matplotlib import pyplot as plt

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.trace.structure import EdgeView, GraphView, NodeView
from tests.plot.diagram.examples import (
    NESTED,
    REVIEW,
    VALIDATION,
    WIDE,
    assert_boxes_apart,
    assert_tidy,
    chain,
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


def test_the_same_graph_gives_the_same_drawing():
    places = [[(text.get_text(), text.get_position()) for text in diagram(REVIEW).texts] for _ in range(2)]
    assert places[0] == places[1]


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
