"""What a trace says of a graph: times, numbers of runs and branches of its nodes, how often edges were taken, the path.

Belongs here: finding the spans of a node by its id, and the critical path on nodes, branches and edges. Does not belong
here: boxes and arrows (``scene``), and the path on the rows of a chart (``gantt.critical_path``).

The id of a node is unique within its graph only: a graph in it may have a node with the same id, and be called as the
graph around it. So each span has a scope: 0 for the nodes of the graph that is drawn, and one for each of these nodes,
for what lies directly in it. Graphs of other libraries know no ids: their nodes are recorded by their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from kaygraph_viz.plot.gantt.critical_path import path_steps
from kaygraph_viz.trace.columns import SpanColumns, repeated, sums, tally
from kaygraph_viz.trace.intervals import Bools, Ints, first_of_runs, group_cluster_starts
from kaygraph_viz.trace.nesting import Nesting, Places
from kaygraph_viz.trace.span import KINDS
from kaygraph_viz.trace.trace import GraphView, NodeView, Trace

# -- spans of nodes --------------------------------------------------------------------------------------------------

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


# -- statistics of nodes ---------------------------------------------------------------------------------------------


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


# -- the critical path ------------------------------------------------------------------------------------------------

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
