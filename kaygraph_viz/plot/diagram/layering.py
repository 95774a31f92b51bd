"""The layers of a graph: the column of each node, and which nodes are left out where there are too many.

Belongs here: finding loops, assigning columns, collapsing long chains and wide fans. Does not belong here: sizes and
positions (``placement``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import networkx as nx

from kaygraph_viz.plot.diagram.stats import GraphStats
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.trace.structure import EdgeView, GraphView, NodeView

__all__ = ["Item", "LayeredGraph", "Route", "layered_graph"]

MAX_COLUMNS = 12
KEPT_AT_EACH_END = 5
MAX_IN_COLUMN = 8
LABEL_LIMIT = 26


@dataclass(frozen=True)
class Item:
    """A node of the diagram, or a number of nodes that are left out there."""

    column: int
    view: NodeView | None
    hidden: int = 0


@dataclass
class Route:
    """All edges from one item to another, drawn as one arrow."""

    source: int
    target: int
    actions: list[str] = field(default_factory=list)
    taken: int | None = None
    is_critical: bool = False

    @property
    def text(self) -> str:
        """The actions other than ``default``, and how often the route was taken if more than once."""
        words = [" / ".join(action for action in self.actions if action != "default")]
        if self.taken is not None and self.taken > 1:
            words.append(f"x {self.taken:,}")
        text = " ".join(filter(None, words))
        return clean(text, LABEL_LIMIT) if text else ""


@dataclass(frozen=True)
class LayeredGraph:
    """Items in the order of their columns, and the routes between them, by position in `items`."""

    items: tuple[Item, ...]
    routes: tuple[Route, ...]


def layered_graph(view: GraphView, stats: GraphStats | None) -> LayeredGraph:
    """Return the layers of a graph as columns from left to right."""
    place = {node.node_id: number for number, node in reversed(list(enumerate(view.nodes)))}
    edges = [edge for edge in view.edges if edge.source in place and edge.target in place]
    column_of = _columns(len(view.nodes), [(place[edge.source], place[edge.target]) for edge in edges])
    count = max(column_of, default=0) + 1
    last = count - KEPT_AT_EACH_END
    places = [(column, False) for column in column_of]
    if count > MAX_COLUMNS:  # the middle of a long graph is taken out
        places = [
            (KEPT_AT_EACH_END, True)
            if KEPT_AT_EACH_END <= column < last
            else (column if column < last else column - last + KEPT_AT_EACH_END + 1, False)
            for column in column_of
        ]
    items, item_of = _items(view, places)
    return LayeredGraph(tuple(items), tuple(_routes(edges, place, item_of, items, stats)))


def _columns(count: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(edges)
    closing, on_path = list[tuple[int, int]](), set[int]()
    for source, target, kind in nx.dfs_labeled_edges(
        graph
    ):  # edges that lead back to a node on the path from the start
        if kind == "forward":
            on_path.add(target)
        elif kind == "reverse":
            on_path.discard(target)
        elif target in on_path:
            closing.append((source, target))
    graph.remove_edges_from(closing)
    column = [0] * count
    for node in nx.topological_sort(graph):
        column[node] = max((column[before] + 1 for before in graph.predecessors(node)), default=0)
    return column


def _items(view: GraphView, columns: list[tuple[int, bool]]) -> tuple[list[Item], list[int]]:
    """Return the items of nodes in columns, some left out, and for each node the position of its item."""
    members: dict[tuple[int, bool], list[int]] = {}
    for node, place in enumerate(columns):
        members.setdefault(place, []).append(node)
    items: list[Item] = []
    item_of = [0] * len(columns)
    for (column, is_hidden), nodes in sorted(members.items()):
        shown = [] if is_hidden else nodes if len(nodes) <= MAX_IN_COLUMN else nodes[: MAX_IN_COLUMN - 1]
        for number, node in enumerate(nodes):
            item_of[node] = len(items) + min(number, len(shown))
        items += [Item(column, view.nodes[node]) for node in shown]
        if len(shown) < len(nodes):
            items.append(Item(column, None, len(nodes) - len(shown)))
    return items, item_of


def _routes(
    edges: list[EdgeView], place: dict[str, int], item_of: list[int], items: list[Item], stats: GraphStats | None
) -> Iterable[Route]:
    routes: dict[tuple[int, int], Route] = {}
    pairs: dict[tuple[int, int], set[tuple[str, str]]] = {}
    for edge in edges:
        ends = item_of[place[edge.source]], item_of[place[edge.target]]
        if ends[0] == ends[1] and items[ends[0]].view is None:
            continue
        route = routes.setdefault(ends, Route(*ends))
        if edge.action not in route.actions and all(items[end].view is not None for end in ends):
            route.actions.append(edge.action)
        pairs.setdefault(ends, set()).add((edge.source, edge.target))
    if stats is not None:
        for ends, route in routes.items():
            route.taken = sum(stats.taken.get(pair, 0) for pair in pairs[ends])
            route.is_critical = not stats.critical.isdisjoint(pairs[ends])
    return routes.values()
