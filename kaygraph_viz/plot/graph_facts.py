"""What a trace says about the nodes of a graph: how long, how often, with which branches.

Belongs here: finding the spans of a node by its id. Does not belong here: boxes and arrows (``scene``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.nesting import Nesting, Places
from kaygraph_viz.plot.graph_path import Critical
from kaygraph_viz.trace.trace import Trace

__all__ = ["BranchFacts", "GraphFacts", "NodeFacts", "gather"]


@dataclass(frozen=True)
class BranchFacts:
    """All branches of one name within one node: how many, their mean service time [s], and how many went wrong."""

    count: int
    mean_s: float
    not_ok: int
    retries: int
    is_critical: bool = False


@dataclass(frozen=True)
class NodeFacts:
    """All runs of one node: how many, their time altogether [s], and the branches by name in order of appearance.

    `is_critical` says whether the critical path leads through it, `is_opened` whether through any of its branches.
    """

    runs: int
    total_s: float
    not_ok: int
    branches: Mapping[str, BranchFacts]
    is_critical: bool = False
    is_opened: bool = False


@dataclass(frozen=True)
class GraphFacts:
    """What is known of all nodes.

    Parameters
    ----------
    nodes
        By node id.
    taken
        How often one node followed another within the same parent, by the ids of both. For two that worked at the same
        time, as the stages of a pipeline do: how many items went from one to the other.
    critical
        The edges that the critical path takes, by the ids of both nodes.
    makespan_s
        Of the whole trace [s].
    """

    nodes: Mapping[str, NodeFacts] = field(default_factory=dict)
    taken: Mapping[tuple[str, str], int] = field(default_factory=dict)
    critical: frozenset[tuple[str, str]] = frozenset()
    makespan_s: float = 0.0


def gather(trace: Trace | None, *, critical_path: bool = True) -> GraphFacts | None:
    """Return the facts of a trace, or None without one.

    Parameters
    ----------
    trace
        Any trace.
    critical_path
        Whether to find out what the critical path leads through.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> node = bar("n", "main", 0, 2, kind="node")
    >>> facts = gather(make_trace((node, [bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 2)])))
    >>> facts.nodes["n"].total_s, facts.nodes["n"].branches["b"].mean_s
    (2.0, 2.0)
    """
    if trace is None:
        return None
    nesting = Nesting.of(trace.columns)
    names = trace.columns.names
    is_node = trace.columns.is_kind("node", "graph")
    owner = nesting.nearest(is_node)
    positions = np.flatnonzero(is_node)
    branches: dict[int, dict[str, BranchFacts]] = {}
    owned = np.flatnonzero(trace.columns.is_kind("branch") & (owner >= 0))
    ways = Critical.of(nesting) if critical_path else Critical()
    for (code, name), (count, total_s, not_ok, retries) in _sums(nesting, owned, owner[owned]).items():
        is_critical = (names[code], names[name]) in ways.branches
        facts = BranchFacts(count, total_s / count, not_ok, retries, is_critical)
        branches.setdefault(code, {})[names[name]] = facts
    nodes = {}
    for (code, _), (count, total_s, not_ok, _) in _sums(nesting, positions, positions).items():
        marks = names[code] in ways.nodes, names[code] in ways.opened
        nodes[names[code]] = NodeFacts(count, total_s, not_ok, branches.get(code, {}), *marks)
    return GraphFacts(nodes, _handed_on(nesting, owner) | _taken(nesting), ways.edges, trace.makespan_s)


def _sums(nesting: Nesting, positions: Ints, owners: Ints) -> dict[tuple[int, int], tuple[int, float, int, int]]:
    """Return number, time [s], failures and retries of spans by the names of their owner and of themselves.

    The keys are positions in the table of names, in the order in which they first appear.
    """
    columns = nesting.columns
    name = columns.column("name")
    keys, first, group = np.unique(
        name[owners] * len(columns.names) + name[positions], return_index=True, return_inverse=True
    )
    values = (
        columns.column("ended_ns") - columns.column("started_ns"),
        ~columns.is_status("ok"),
        (columns.column("attempt") - 1).clip(min=0),
    )
    time_ns, not_ok, retries = (np.bincount(group, value[positions], len(keys)) for value in values)
    count = np.bincount(group, minlength=len(keys))
    return {
        divmod(int(keys[k]), len(columns.names)): (
            int(count[k]),
            float(time_ns[k]) / 1e9,
            int(not_ok[k]),
            int(retries[k]),
        )
        for k in np.argsort(first).tolist()
    }


def _taken(nesting: Nesting) -> dict[tuple[str, str], int]:
    """Count which node came after which within the same parent, among those that did not overlap."""
    columns = nesting.columns
    nodes = np.flatnonzero(columns.is_kind("node", "graph"))
    started, ended, names = (columns.column(name)[nodes] for name in ("started_ns", "ended_ns", "name"))
    parent = nesting.parent[nodes]
    order = np.lexsort((ended, started, parent))
    before, after = order[:-1], order[1:]
    follows = (parent[before] == parent[after]) & (started[after] >= ended[before])
    pairs = zip(names[before[follows]].tolist(), names[after[follows]].tolist(), strict=True)
    return {(columns.names[a], columns.names[b]): count for (a, b), count in Counter(pairs).items()}


def _handed_on(nesting: Nesting, owner: Places) -> dict[tuple[str, str], int]:
    """Count the links between branches of two nodes within the same parent."""
    columns = nesting.columns
    links = [(number, target) for number, targets in columns.links.items() for target in targets]
    if not links:
        return {}
    ids = columns.column("span_id")
    order = np.argsort(ids)
    wanted = np.array(links, np.int64)
    at = order[np.searchsorted(ids, wanted, sorter=order).clip(max=len(ids) - 1)]
    after, before = np.where((ids[at] == wanted).all(axis=1), owner[at].T, -1)
    goes_on = (before != after) & (np.minimum(before, after) >= 0) & (nesting.parent[before] == nesting.parent[after])
    names = columns.rows["name"]
    pairs = zip(names[before[goes_on]].tolist(), names[after[goes_on]].tolist(), strict=True)
    return {(columns.names[a], columns.names[b]): count for (a, b), count in Counter(pairs).items()}
