"""Statistics of the nodes of a graph from a trace: times, numbers of runs, branches, and how often edges were taken.

Belongs here: finding the spans of a node by its id. Does not belong here: boxes and arrows (``scene``).

The id of a node is unique within its graph only: a graph in it may have a node with the same id, and be called as the
graph around it. So each span has a scope: 0 for the nodes of the graph that is drawn, and one for each of these nodes,
for what lies directly in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kaygraph_viz.analysis.intervals import Bools, Ints, first_of_runs, group_cluster_starts
from kaygraph_viz.analysis.nesting import Nesting, Places
from kaygraph_viz.plot.diagram.critical_path import GraphPath
from kaygraph_viz.plot.diagram.node_spans import with_node_ids
from kaygraph_viz.trace.counting import repeated, sums, tally
from kaygraph_viz.trace.structure import GraphView
from kaygraph_viz.trace.trace import Trace

__all__ = ["BranchStats", "GraphStats", "NodeStats", "graph_stats"]


MAX_AT_ONCE = 100  # nodes that ran at the same time are counted as predecessors of those after them


@dataclass(frozen=True)
class BranchStats:
    """Statistics of the branches of one name within one node: number, mean service time [s], failures, retries."""

    count: int
    mean_s: float
    not_ok: int
    retries: int
    is_critical: bool = False


@dataclass(frozen=True)
class NodeStats:
    """Statistics of one node: number of runs, total time [s], failures, and branches by name in order of appearance."""

    runs: int
    total_s: float
    not_ok: int
    branches: Mapping[str, BranchStats]
    is_critical: bool = False
    is_opened: bool = False


@dataclass(frozen=True)
class GraphStats:
    """Statistics of all nodes and edges of a graph."""

    nodes: Mapping[str, NodeStats] = field(default_factory=dict)
    taken: Mapping[tuple[str, str], int] = field(default_factory=dict)
    critical: frozenset[tuple[str, str]] = frozenset()
    makespan_s: float = 0.0
    inner: Mapping[str, GraphStats] | None = None

    def within(self, node_id: str) -> GraphStats:
        """Return the statistics of the graph that a node is."""
        return self if self.inner is None else self.inner.get(node_id, GraphStats(makespan_s=self.makespan_s, inner={}))


def graph_stats(trace: Trace | None, view: GraphView | None = None, *, critical_path: bool = True) -> GraphStats | None:
    """Return the statistics of a graph from a trace, or None without one."""
    if trace is None:
        return None
    columns = trace.columns if view is None else with_node_ids(trace.columns, view)
    nesting, names = Nesting.of(columns), columns.names
    scope = _scopes(nesting, view)
    path = GraphPath.of(nesting, scope) if critical_path else GraphPath()
    nodes, taken = _nodes(nesting, scope, path), _item_counts(nesting, scope) | _follow_counts(nesting, scope)

    def stats(number: int, inner: Mapping[str, GraphStats] | None) -> GraphStats:
        mine = {(a, b): count for (where, a, b), count in taken.items() if where == number}
        critical = frozenset((a, b) for where, a, b in path.edges if where == number)
        return GraphStats(nodes.get(number, {}), mine, critical, trace.makespan_s, inner)

    if view is None:
        return stats(0, None)
    graphs = {node.node_id for node in view.nodes if node.graph is not None}
    inner = {name: stats(number, {}) for number, name in enumerate(names, 1) if name in graphs}
    return stats(0, inner)


def _scopes(nesting: Nesting, view: GraphView | None) -> Ints:
    """Return the scope of each node and graph: 0, 1 and the position of a name, or -1 for what is not drawn."""
    columns = nesting.columns
    is_node, name = columns.is_kind("node", "graph"), columns.column("name")
    if view is None:
        return np.where(is_node, 0, -1)
    outer = _outer(nesting, is_node)
    ids = {node.node_id for node in view.nodes}
    is_known = np.array([text in ids for text in columns.names], np.bool_)[name] & is_node
    is_around = np.zeros(len(name), np.bool_)
    is_around[outer[is_known & (outer >= 0)]] = True
    is_around &= np.array([text == view.name for text in columns.names], np.bool_)[name]
    if is_around.any():
        is_around &= ~(nesting.within(is_around)[outer] & (outer >= 0))
        is_top = is_known & is_around[outer] & (outer >= 0)
    else:
        is_top = is_known & ~(nesting.within(is_known)[outer] & (outer >= 0))
    is_inner = is_node & ~is_top & is_top[outer] & (outer >= 0)
    return np.where(is_top, 0, np.where(is_inner, 1 + name[outer], -1))


def _outer(nesting: Nesting, is_node: Bools) -> Places:
    """Return the node or graph around each span, -1 where there is none."""
    return np.where(nesting.parent >= 0, nesting.nearest(is_node)[nesting.parent], -1)


def _nodes(nesting: Nesting, scope: Ints, path: GraphPath) -> dict[int, dict[str, NodeStats]]:
    """Return the statistics of all nodes by scope and id."""
    names = nesting.columns.names
    owner = nesting.nearest(scope >= 0)
    owned = np.flatnonzero(nesting.columns.is_kind("branch") & (owner >= 0))
    owned = owned[owner[owned] == nesting.nearest(nesting.columns.is_kind("node", "graph"))[owned]]
    branches: dict[tuple[int, int], dict[str, BranchStats]] = {}
    for (where, code, name), (count, total_s, not_ok, retries) in _sums(nesting, owned, owner[owned], scope).items():
        is_critical = (where, names[code], names[name]) in path.branches
        stats = BranchStats(count, total_s / count, not_ok, retries, is_critical)
        branches.setdefault((where, code), {})[names[name]] = stats
    nodes: dict[int, dict[str, NodeStats]] = {}
    positions = np.flatnonzero(scope >= 0)
    for (where, code, _), (count, total_s, not_ok, _) in _sums(nesting, positions, positions, scope).items():
        key = where, names[code]
        marks = key in path.nodes, key in path.opened
        found = NodeStats(count, total_s, not_ok, branches.get((where, code), {}), *marks)
        nodes.setdefault(where, {})[names[code]] = found
    return nodes


def _sums(
    nesting: Nesting, positions: Ints, owners: Ints, scope: Ints
) -> dict[tuple[int, int, int], tuple[int, float, int, int]]:
    """Return number, time [s], failures and retries of spans by scope and name of their owner, and their own name."""
    columns = nesting.columns
    name, size = columns.column("name"), len(columns.names)
    keys, first, group = np.unique(
        (scope[owners] * size + name[owners]) * size + name[positions], return_index=True, return_inverse=True
    )
    values = (
        columns.column("ended_ns") - columns.column("started_ns"),
        ~columns.is_status("ok"),
        (columns.column("attempt") - 1).clip(min=0),
    )
    time_ns, not_ok, retries = (sums(group, value[positions], len(keys)) for value in values)
    count = tally(group, len(keys))
    return {
        (*divmod(int(keys[k]) // size, size), int(keys[k]) % size): (
            int(count[k]),
            float(time_ns[k]) / 1e9,
            int(not_ok[k]),
            int(retries[k]),
        )
        for k in np.argsort(first).tolist()
    }


def _follow_counts(nesting: Nesting, scope: Ints) -> dict[tuple[int, str, str], int]:
    """Count how often one node followed another within the same parent, without those that overlapped."""
    columns = nesting.columns
    nodes = np.flatnonzero(scope >= 0)
    started, ended = (columns.column(name)[nodes] for name in ("started_ns", "ended_ns"))
    parent = nesting.parent[nodes]
    order = np.lexsort((ended, started, parent))
    nodes, started, ended, parent = nodes[order], started[order], ended[order], parent[order]
    begins = group_cluster_starts(started, ended, first_of_runs(parent))
    firsts = np.append(np.flatnonzero(begins), len(nodes))
    cluster = np.cumsum(begins) - 1
    size = np.minimum(np.diff(firsts), MAX_AT_ONCE)  # of each cluster
    is_first = np.append(True, parent[firsts[1:-1]] != parent[firsts[:-2]]) if len(size) else begins
    earlier = np.where(is_first, 0, np.append(0, size[:-1]))[cluster] if len(size) else begins
    after = repeated(np.arange(len(nodes)), earlier)
    before = np.arange(len(after)) - repeated(np.cumsum(earlier) - earlier, earlier) + firsts[cluster[after] - 1]
    return _counted(nesting, scope, nodes[before], nodes[after])


def _counted(nesting: Nesting, scope: Ints, before: Places, after: Places) -> dict[tuple[int, str, str], int]:
    """Count pairs of nodes of one scope, by their names."""
    names, name = nesting.columns.names, nesting.columns.column("name")
    is_pair = scope[before] == scope[after]
    before, after = before[is_pair], after[is_pair]
    pairs = zip(scope[before].tolist(), name[before].tolist(), name[after].tolist(), strict=True)
    return {(where, names[a], names[b]): count for (where, a, b), count in Counter(pairs).items()}


def _item_counts(nesting: Nesting, scope: Ints) -> dict[tuple[int, str, str], int]:
    """Count the links between branches of two nodes within the same parent."""
    columns = nesting.columns
    links = [(number, target) for number, targets in columns.links.items() for target in targets]
    if not links:
        return {}
    owner = nesting.nearest(scope >= 0)
    ids = columns.column("span_id")
    order = np.argsort(ids)
    wanted = np.array(links, np.int64)
    at = order[np.searchsorted(ids, wanted, sorter=order).clip(max=len(ids) - 1)]
    after, before = np.where((ids[at] == wanted).all(axis=1), owner[at].T, -1)
    goes_on = (before != after) & (np.minimum(before, after) >= 0) & (nesting.parent[before] == nesting.parent[after])
    return _counted(nesting, scope, before[goes_on], after[goes_on])
