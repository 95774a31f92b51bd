"""The shapes of graphs of other libraries: PocketFlow, KayGraph and LangGraph.

Belongs here: reading nodes and edges off their objects, which are told by their attributes. Does not belong here:
drawing them, and which spans of a trace are theirs (``stats``). None of these libraries is imported.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView

MAX_LEVELS = 3  # of graphs within graphs, of which one is drawn
START, END = "__start__", "__end__"  # what LangGraph calls the ends of a graph, which do nothing


def other_view(graph: object) -> GraphView | None:
    """Return the shape of a graph or node of another library, or None if it is none."""
    if isinstance(graph, type):
        return None
    if hasattr(graph, "start_node"):
        return _flow_view(graph, graph.start_node, ())
    if isinstance(getattr(graph, "successors", None), Mapping):
        return _flow_view(graph, graph, ())
    drawable = graph.get_graph() if callable(getattr(graph, "get_graph", None)) else None  # type: ignore[attr-defined]
    if isinstance(getattr(drawable, "nodes", None), Mapping):
        return _drawable_view(str(getattr(graph, "name", None) or type(graph).__name__), drawable)
    return None


def _flow_view(flow: Any, start: Any, around: tuple[Any, ...]) -> GraphView:
    """Return the shape of a flow; a graph within itself, or deeper than anybody sees, is not opened."""
    nodes, around = _reachable(start), (*around, flow)
    seen: Counter[str] = Counter()
    names, views = dict[int, str](), list[NodeView]()
    for node in nodes:
        name = type(node).__name__
        seen[name] += 1
        names[id(node)] = node_id = name if seen[name] == 1 else f"{name} #{seen[name]}"
        is_opened = (
            hasattr(node, "start_node") and len(around) < MAX_LEVELS and not any(node is each for each in around)
        )
        inside = _flow_view(node, node.start_node, around) if is_opened else None
        is_parallel = any("Parallel" in each.__name__ for each in type(node).__mro__)
        views.append(NodeView(node_id, name, is_parallel, graph=inside, span_name=name))
    edges = tuple(
        EdgeView(names[id(node)], names[id(following)], str(action))
        for node in nodes
        for action, following in _successors(node).items()
    )
    return GraphView(type(flow).__name__, tuple(views), edges)


def _reachable(start: Any) -> list[Any]:
    """Return the nodes that can be reached, breadth first."""
    found = {} if start is None else {id(start): start}
    queue = deque(found.values())
    while queue:
        for node in _successors(queue.popleft()).values():
            if id(node) not in found:
                found[id(node)] = node
                queue.append(node)
    return list(found.values())


def _successors(node: Any) -> dict[Any, Any]:
    successors = getattr(node, "successors", None)
    if not isinstance(successors, Mapping):
        return {}
    return {action: following for action, following in successors.items() if following is not None}


def _drawable_view(name: str, drawable: Any) -> GraphView:
    """Return the shape of a graph whose nodes are named and whose edges know both ends."""
    ends = [(str(edge.source), str(edge.target), edge) for edge in drawable.edges]
    first = [target for source, target, _ in ends if source == START]
    known = [str(node) for node in drawable.nodes if node not in (START, END)]
    names = dict.fromkeys([*(node for node in first if node in known), *known])
    edges = tuple(
        EdgeView(source, target, str(getattr(edge, "data", None) or "default"))
        for source, target, edge in ends
        if source in names and target in names
    )
    return GraphView(name, tuple(NodeView(node, node, span_name=node) for node in names), edges)
