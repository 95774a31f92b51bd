"""Diagrams in words."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.diagram.description import checked_view, diagram_description
from kaygraph_viz.plot.diagram.diagram import diagram
from tests.plot.diagram.examples import (
    NESTED,
    VALIDATION,
    chain,
    checked,
    texts,
)


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


def test_a_view_is_returned_and_anything_else_refused():
    assert checked_view(VALIDATION) is VALIDATION
    with pytest.raises(OptionError, match="a graph, a node or a GraphView"):
        checked_view(object())


def test_the_class_of_a_graph_is_no_graph():
    class Flow:
        def structure(self):
            return VALIDATION

    with pytest.raises(OptionError, match="graph must be"):
        checked_view(Flow)


def test_without_a_trace_the_tables_have_no_times():
    nodes, edges = diagram_description(VALIDATION, None).tables
    assert {cell for row in nodes.rows for cell in row[3:]} == {""}
    assert {row[3:] for row in edges.rows} == {("", "")}
