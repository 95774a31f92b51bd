"""The critical path of a trace on a graph: its nodes, branches and edges.

Belongs here: finding the nodes of the spans on the path. Does not belong here: the path on the rows of a chart
(``gantt.critical_path``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kaygraph_viz.plot.gantt.critical_path import path_steps
from kaygraph_viz.trace.intervals import Ints
from kaygraph_viz.trace.nesting import Nesting
from kaygraph_viz.trace.span import KINDS

MIN_SHARE = 0.1  # of the time of a node on the path: branches with less would clutter the diagram


@dataclass(frozen=True)
class GraphPath:
    """The nodes, branches and edges on the critical path; a scope and an id name a node (see ``stats``)."""

    nodes: frozenset[tuple[int, str]] = frozenset()
    branches: frozenset[tuple[int, str, str]] = frozenset()
    opened: frozenset[tuple[int, str]] = frozenset()
    edges: frozenset[tuple[int, str, str]] = frozenset()

    @classmethod
    def of(cls, nesting: Nesting, scope: Ints) -> GraphPath:
        """Find the critical path of a trace; `scope` is that of each span, -1 for spans that are not drawn."""
        ids, names = nesting.columns.column("span_id"), nesting.columns.names
        name_of = nesting.columns.rows["name"].tolist()
        order = np.argsort(ids)
        steps = path_steps(nesting)
        numbers = np.array([step.span_id for step in steps], np.int64)
        chains = [
            _enclosing(nesting, position) for position in order[np.searchsorted(ids, numbers, sorter=order)].tolist()
        ]
        scopes, siblings = scope.tolist(), _Siblings(nesting)
        whole: Counter[tuple[int, str]] = Counter()
        by_branch: Counter[tuple[int, str, str]] = Counter()
        for chain, step in zip(chains, steps, strict=True):
            for position, branch in chain:
                node = scopes[position], names[name_of[position]]
                whole[node] += step.duration_ns
                by_branch[*node, branch] += step.duration_ns
        in_branches = {node: spent - by_branch[*node, ""] for node, spent in whole.items()}
        pairs = set[tuple[int, int]]()
        for before, after in pairwise(chains):  # the outermost nodes in which the two differ
            for (a, _), (b, _) in zip(before, after, strict=False):
                if a != b:
                    pairs |= set(pairwise(siblings.between(a, b)))
                    break
        for position in {position for pair in pairs for position in pair}:
            whole[scopes[position], names[name_of[position]]] += 0  # the path leads through nodes that took no time
        return cls(
            frozenset(whole),
            frozenset(key for key, spent in by_branch.items() if key[2] and spent >= MIN_SHARE * whole[key[:2]]),
            frozenset(node for node, spent in in_branches.items() if spent and spent >= MIN_SHARE * whole[node]),
            frozenset((scopes[a], names[name_of[a]], names[name_of[b]]) for a, b in pairs if scopes[a] == scopes[b]),
        )


class _Siblings:
    """An index of the nodes and graphs of a trace, in the order of time within each parent."""

    def __init__(self, nesting: Nesting) -> None:
        columns = nesting.columns
        nodes = np.flatnonzero(columns.is_kind("node", "graph"))
        self._started, self._ended = columns.column("started_ns"), columns.column("ended_ns")
        keys = columns.column("span_id"), self._ended, self._started, nesting.parent
        self._order = nodes[np.lexsort([key[nodes] for key in keys])]
        self._place = np.zeros(len(columns), np.intp)
        self._place[self._order] = np.arange(len(nodes))
        self._parent = nesting.parent

    def between(self, first: int, last: int) -> list[int]:
        """Return the positions of two nodes, with those between them that took no time and have no step of the path."""
        if self._parent[first] != self._parent[last]:
            return [first, last]
        some = self._order[self._place[first] + 1 : self._place[last]]
        took_none = self._started[some] == self._ended[some]
        return [first, *some[took_none & (self._started[some] >= self._ended[first])].tolist(), last]


def _enclosing(nesting: Nesting, position: int) -> list[tuple[int, str]]:
    """Return the nodes and graphs around a span from the outside, each by its position, with the branch it is in."""
    columns = nesting.columns
    found: list[tuple[int, str]] = []
    branch = ""
    while position >= 0:
        kind = KINDS[columns.rows["kind"][position]]
        if kind in ("node", "graph"):
            found.append((position, branch))
            branch = ""
        elif kind == "branch":
            branch = columns.names[int(columns.rows["name"][position])]
        position = int(nesting.parent[position])
    return found[::-1]
