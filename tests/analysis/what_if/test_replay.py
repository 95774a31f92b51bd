"""Replays with other workers, schedules and cores: what the virtual clock does with them."""

from __future__ import annotations

import pytest

from kaygraph_viz.analysis.what_if.model import Call, read_model
from kaygraph_viz.analysis.what_if.replay import USUAL_COSTS_NS, costs_ns, varied
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.clock.clock import compute, sleep
from kaygraph_viz.graph.batch import BatchNode
from tests.analysis.what_if.runs import COUNTS, RUNS, batch, calls_within_branches, one_after_the_other, run, stages


@pytest.mark.parametrize("make", RUNS)
@pytest.mark.parametrize("recorded", [1, 3])
def test_predicted_and_simulated_times_are_the_same(make, recorded):
    found = what_if(make(recorded), COUNTS)
    assert found.makespan_s == {workers: make(workers).makespan_s for workers in COUNTS}


@pytest.mark.parametrize(("kind", "recorded"), [("process", "thread"), ("thread", "process"), ("thread", "serial")])
def test_other_kinds_of_workers(kind, recorded):
    items = [0.01 * (place % 4 + 1) for place in range(15)]
    node = batch(items, compute, 3, recorded) if recorded != "serial" else BatchNode()
    if recorded == "serial":
        node.prep, node.exec, node.post = (lambda shared: compute(0.01) or items), compute, lambda *_: sleep(0.02)
    found = what_if(run(node), COUNTS, executor=kind)
    assert found.makespan_s == {workers: run(batch(items, compute, workers, kind)).makespan_s for workers in COUNTS}


@pytest.mark.parametrize("schedule", ["dynamic", "static", "longest-first"])
@pytest.mark.parametrize("recorded", ["dynamic", "static"])
def test_other_schedules(schedule, recorded):
    items = [0.01 * (place % 5 + 1) for place in range(17)]

    def node(workers, schedule):
        return batch(items, sleep, workers, schedule=schedule, cost=lambda seconds: seconds)

    found = what_if(run(node(3, recorded)), COUNTS, schedule=schedule)
    assert found.makespan_s == {workers: run(node(workers, schedule)).makespan_s for workers in COUNTS}


def test_fewer_cores():
    def node(workers):
        return batch([0.02] * 8, compute, workers, "process")

    found = what_if(run(node(4)), [4, 8], cores=2)
    assert found.makespan_s == {workers: run(node(workers), cores=2).makespan_s for workers in [4, 8]}


def test_only_the_outermost_parallel_calls_are_varied():
    model = read_model(calls_within_branches(3).columns)
    found = varied(model, also_serial=False)
    assert [model.calls[number].owner for number in found] == [-1]


def test_the_source_of_a_pipeline_is_not_varied_and_its_stages_are():
    model = read_model(stages(2).columns)
    kinds = [call.workers for call in model.calls if call.number in varied(model, also_serial=False)]
    assert kinds == [2, 2, 2]


def test_a_name_chooses_calls():
    model = read_model(one_after_the_other().columns)
    assert len(varied(model, also_serial=False, only="b")) == len(varied(model, also_serial=False, only="exec")) == 1
    assert not varied(model, also_serial=False, only="somebody")


def made(kind="thread", *, workers=2, parent=0, **costs):
    facts = dict.fromkeys(("number", "owner", "begins_ns", "ends_ns"), 0) | {"supply_ns": {}, "is_static": False}
    costs = {"start_up_ns": 8, "dispatch_ns": 3, "close_ns": 10} | costs
    return Call(kind=kind, workers=workers, parent=parent, members=range(9), is_lazy=False, **facts, **costs)


def test_workers_of_the_same_kind_cost_what_they_did():
    assert costs_ns(made(), "thread", 4, None, is_exact=False) == (8, 3, 20)


def test_workers_of_another_kind_cost_what_is_usual_and_nothing_in_exact_times():
    start_up_ns, dispatch_ns, close_ns = USUAL_COSTS_NS["process"]
    assert costs_ns(made(), "process", 2, None, is_exact=False) == (start_up_ns, dispatch_ns, 2 * close_ns)
    assert costs_ns(made(), "process", 2, None, is_exact=True) == (0, 0, 0)


def test_processes_that_start_at_once_share_the_cores():
    assert costs_ns(made("process"), "process", 8, 2, is_exact=False)[0] == 8 * 8 // 2
    assert costs_ns(made("process"), "process", 8, 2, is_exact=True)[0] == 8
