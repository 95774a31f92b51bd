"""Arithmetic on many half-open intervals at once: union, concurrency, overlaps.

Belongs here: functions of arrays of starts and ends. Does not belong here: what the intervals mean (``nesting``,
``summary``). All times are integer nanoseconds; an interval that ends when another starts does not overlap it.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from kaygraph_viz.trace.counting import repeated

__all__ = [
    "Stretch",
    "concurrency",
    "covered_ns",
    "first_of_runs",
    "group_cluster_starts",
    "running_max_by_group",
    "union_length_ns",
]

Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


def concurrency(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Return the number of open intervals as a step function of time.

    Parameters
    ----------
    starts, ends
        The intervals [ns], in any order, ``ends >= starts``; intervals of no length count nowhere.

    Returns
    -------
    times_ns, open_count
        From ``times_ns[i]`` until ``times_ns[i + 1]`` exactly ``open_count[i]`` intervals are open; the last count
        is 0. Both are empty if there is nothing.

    Examples
    --------
    >>> times, count = concurrency(np.array([0, 2]), np.array([5, 3]))
    >>> times.tolist(), count.tolist()
    ([0, 2, 3, 5], [1, 2, 1, 0])
    """
    has_length = ends > starts
    points = np.concatenate([starts[has_length], ends[has_length]])
    steps = repeated(np.array([1, -1], np.int64), int(has_length.sum()))
    times, place = np.unique(points, return_inverse=True)
    change = np.zeros(len(times), np.int64)
    np.add.at(change, place, steps)
    return times, np.cumsum(change)


def union_length_ns(starts: Ints, ends: Ints) -> int:
    """Return the length of the union of intervals [ns].

    Examples
    --------
    >>> union_length_ns(np.array([0, 2, 10]), np.array([5, 3, 11]))
    6
    """
    times, count = concurrency(starts, ends)
    return int(np.diff(times)[count[:-1] > 0].sum()) if len(times) else 0


def first_of_runs(*columns: npt.NDArray[np.generic]) -> Bools:
    """Return a mask of the rows at which any of the sorted columns changes; the first row counts as a change.

    Examples
    --------
    >>> first_of_runs(np.array([1, 1, 2, 2]), np.array([0, 0, 0, 5])).tolist()
    [True, False, True, True]
    """
    first = np.ones(len(columns[0]), np.bool_)
    if len(first):
        first[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return first


def running_max_by_group(values: Ints, is_first: Bools) -> Ints:
    """Return the running maximum of `values`, begun anew at each row where a group starts.

    Parameters
    ----------
    values
        Any integers.
    is_first
        True where a group starts; the first row is True.

    Notes
    -----
    The values are replaced by their ranks, and a multiple of the number of ranks is added for each group: the running
    maximum over everything is then the one within the group, and no sum can overflow.

    Examples
    --------
    >>> running_max_by_group(np.array([5, 3, 1, 2]), np.array([True, False, True, False])).tolist()
    [5, 5, 1, 2]
    """
    if not len(values):
        return values
    known, rank = np.unique(values, return_inverse=True)
    base = np.cumsum(is_first) * np.int64(len(known))
    found: Ints = known[np.maximum.accumulate(rank + base) - base]
    return found


def group_cluster_starts(starts: Ints, ends: Ints, is_first: Bools) -> Bools:
    """Return a mask of the intervals that begin a cluster: a set connected by overlaps, within one group.

    Parameters
    ----------
    starts, ends
        Intervals [ns], ordered by start within each group.
    is_first
        True where a group starts.

    Examples
    --------
    >>> group_cluster_starts(np.array([0, 1, 5]), np.array([4, 2, 6]), np.array([True, False, False])).tolist()
    [True, False, True]
    """
    begins = is_first.copy()
    if len(begins):
        begins[1:] |= starts[1:] >= running_max_by_group(ends, is_first)[:-1]
    return begins


class Stretch(NamedTuple):
    """Stretches of the time of spans, m of them.

    Parameters
    ----------
    owner
        The position of the span of each.
    started, ended
        From and to [ns].
    """

    owner: npt.NDArray[np.intp]
    started: Ints
    ended: Ints


def covered_ns(stretches: Stretch, cover: Stretch) -> Ints:
    """Return for how long each stretch is covered by those of `cover` with the same owner [ns].

    Examples
    --------
    >>> owner, cover = np.array([0, 0, 1]), Stretch(np.array([0, 0]), np.array([1, 4]), np.array([3, 9]))
    >>> covered_ns(Stretch(owner, np.array([0, 2, 0]), np.array([9, 5, 9])), cover).tolist()
    [7, 2, 0]
    """
    if not len(cover.owner):
        return np.zeros(len(stretches.owner), np.int64)
    order = np.lexsort((cover.started, cover.owner))
    owner, started, ended = (each[order] for each in cover)
    reached = running_max_by_group(ended, first_of_runs(owner))
    before = np.where(first_of_runs(owner), started, np.append(0, reached[:-1]))
    lasts = (ended - np.maximum(started, before)).clip(0)
    until = np.append(0, np.cumsum(lasts))
    moments = np.concatenate([started, stretches.started, stretches.ended])
    times, rank = np.unique(moments, return_inverse=True)
    owners = np.concatenate([owner, stretches.owner, stretches.owner])
    keys = np.split(owners * np.int64(len(times)) + rank, [len(owner), len(owner) + len(stretches.owner)])
    starts, ends = (
        _covered_until(np.searchsorted(keys[0], key), at, stretches.owner, owner, reached, until)
        for key, at in zip(keys[1:], (stretches.started, stretches.ended), strict=True)
    )
    return ends - starts


def _covered_until(
    begun: npt.NDArray[np.intp], at: Ints, owner: Ints, cover_owner: Ints, reached: Ints, until: Ints
) -> Ints:  # fmt: skip
    """Return the covered time of all owners up to a moment of one: `begun` covers have begun by then [ns]."""
    last = (begun - 1).clip(0)
    goes_on = (begun > 0) & (cover_owner[last] == owner)
    found: Ints = until[begun] - np.where(goes_on, (reached[last] - at).clip(0), 0)
    return found
