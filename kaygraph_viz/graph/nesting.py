"""Nodes inside nodes: graphs, and branches that are nodes.

Belongs here: refusing what contains itself. Does not belong here: which nodes are inside a node, which it says itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from kaygraph_viz.errors import GraphError
from kaygraph_viz.graph.node import BaseNode

__all__ = ["refuse_to_contain_itself"]


def refuse_to_contain_itself(node: BaseNode) -> None:
    """Raise `GraphError` if a node or graph runs itself inside itself, directly or through others: it would not end."""
    around: dict[BaseNode, Iterator[BaseNode]] = {node: iter(node.inner_nodes())}  # each is inside the one before it
    done: set[BaseNode] = set()
    while around:
        last, inner = next(reversed(around.items()))
        for each in inner:
            if each in around:
                raise GraphError(
                    f"{each!r} contains itself, so its nodes would never end; for a loop, make an earlier node the "
                    'successor of a later one: later - "again" >> earlier'
                )
            if each not in done and (inside := each.inner_nodes()):
                around[each] = iter(inside)
                break
        else:
            done.add(last)
            del around[last]
