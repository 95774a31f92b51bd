"""Large runs are replayed as samples, which tell nearly the same as the whole."""

from __future__ import annotations

import numpy as np
import pytest

from kaygraph_viz.analysis.what_if.model import read_model
from kaygraph_viz.analysis.what_if.sampling import EVERYTHING, Sample, drawable, drawn, sampled, thinned
from kaygraph_viz.analysis.what_if.tasks import BranchOperations
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.testing import bar, make_trace
from tests.analysis.what_if.runs import call, one_after_the_other, stages


def test_a_large_run_is_replayed_as_a_sample():
    bars, at = [], 0
    for number in range(6_000):
        bars.append(bar("b", "thread-1", at, at + 1 + number % 7, queued_s=at))
        at += 1 + number % 7
    found = what_if(make_trace(call(at, *bars), check=False), [1, 4])
    assert found.makespan_s[1] == at
    assert found.makespan_s[4] == pytest.approx(found.trace(4).makespan_s, rel=0.01)


def test_a_long_pipeline_is_replayed_as_a_sample():
    items, stages = 2_000, 3
    end = items + stages - 1
    made = []
    for stage in range(stages):
        bars = [
            bar(f"s{stage}", f"t-{stage}", at + stage, at + stage + 1, queued_s=0 if stage else at, index=at, cpu_s=0,
                span_id=10 + stage * items + at, links=(10 + (stage - 1) * items + at,) if stage else ())
            for at in range(items)
        ]  # fmt: skip
        made.append((bar(f"P s{stage}", "main", 0, end, kind="node", executor="thread", workers=1, buffer=4), bars))
    found = what_if(make_trace((bar("P", "main", 0, end, kind="node"), made), check=False), [1])
    assert found.replayed_s == pytest.approx(end, rel=0.01)
    assert found.makespan_s[1] == pytest.approx(end, rel=0.01)


def test_many_small_calls_are_replayed_as_a_sample():
    def one(at):
        return call(at + 3, bar("b", "t-1", at, at + 2), bar("b", "t-1", at + 2, at + 3, queued_s=2), start=at)

    found = what_if(make_trace(*(one(3 * number) for number in range(3_000)), check=False), [1, 2])
    assert found.makespan_s == {1: pytest.approx(9_000), 2: pytest.approx(6_000)}


def small_run(count=10):
    model = read_model(one_after_the_other(count).columns)
    return model, BranchOperations(model.service, np.zeros_like(model.service))


def test_a_small_run_is_replayed_as_a_whole():
    assert thinned(*small_run()) is EVERYTHING
    assert not EVERYTHING.leaves_out([0])


def test_a_sampled_call_is_scaled_by_what_its_branches_last():
    model, operations = small_run(900)
    sample = thinned(model, operations, max_branches=300)
    assert sample.its[0].tolist() == list(range(0, 900, 3))
    assert sample.times == {0: 3.0}


def test_a_small_call_is_left_out_or_replayed_as_a_whole():
    def one(at):
        return call(at + 2, bar("b", "t-1", at, at + 1), bar("b", "t-1", at + 1, at + 2, queued_s=1), start=at)

    model = read_model(make_trace(*(one(2 * number) for number in range(4))).columns)
    sample = thinned(model, BranchOperations(model.service, np.zeros_like(model.service)), max_branches=4)
    assert [sample.leaves_out([call.number]) for call in model.calls] == [False, True, False, True]
    assert sample.times == {0: 2.0, 2: 2.0}


def test_what_follows_from_chosen_branches_is_in_the_sample():
    model = read_model(stages(1).columns)
    (cluster,) = (cluster for cluster in model.clusters[-1] if len(cluster) > 1)
    found = sampled(model, cluster, lambda members: members[:2])
    calls = [model.calls[number] for number in cluster]
    for call_ in calls:
        if call_.feeder >= 0:
            assert found[call_.number].tolist() == [call_.follows[each] for each in found[call_.feeder].tolist()]


def test_draws_are_as_many_as_there_are_up_to_a_bound():
    model, _ = small_run(20)
    calls = drawable(model, frozenset({0}))
    chance = np.random.default_rng(0)
    assert [len(drawn(calls, chance, most).its[0]) for most in (5, 100)] == [5, 20]
    assert set(drawn(calls, chance, 100).its[0].tolist()) <= set(range(20))


def test_few_branches_and_those_of_stages_are_not_drawn_anew():
    assert drawable(small_run(3)[0], frozenset({0})) == []
    model = read_model(stages(1).columns)
    assert drawable(model, frozenset(call.number for call in model.calls)) == []


def test_a_call_of_which_branches_are_missing_is_not_left_out():
    sample = Sample({1: np.empty(0, int), 2: np.array([4])})
    assert [sample.leaves_out(cluster) for cluster in ([1], [2], [1, 2], [3])] == [True, False, False, False]
