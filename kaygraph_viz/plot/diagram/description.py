"""The description of a diagram: one sentence, a table of its nodes and one of its edges.

Belongs here: what is said about a graph, and what counts as one. Does not belong here: what is drawn (``diagram``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from kaygraph_viz.analysis.wording import counted, duration
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.description import Description, Table
from kaygraph_viz.plot.diagram.other_graphs import other_view
from kaygraph_viz.plot.diagram.stats import GraphStats, NodeStats
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.trace.trace import GraphView, NodeView

MAX_ROWS, MAX_NAMED = 40, 5


@runtime_checkable
class HasStructure(Protocol):
    """The protocol of objects that have nodes and edges, such as graphs and nodes."""

    def structure(self) -> GraphView:
        """Return the nodes that can be reached, and their edges."""


def checked_view(graph: object) -> GraphView:
    """Return the structure of a graph or node, also of other libraries, or the one that is given."""
    view: object = graph
    if isinstance(graph, HasStructure) and not isinstance(graph, type):
        view = graph.structure()
    elif not isinstance(graph, GraphView):
        view = other_view(graph)
    if not isinstance(view, GraphView):
        expected = "a graph, a node or a GraphView; also a graph of PocketFlow, KayGraph or LangGraph"
        raise OptionError("graph", graph, expected, "diagram(Graph(start=node))")
    return view


def diagram_description(view: GraphView, stats: GraphStats | None) -> Description:
    """Return a graph in words, with the statistics of its nodes and edges where there is a trace."""
    if not view.nodes:
        return Description(f"Diagram of {clean(view.name)}, which has no nodes.")
    parallel = [clean(node.label) for node in view.nodes if node.is_parallel or node.branches]
    more = f" and {len(parallel) - MAX_NAMED:,} more" if len(parallel) > MAX_NAMED else ""
    tail = f"; parallel: {', '.join(parallel[:MAX_NAMED])}{more}." if parallel else "."
    size = f"{counted(len(view.nodes), 'node')} and {counted(len(view.edges), 'edge')}"
    sentence = f"Diagram of {clean(view.name)} with {size}, starting at {clean(view.nodes[0].label)}{tail}"
    nodes = Table(
        ("node", "id", "branches", "runs", "time", "share", "not ok", "critical path"),
        _cut([_node_line(node, known) for node, known in _all_nodes(view, stats)]),
        words=3,
        remarks=1,
    )
    edges = Table(("from", "to", "action", "taken", "critical path"), _cut(list(_edge_lines(view, stats))), 3, 1)
    return Description(sentence, [nodes, edges])


def _all_nodes(view: GraphView, stats: GraphStats | None) -> Iterator[tuple[NodeView, GraphStats | None]]:
    """Yield the nodes of a graph and of the graphs in it, one level deep, each with the statistics of its graph."""
    for node in view.nodes:
        yield node, stats
        for graph, known in _graphs_in(node, stats):
            yield from ((each, known) for each in graph.nodes)


def _graphs_in(node: NodeView, stats: GraphStats | None) -> Iterator[tuple[GraphView, GraphStats | None]]:
    if node.graph is not None:
        yield node.graph, stats.within(node.node_id) if stats is not None else None


def _node_line(view: NodeView, stats: GraphStats | None) -> tuple[str, ...]:
    label, node_id = clean(view.label), clean(view.node_id)
    names = label, node_id if node_id != label else ""
    if stats is None:
        return (*names, ", ".join(clean(name) for name in view.branches[:MAX_NAMED]), "", "", "", "", "")
    node = stats.nodes.get(view.node_id)
    if node is None:
        return (*names, "", "0", "", "", "", "")
    share = f"{node.total_s / stats.makespan_s:.0%}" if stats.makespan_s else ""
    is_critical = "yes" if node.is_critical else ""
    return (*names, _branches(node), f"{node.runs:,}", duration(node.total_s), share, f"{node.not_ok:,}", is_critical)


def _branches(node: NodeStats) -> str:
    found = [clean(name) + (f" x {stats.count:,}" if stats.count > 1 else "") for name, stats in node.branches.items()]
    more = [f"{len(found) - MAX_NAMED:,} more"] if len(found) > MAX_NAMED else []
    return ", ".join([*found[:MAX_NAMED], *more])


def _edge_lines(view: GraphView, stats: GraphStats | None) -> Iterator[tuple[str, ...]]:
    for graph, known in ((view, stats), *(found for node in view.nodes for found in _graphs_in(node, stats))):
        labels = {node.node_id: clean(node.label) for node in graph.nodes}
        for edge in graph.edges:
            ends = labels.get(edge.source, clean(edge.source)), labels.get(edge.target, clean(edge.target))
            pair = edge.source, edge.target
            taken = "" if known is None else f"{known.taken.get(pair, 0):,}"
            is_critical = "yes" if known is not None and pair in known.critical else ""
            yield (*ends, clean(edge.action) if edge.action != "default" else "", taken, is_critical)


def _cut(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    if len(rows) <= MAX_ROWS:
        return rows
    return [*rows[: MAX_ROWS - 1], (f"{len(rows) - MAX_ROWS + 1:,} more", *[""] * (len(rows[0]) - 1))]
