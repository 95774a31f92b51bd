"""Samples: the branches of a large run that are replayed in place of all.

Belongs here: choosing branches. Does not belong here: replaying them (``replay``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.what_if.model import Call, Model
from kaygraph_viz.analysis.what_if.tasks import BranchOperations
from kaygraph_viz.trace.columns import tally
from kaygraph_viz.trace.intervals import Ints

MAX_BRANCHES = 5_000  # more are replayed as a sample
MIN_SAMPLE = 200  # branches of a sampled call: of smaller calls a sample is too rough, so whole calls are left out
MIN_DRAWN = 8  # branches of a call: from fewer nothing is learned by drawing them anew


class Sample(NamedTuple):
    """A choice of branches that is replayed in place of all."""

    its: Mapping[int, Ints] = MappingProxyType({})
    times: Mapping[int, float] = MappingProxyType({})

    def leaves_out(self, cluster: Sequence[int]) -> bool:
        """Return whether no branch of some calls is replayed."""
        return all(number in self.its and not len(self.its[number]) for number in cluster)


EVERYTHING = Sample()


def thinned(model: Model, operations: BranchOperations, max_branches: int = MAX_BRANCHES) -> Sample:
    """Return a sample of a run: every k-th branch of large calls, and every k-th of small calls."""
    every = -(-len(model.branches) // max_branches)
    if every < 2:
        return EVERYTHING
    inside = tally(model.top, len(model.branches))
    its: dict[int, Ints] = {}
    small = []
    for cluster in model.clusters.get(-1, ()):
        if sum(int(inside[model.calls[number].members].sum()) for number in cluster) < MIN_SAMPLE * every:
            small.append(cluster)
        else:
            its |= sampled(model, cluster, lambda members: members[::every])
    left_out = [number for place, cluster in enumerate(small) if place % every for number in cluster]
    each_lasts = operations.each_lasts(model, np.arange(len(model.branches)))
    lasts = {call.number: int(each_lasts[call.members].sum()) for call in model.calls if call.owner < 0}
    times = {number: lasts[number] / max(1, int(each_lasts[some].sum())) for number, some in its.items()}
    its |= dict.fromkeys(left_out, np.empty(0, np.int64))
    kept = [number for cluster in small[::every] for number in cluster]
    of_all = sum(lasts[number] for cluster in small for number in cluster)
    share = sum(lasts[number] for number in kept) / max(1, of_all)
    return Sample(its, times | dict.fromkeys(kept, 1 / share if share else 1.0))


def drawable(model: Model, which: frozenset[int]) -> list[Call]:
    """Return the calls of `which` in which branches are exchangeable: more than a few, and no stages of a pipeline."""
    passing = {call.feeder for call in model.calls}
    calls = (model.calls[number] for number in sorted(which))
    return [call for call in calls if len(call.members) >= MIN_DRAWN and call.feeder < 0 and call.number not in passing]


def drawn(calls: Sequence[Call], chance: np.random.Generator, max_drawn: int) -> Sample:
    """Return a bootstrap sample: of each call as many branches as it has, at most `max_drawn`, with repetition."""
    return Sample({call.number: chance.choice(call.members, min(max_drawn, len(call.members))) for call in calls})


def sampled(model: Model, cluster: Sequence[int], choose: Callable[[Ints], Ints]) -> dict[int, Ints]:
    """Return the branches that `choose` takes from overlapping calls, and what follows from them in later stages."""

    def distance(number: int) -> int:  # how many calls feed a call, one through the other
        found, feeder = 0, model.calls[number].feeder
        while feeder >= 0 and found < len(model.calls):
            found, feeder = found + 1, model.calls[feeder].feeder
        return found

    found: dict[int, Ints] = {}
    for number in sorted(cluster, key=distance):
        call = model.calls[number]
        if call.feeder in found:
            made = found[call.feeder].tolist()
            found[number] = np.array([call.follows[each] for each in made if each in call.follows], np.int64)
        else:
            found[number] = choose(call.members)
    return found
