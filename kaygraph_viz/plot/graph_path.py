"""The critical path of a trace on a graph: the nodes, branches and edges that it leads through.

Belongs here: from spans to nodes. Does not belong here: the path on the rows of a chart (``path``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kaygraph_viz.analysis.nesting import Nesting
from kaygraph_viz.plot.path import path_steps
from kaygraph_viz.trace.span import KINDS

__all__ = ["Critical"]

WORTH_SHOWING = 0.1


@dataclass(frozen=True)
class Critical:
    """What the critical path leads through.

    Parameters
    ----------
    nodes
        Nodes and graphs, by id.
    branches
        Ids of nodes with the names of their branches: those that hold a tenth or more of the node's time on the path.
    opened
        Ids of nodes whose branches hold as much together.
    edges
        Ids of two nodes that follow each other within the same parent.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> load = (bar("load", "main", 0, 1, kind="node"), [bar("exec", "main", 0, 1, kind="phase")])
    >>> check = (bar("check", "main", 1, 3, kind="node"), [bar("a", "t-1", 1, 2), bar("b", "t-2", 1, 3)])
    >>> found = Critical.of(Nesting.of(make_trace(load, check).columns))
    >>> sorted(found.nodes), sorted(found.branches), sorted(found.edges)
    (['check', 'load'], [('check', 'b')], [('load', 'check')])
    """

    nodes: frozenset[str] = frozenset()
    branches: frozenset[tuple[str, str]] = frozenset()
    opened: frozenset[str] = frozenset()
    edges: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, nesting: Nesting) -> Critical:
        """Follow the critical path of a trace."""
        ids = nesting.columns.column("span_id")
        order = np.argsort(ids)
        steps = path_steps(nesting)
        numbers = np.array([step.span_id for step in steps], np.int64)
        places = [_place(nesting, position) for position in order[np.searchsorted(ids, numbers, sorter=order)].tolist()]
        edges = (_parted(before, after) for (before, _), (after, _) in pairwise(places))
        whole: Counter[str] = Counter()
        by_branch: Counter[tuple[str, str]] = Counter()
        for (nodes, branch), step in zip(places, steps, strict=True):
            if nodes:
                whole[nodes[-1]] += step.duration_ns
                by_branch[nodes[-1], branch] += step.duration_ns
        in_branches = {node: spent - by_branch[node, ""] for node, spent in whole.items()}
        return cls(
            frozenset(node for nodes, _ in places for node in nodes),
            frozenset(key for key, spent in by_branch.items() if key[1] and spent >= WORTH_SHOWING * whole[key[0]]),
            frozenset(node for node, spent in in_branches.items() if spent and spent >= WORTH_SHOWING * whole[node]),
            frozenset(edge for edge in edges if edge is not None),
        )


def _place(nesting: Nesting, position: int) -> tuple[list[str], str]:
    """Return the nodes and graphs around a span, from the outside, and the branch that it is or lies in."""
    columns = nesting.columns
    nodes: list[str] = []
    branch = ""
    while position >= 0:
        kind, name = KINDS[columns.rows["kind"][position]], columns.names[int(columns.rows["name"][position])]
        if kind in ("node", "graph"):
            nodes.append(name)
        elif kind == "branch" and not nodes:
            branch = name
        position = int(nesting.parent[position])
    return nodes[::-1], branch


def _parted(before: Sequence[str], after: Sequence[str]) -> tuple[str, str] | None:
    """Return the nodes at which two ways from the outside part: the edge from one to the other."""
    return next((pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]), None)
