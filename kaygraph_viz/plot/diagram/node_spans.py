"""The spans of the nodes of other libraries' graphs, which know no ids: they are recorded by their names.

Belongs here: giving the spans of a trace the ids of the nodes of a view. Does not belong here: their statistics
(``stats``), and the view (``other_graphs``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kaygraph_viz.analysis.nesting import Nesting
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.span import KINDS
from kaygraph_viz.trace.structure import GraphView, NodeView

__all__ = ["with_node_ids"]

NODE = KINDS.index("node")


def with_node_ids(columns: SpanColumns, view: GraphView) -> SpanColumns:
    """Return the spans, those of nodes named by their ids."""
    nodes = [node for node in _all_nodes(view) if node.span_name is not None]
    wanted = {node.span_name for node in nodes}
    is_named = np.array([*(name in wanted for name in columns.names), False], np.bool_)[columns.rows["name"]]
    if not is_named.any():
        return columns
    is_node = is_named & columns.is_kind("node", "graph")
    if not is_node.any():
        is_node = is_named & columns.is_kind("branch")
        rows = columns.rows.copy()
        rows["kind"][is_node] = NODE
        columns = replace(columns, rows=rows)
    if len({node.span_name for node in nodes}) == len({node.node_id for node in nodes}):
        return columns
    return _named_apart(Nesting.of(columns), np.flatnonzero(is_node).tolist(), view)


def _all_nodes(view: GraphView) -> Iterator[NodeView]:
    for node in view.nodes:
        yield node
        if node.graph is not None:
            yield from _all_nodes(node.graph)


def _named_apart(nesting: Nesting, positions: list[int], view: GraphView) -> SpanColumns:
    columns = nesting.columns
    around = np.append(nesting.nearest(columns.is_kind("node", "graph")), -1)[nesting.parent].tolist()
    parent, name = nesting.parent.tolist(), columns.column("name").tolist()
    code_of = {text: code for code, text in enumerate(columns.names)}
    rows, found = columns.rows.copy(), dict[int, NodeView]()
    before: dict[int, NodeView] = {}  # by the span in which nodes follow each other
    for at in positions:  # they are in the order of time
        outer = found.get(around[at])
        inside = outer.graph if outer is not None and outer.graph is not None else view
        possible = [node for node in inside.nodes if node.span_name == columns.names[name[at]]]
        last = before.get(parent[at])
        following = {edge.target for edge in inside.edges if last is not None and edge.source == last.node_id}
        node = next((node for node in possible if node.node_id in following), possible[0] if possible else None)
        if node is not None:  # a successor of the one before it, else the first of that name
            found[at] = before[parent[at]] = node
            rows["name"][at] = code_of.setdefault(node.node_id, len(code_of))
    return replace(columns, rows=rows, names=tuple(code_of))
