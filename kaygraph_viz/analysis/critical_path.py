"""The critical path: the longest chain of work in which each part had to wait for the one before.

Belongs here: the length of that chain, as far as a trace shows what had to wait for what.
Does not belong here: how long the run took (``metrics``).
"""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.intervals import Bools, Ints, first_of_runs, group_cluster_starts
from kaygraph_viz.analysis.nesting import Nesting, unit_mask

__all__ = ["critical_path_ns"]


def critical_path_ns(nesting: Nesting, units: Bools | None = None) -> int:
    """Return the length of the longest dependency chain [ns].

    With ever more workers a run could not get shorter than this.

    Parameters
    ----------
    nesting
        The spans and how they lie within each other.
    units
        Mask of the units of work, if the caller has it already.

    Notes
    -----
    What depends on what is taken from nesting and sequence:

    - a unit of work counts with its whole service time, retries and waits included;
    - the branches within one parent are independent of each other: the longest counts;
    - phases, nodes and graphs within one parent depend on each other where they follow each other in time, and add
      up; those that overlap in time ran in parallel, and the longest of them counts;
    - a parent counts no more than its own duration, also when it left an abandoned branch behind.

    From these rules the length L is at most the makespan T and at most the work W, and T >= max(W / P, L) for P
    workers (Graham 1969, Brent 1974).

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> trace = make_trace((bar("exec", "main", 0, 3, kind="phase"), [bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 3)]))
    >>> critical_path_ns(Nesting.of(trace.columns))
    2000000000
    """
    rows = nesting.columns.rows
    if not len(rows):
        return 0
    is_unit = unit_mask(nesting) if units is None else units
    durations = nesting.columns.column("ended_ns") - nesting.columns.column("started_ns")
    lengths = np.append(np.where(is_unit, durations, 0), 0)  # the extra place is the run itself, which encloses all
    limits = np.append(durations, np.iinfo(np.int64).max)
    parent = np.where(nesting.parent >= 0, nesting.parent, len(rows))
    order, level_starts = _by_level(nesting, parent, is_unit)
    is_branch = nesting.columns.is_kind("branch")
    begins = _chain_links(nesting, order, parent, is_branch)
    for first, last in zip(level_starts[:-1].tolist(), level_starts[1:].tolist(), strict=True):
        part = slice(first, last)
        _add_level(lengths, limits, order[part], parent[order[part]], is_branch[order[part]], begins[part])
    return int(lengths[-1])


def _by_level(nesting: Nesting, parent: Ints, is_unit: Bools) -> tuple[Ints, Ints]:
    """Return the spans that can add to a chain, deepest first, siblings together by start, and where levels begin."""
    matters = np.flatnonzero(is_unit | nesting.enclosing(is_unit))
    depth, columns = nesting.depth()[matters], nesting.columns
    keys = (columns.column("started_ns")[matters], columns.is_kind("branch")[matters], parent[matters], -depth)
    by_level = np.lexsort(keys)
    starts = np.flatnonzero(first_of_runs(depth[by_level]))
    return matters[by_level], np.append(starts, len(by_level))


def _chain_links(nesting: Nesting, order: Ints, parent: Ints, is_branch: Bools) -> Bools:
    """Return a mask over `order`: where something starts that depends on what its parent did before."""
    group = first_of_runs(parent[order], is_branch[order])
    starts, ends = nesting.columns.column("started_ns")[order], nesting.columns.column("ended_ns")[order]
    return group | (group_cluster_starts(starts, ends, group) & ~is_branch[order])


def _add_level(lengths: Ints, limits: Ints, spans: Ints, parents: Ints, is_branch: Bools, begins: Bools) -> None:
    """Pass the lengths of one level on to the parents: the maximum of what is parallel, the sum of what is not."""
    first = np.flatnonzero(begins)
    longest = np.maximum.reduceat(np.minimum(lengths[spans], limits[spans]), first)
    group = np.flatnonzero(first_of_runs(parents[first], is_branch[first]))
    np.maximum.at(lengths, parents[first[group]], np.add.reduceat(longest, group))
