"""The shape of a graph without its code: what a diagram needs to know.

Belongs here: plain nodes and edges. A graph describes itself in these words (``graph``), a diagram draws them
(``plot``); neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EdgeView", "GraphView", "NodeView"]


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node of a graph."""

    node_id: str
    label: str
    is_parallel: bool = False
    branches: tuple[str, ...] = ()
    graph: GraphView | None = None
    span_name: str | None = None


@dataclass(frozen=True, slots=True)
class EdgeView:
    """An edge from a node to its successor for one action."""

    source: str
    target: str
    action: str = "default"


@dataclass(frozen=True, slots=True)
class GraphView:
    """The nodes that can be reached from the start of a graph, breadth first, and their edges."""

    name: str
    nodes: tuple[NodeView, ...]
    edges: tuple[EdgeView, ...] = ()
