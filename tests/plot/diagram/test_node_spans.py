"""The spans of nodes that are recorded by their names."""

from __future__ import annotations

from kaygraph_viz.plot.diagram.node_spans import with_node_ids
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.structure import EdgeView, GraphView, NodeView


def named(*names, edges=()):
    """Return a view of nodes with such ids, of which ``A #2`` is recorded as ``A``."""
    nodes = tuple(NodeView(name, name[0], span_name=name[0]) for name in names)
    return GraphView("Flow", nodes, tuple(EdgeView(*edge) for edge in edges))


def names_in(columns):
    return [columns.names[name] for name in columns.rows["name"]]


def run(*names, kind="node"):
    return make_trace(*(bar(name, "main", at, at + 1, kind=kind) for at, name in enumerate(names))).columns


def test_views_whose_ids_are_names_change_nothing():
    columns = run("A", "B")
    assert with_node_ids(columns, GraphView("g", (NodeView("A", "A"),))) is columns
    assert with_node_ids(columns, named("A", "B")) is columns
    assert with_node_ids(make_trace().columns, named("A")).rows.shape == (0,)


def test_nodes_of_one_name_are_told_apart_by_the_edges_that_lead_to_them():
    view = named("A", "B", "A #2", "C", edges=[("A", "B"), ("B", "A #2"), ("A #2", "C"), ("C", "B")])
    found = with_node_ids(run("A", "B", "A", "C", "B", "A"), view)
    assert names_in(found) == ["A", "B", "A #2", "C", "B", "A #2"]


def test_where_no_edge_leads_to_one_of_them_it_is_the_first():
    assert names_in(with_node_ids(run("B", "A"), named("B", "A", "A #2"))) == ["B", "A"]


def test_branches_are_nodes_where_no_nodes_were_recorded():
    columns = with_node_ids(run("A", "x", kind="branch"), named("A"))
    assert columns.is_kind("node").tolist() == [True, False]


def test_branches_of_recorded_nodes_stay_branches():
    tree = (bar("A", "main", 0, 2, kind="node"), [bar("A", "main", 0, 1), bar("A", "main", 1, 2)])
    assert with_node_ids(make_trace(tree).columns, named("A")).is_kind("node").tolist() == [True, False, False]
