"""Parts of a large run that stand for all of it.

Belongs here: choosing branches. Does not belong here: replaying them (``replay``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.intervals import Ints
from kaygraph_viz.analysis.what_if.branch_steps import Parts
from kaygraph_viz.analysis.what_if.model import Call, Script

__all__ = ["EVERYTHING", "Sample", "drawable", "drawn", "sampled", "thinned"]

MAX_BRANCHES = 5_000  # more are replayed as a sample
LEAST_SAMPLE = 200
SOME = 8


class Sample(NamedTuple):
    """Branches that are replayed in place of all.

    Parameters
    ----------
    its
        The branches of some calls, by number; of the others it is all.
    times
        How many times as long a call takes as these do, by number; 1 for the others.
    """

    its: Mapping[int, Ints] = MappingProxyType({})
    times: Mapping[int, float] = MappingProxyType({})

    def leaves_out(self, cluster: Sequence[int]) -> bool:
        """Return whether no branch of some calls is replayed."""
        return all(number in self.its and not len(self.its[number]) for number in cluster)


EVERYTHING = Sample()


def thinned(script: Script, parts: Parts, most: int = MAX_BRANCHES) -> Sample:
    """Return a sample of a run that has more than `most` branches: of large calls some branches, of many calls some."""
    every = -(-len(script.branches) // most)
    if every < 2:
        return EVERYTHING
    inside = np.bincount(script.top, minlength=len(script.branches))
    its: dict[int, Ints] = {}
    small = []
    for cluster in script.clusters.get(-1, ()):
        if sum(int(inside[script.calls[number].members].sum()) for number in cluster) < LEAST_SAMPLE * every:
            small.append(cluster)
        else:
            its |= sampled(script, cluster, lambda members: members[::every])
    left_out = [number for place, cluster in enumerate(small) if place % every for number in cluster]
    each_lasts = parts.each_lasts(script, np.arange(len(script.branches)))
    lasts = {call.number: int(each_lasts[call.members].sum()) for call in script.calls if call.owner < 0}
    times = {number: lasts[number] / max(1, int(each_lasts[some].sum())) for number, some in its.items()}
    its |= dict.fromkeys(left_out, np.empty(0, np.int64))
    kept = [number for cluster in small[::every] for number in cluster]
    share = sum(lasts[number] for number in kept) / max(
        1, sum(lasts[number] for cluster in small for number in cluster)
    )
    return Sample(its, times | dict.fromkeys(kept, 1 / share if share else 1.0))


def drawable(script: Script, which: frozenset[int]) -> list[Call]:
    """Return those calls of some branches, and that pass nothing on, in which one branch can be taken for another."""
    passing = {call.feeder for call in script.calls}
    calls = (script.calls[number] for number in sorted(which))
    return [call for call in calls if len(call.members) >= SOME and call.feeder < 0 and call.number not in passing]


def drawn(calls: Sequence[Call], chance: np.random.Generator, most: int) -> Sample:
    """Return as many branches as there are, at most so many of each call, drawn by chance from those that there are."""
    return Sample({call.number: chance.choice(call.members, min(most, len(call.members))) for call in calls})


def sampled(script: Script, cluster: Sequence[int], choose: Callable[[Ints], Ints]) -> dict[int, Ints]:
    """Return some branches of calls that overlapped: those chosen from each, and what came of them in the next one."""
    found: dict[int, Ints] = {}
    for number in sorted(cluster, key=lambda number: _distance(script, number)):
        call = script.calls[number]
        if call.feeder in found:
            made = found[call.feeder].tolist()
            found[number] = np.array([call.follows[each] for each in made if each in call.follows], np.int64)
        else:
            found[number] = choose(call.members)
    return found


def _distance(script: Script, number: int) -> int:
    """Return how many calls pass branches on before they come to one."""
    steps, feeder = 0, script.calls[number].feeder
    while feeder >= 0 and steps < len(script.calls):
        steps, feeder = steps + 1, script.calls[feeder].feeder
    return steps
