"""Arithmetic on many half-open intervals at once: union, concurrency, overlaps.

Belongs here: functions of arrays of starts and ends. Does not belong here: what the intervals mean (``nesting``,
``summary``). All times are integer nanoseconds; an interval that ends when another starts does not overlap it.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from kaygraph_viz.trace.columns import repeated

Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


def concurrency(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Return the number of open intervals as a step function of time."""
    has_length = ends > starts
    points = np.concatenate([starts[has_length], ends[has_length]])
    steps = repeated(np.array([1, -1], np.int64), int(has_length.sum()))
    times, place = np.unique(points, return_inverse=True)
    change = np.zeros(len(times), np.int64)
    np.add.at(change, place, steps)
    return times, np.cumsum(change)


def union_length_ns(starts: Ints, ends: Ints) -> int:
    """Return the length of the union of intervals [ns]."""
    times, count = concurrency(starts, ends)
    return int(np.diff(times)[count[:-1] > 0].sum()) if len(times) else 0


def first_of_runs(*columns: npt.NDArray[np.generic]) -> Bools:
    """Return a mask of the rows at which any of the sorted columns changes; the first row counts as a change."""
    first = np.ones(len(columns[0]), np.bool_)
    if len(first):
        first[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return first


def running_max_by_group(values: Ints, is_first: Bools) -> Ints:
    """Return the running maximum of `values`, begun anew at each row where a group starts."""
    if not len(values):
        return values
    known, rank = np.unique(values, return_inverse=True)
    base = np.cumsum(is_first) * np.int64(len(known))
    found: Ints = known[np.maximum.accumulate(rank + base) - base]
    return found


def group_cluster_starts(starts: Ints, ends: Ints, is_first: Bools) -> Bools:
    """Return a mask of the intervals that begin a cluster: a set connected by overlaps, within one group."""
    begins = is_first.copy()
    if len(begins):
        begins[1:] |= starts[1:] >= running_max_by_group(ends, is_first)[:-1]
    return begins


class Stretch(NamedTuple):
    """Stretches of the time of spans, m of them."""

    owner: npt.NDArray[np.intp]
    started: Ints
    ended: Ints


def covered_ns(stretches: Stretch, cover: Stretch) -> Ints:
    """Return for how long each stretch is covered by those of `cover` with the same owner [ns]."""
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

    # The covered time of all owners up to the begin and up to the end of each stretch [ns].
    covered = list[Ints]()
    for key, at in zip(keys[1:], (stretches.started, stretches.ended), strict=True):
        begun = np.searchsorted(keys[0], key)  # how many covers have begun by then
        last = (begun - 1).clip(0)
        goes_on = (begun > 0) & (owner[last] == stretches.owner)
        covered.append(until[begun] - np.where(goes_on, (reached[last] - at).clip(0), 0))
    return covered[1] - covered[0]
