"""Replays with other workers, schedules and speeds: what the virtual clock does with them, also as a trace."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.what_if.model import Call
from kaygraph_viz.analysis.what_if.replay import USUAL_COSTS_NS, costs_ns, varied
from kaygraph_viz.analysis.what_if.tasks import COMPUTE, WAIT, KnownOperations
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.clock.clock import compute, sleep
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.graph.batch import BatchNode
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.recording import record
from kaygraph_viz.testing import assert_trace, bar, make_trace
from tests.analysis.what_if.runs import (
    COUNTS,
    RUNS,
    batch,
    call,
    calls_within_branches,
    computing_then_waiting,
    different_operations,
    model_of,
    one_after_the_other,
    run,
    stages,
    trying_again,
    two_nodes,
    wait_and_compute,
    waiting,
    without_parts,
)


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


def test_a_name_chooses_calls():
    model = model_of(one_after_the_other())
    assert len(varied(model, also_serial=False, only="b")) == len(varied(model, also_serial=False, only="exec")) == 1
    assert not varied(model, also_serial=False, only="somebody")


def call_with(kind="thread", *, workers=2, parent=0, **costs):
    facts = dict.fromkeys(("number", "owner", "begins_ns", "ends_ns"), 0) | {"supply_ns": {}, "is_static": False}
    costs = {"start_up_ns": 8, "dispatch_ns": 3, "close_ns": 10} | costs
    return Call(kind=kind, workers=workers, parent=parent, members=range(9), is_lazy=False, **facts, **costs)


def test_workers_of_the_same_kind_cost_what_they_did():
    assert costs_ns(call_with(), "thread", 4, None, is_exact=False) == (8, 3, 20)


def test_workers_of_another_kind_cost_what_is_usual_and_nothing_in_exact_times():
    start_up_ns, dispatch_ns, close_ns = USUAL_COSTS_NS["process"]
    assert costs_ns(call_with(), "process", 2, None, is_exact=False) == (start_up_ns, dispatch_ns, 2 * close_ns)
    assert costs_ns(call_with(), "process", 2, None, is_exact=True) == (0, 0, 0)


def test_processes_that_start_at_once_share_the_cores():
    assert costs_ns(call_with("process"), "process", 8, 2, is_exact=False)[0] == 8 * 8 // 2
    assert costs_ns(call_with("process"), "process", 8, 2, is_exact=True)[0] == 8


def without_chunks(trace):
    """Return the spans without chunks, and without parts, of which a replay notes none."""
    return [replace(span, noted_parts=None) for span in trace if not span.name.startswith("chunk ")]


@pytest.mark.parametrize("make", RUNS)
def test_the_replay_of_a_run_is_the_run(make):
    trace = make(3)
    assert_trace(what_if(trace).trace().validate(), without_chunks(trace))


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("make", [waiting, computing_then_waiting, different_operations, stages])
def test_the_trace_of_a_replay_is_that_of_a_run_with_so_many_workers(make, workers):
    assert_trace(what_if(make(3)).trace(workers).validate(), make(workers))


def test_a_replay_can_be_drawn_and_summarized():
    replayed = what_if(one_after_the_other(6)).trace(3)
    assert gantt(replayed).get_title(loc="left").startswith("3 workers, 6 branches, 2.00 s")
    summary = summarize(replayed)
    assert (summary.workers, summary.makespan_s, summary.peak_concurrency) == (3, 2, 3)


def test_numbers_of_workers_are_noted_anew():
    replayed = what_if(one_after_the_other(6), executor="process").trace(8)
    (phase,) = replayed.where(kind="phase")
    assert phase.attributes == {"executor": "process", "workers": 6}
    assert set(replayed.lanes) == {"main", *(f"process-{number}" for number in range(1, 7))}


def test_workers_of_calls_within_branches_have_lanes_of_their_own():
    replayed = what_if(calls_within_branches(2), executor="process").trace(2)
    assert {lane for lane in replayed.lanes if "/" in lane} == {
        f"process-{outer}/thread-{inner}" for outer in (1, 2) for inner in (1, 2)
    }


def test_details_of_branches_move_with_them():
    trace = trying_again(1)
    replayed = what_if(trace).trace(8).validate()
    assert replayed.counts() == trace.counts()
    lanes = {span.lane for span in replayed.where(kind="branch")}
    assert {span.lane for span in replayed.where(kind="attempt")} <= lanes


def test_recorded_traces_are_left_alone():
    trace = one_after_the_other()
    before = list(trace)
    what_if(trace, speed={"b": 2}, executor="process").trace(2)
    assert list(trace) == before


def test_whether_branches_compute_first_can_be_said():
    trace = without_parts(run(batch(range(19), wait_and_compute, 1)))
    found = what_if(trace, COUNTS, computes_first=False)
    assert found.makespan_s == {
        workers: run(batch(range(19), wait_and_compute, workers)).makespan_s for workers in COUNTS
    }
    assert what_if(trace, COUNTS, computes_first=True).makespan_s != found.makespan_s


@pytest.mark.parametrize("recorded", [1, 3])
@pytest.mark.parametrize("computes_first", [None, False, True])
def test_where_it_is_known_what_branches_did_when_they_do_it_in_that_order(recorded, computes_first):
    def in_three_steps(place):
        compute(0.003 * (place % 2 + 1))
        sleep(0.03 * (place % 4 + 1))
        compute(0.004 * (place % 3 + 1))

    trace = run(batch(range(19), in_three_steps, recorded))
    found = what_if(trace, COUNTS, computes_first=computes_first)
    assert found.makespan_s == {
        workers: run(batch(range(19), in_three_steps, workers)).makespan_s for workers in COUNTS
    }


def test_known_operations_are_faster_in_a_faster_node():
    trace = run(batch(range(19), wait_and_compute, 3))
    found = what_if(trace, [1, 3], speed={"ParallelBatchNode": 2})
    assert found.makespan_s == pytest.approx({workers: seconds / 2 for workers, seconds in
                                              what_if(trace, [1, 3]).makespan_s.items()}, rel=0.01)  # fmt: skip


def test_parts_are_operations_and_waits_for_a_turn_are_left_out():
    parts = [("wait", 1), ("gil", 2), ("cpu", 1), ("core", 1), ("cpu", 2), ("blocked", 1)]
    model = model_of(make_trace(bar("a", "thread-1", 0, 8, cpu_s=3, parts=parts), bar("b", "t-2", 0, 1, cpu_s=0.5)))
    known, second = KnownOperations.of(model), 10**9
    assert known.is_known.tolist() == [True, False]
    assert known.of_branch(0) == [(WAIT, second), (COMPUTE, 3 * second), (WAIT, second)]
    assert (known.wait[0], known.compute[0]) == (2 * second, 3 * second)


S = 10**9


def names(model, branches):
    columns = model.nesting.columns
    return [columns.names[columns.rows["name"][position]] for position in model.branches[branches]]


def test_the_outermost_branch_is_found_over_several_levels():
    inner = call(3, bar("inner", "thread-3", 2, 3), start=2)
    middle = call(3, (bar("middle", "thread-2", 1, 3), [inner]), start=1)
    model = model_of(make_trace(call(4, (bar("outer", "thread-1", 0, 4), [middle]))))
    assert names(model, model.top) == ["outer"] * 3


def test_a_noted_buffer_is_the_room_of_a_queue():
    def stage(name, times, number, **facts):
        phase = bar(name, "main", 0, 20, kind="node", executor="thread", workers=1, **facts)
        first = 10 * number  # numbers of spans, so that they can be linked
        return (phase, [bar(name, f"thread-{number}", start, end, queued_s=start - ready, index=place,
                            span_id=first + place, links=(first - 10 + place,) if number > 1 else ())
                        for place, (ready, start, end) in enumerate(times)])  # fmt: skip

    def pipeline(**facts):
        made = stage("make", [(0, 0, 1), (0, 1, 2), (0, 2, 3)], 1)
        used = stage("use", [(1, 1, 5), (2, 5, 9), (3, 9, 13)], 2, **facts)
        return make_trace((bar("exec", "main", 0, 20, kind="phase"), [made, used]))

    blocked = {facts: what_if(pipeline(**dict(facts)), 1).trace(1) for facts in ((), (("buffer", 1),))}
    assert [sum(span.blocked_ns for span in trace) / 1e9 for trace in blocked.values()] == [0, 2]


def calls_of(trace):
    return model_of(trace).calls


def test_the_shorter_gaps_say_what_workers_and_branches_cost():
    bars = [bar("a", "process-1", 5, 6, queued_s=5), bar("b", "process-1", 7, 8, queued_s=7),
            bar("c", "process-1", 12, 13, queued_s=12)]  # fmt: skip
    (found,) = calls_of(make_trace(call(14, *bars, executor="process")))
    assert (found.start_up_ns, found.dispatch_ns, found.close_ns) == (4 * 10**9, 10**9, 10**9)


def test_simulated_times_are_exact_and_measured_ones_are_not():
    assert model_of(trying_again(3)).is_exact
    gaps = [0.1, 0.13, 0.17, 0.11, 0.19]
    bars = [bar("b", "thread-1", n + gap, n + 1, queued_s=n + gap) for n, gap in enumerate(gaps)]
    assert not model_of(make_trace(call(5, *bars))).is_exact


@pytest.mark.parametrize(
    ("speed", "factors"),
    [({"Slow": 2}, {"slow": 2}), ({"Slow": 4, "Other": 0.5}, {"slow": 4, "other": 0.5}), ({}, {}),
     ({"Graph": 2}, {"slow": 2, "other": 2}), ({"Graph": 2, "Slow": 2}, {"slow": 4, "other": 2})],
)  # fmt: skip
def test_a_faster_node_does_everything_in_less_time(speed, factors):
    found = what_if(two_nodes(), [1, 2, 4], speed=speed)
    for workers, seconds in found.makespan_s.items():
        real = two_nodes(workers, **factors)
        assert seconds == pytest.approx(real.makespan_s, abs=1e-8)
        assert_trace(found.trace(workers).validate(), real, tolerance_s=1e-8)


def test_a_faster_branch_and_a_faster_part_of_one():
    inner = (bar("Parse", "thread-1", 1, 3, kind="node"), [bar("exec", "thread-1", 1, 3, kind="phase")])
    trace = make_trace(call(6, (bar("a", "thread-1", 0, 4), [inner]), bar("b", "thread-1", 4, 6, queued_s=4)))
    assert what_if(trace, 1, speed={"a": 2}).makespan_s == {1: 4}
    assert what_if(trace, 1, speed={"Parse": 2}).makespan_s == {1: 5}
    assert what_if(trace, 1, speed={"Parse": 2, "a": 2}).makespan_s == {1: 3.5}
    shorter = what_if(trace, 1, speed={"Parse": 2}).trace(1).validate()
    assert [(span.name, span.started_ns / 1e9, span.ended_ns / 1e9) for span in shorter] == [
        ("exec", 0, 5), ("a", 0, 3), ("Parse", 1, 2), ("exec", 1, 2), ("b", 3, 5),
    ]  # fmt: skip


POOL_COUNTS = (1, 2, 4, 8)


def waits_item(item):
    sleep(0.01 + 0.003 * (item % 7))


def computes_item(item):
    compute(0.02 + 0.003 * (item % 5))


def does_both(item):
    sleep(0.02 + 0.002 * (item % 3))
    compute(0.006 + 0.001 * (item % 5))


def ran(kind, workers, function):
    with record(clock="virtual") as trace, get_executor(kind, workers) as executor:
        list(executor.imap(function, range(40)))
    return trace


def captured(trace, kind):
    """Return the trace of a run as if its branches had been found in a pool of the standard library."""
    lane = {"thread": "ThreadPoolExecutor-0_{}", "process": "process-{}"}[kind]
    return make_trace(*(
        replace(
            span, lane=lane.format(span.lane.rpartition("-")[2]), parent_id=None, noted_parts=None, attributes={},
            submitted_ns=0,
        )
        for span in trace if span.kind == "branch"
    ))  # fmt: skip


@pytest.mark.parametrize("kind", ["thread", "process"])
@pytest.mark.parametrize("function", [waits_item, computes_item, does_both])
def test_predictions_are_within_a_tenth_of_runs_with_that_number_of_workers(kind, function):
    real = {count: ran(kind, count, function) for count in POOL_COUNTS}
    for count, trace in real.items():
        found = captured(trace, kind)
        predicted = what_if(found, POOL_COUNTS, cores=4).makespan_s
        assert predicted == pytest.approx({many: run.makespan_s for many, run in real.items()}, rel=0.1)
        assert summarize(found).workers == count


@pytest.mark.parametrize("function", [waits_item, computes_item, does_both])
def test_predictions_for_captured_pools_of_threads_are_those_of_other_runs(function):
    def captured_run(workers):
        with record(capture="futures", clock="virtual") as trace, ThreadPoolExecutor(workers) as pool:
            list(pool.map(function, range(20)))
        return trace

    real = {count: captured_run(count) for count in POOL_COUNTS}
    for trace in real.values():
        predicted = what_if(trace, POOL_COUNTS).makespan_s
        assert predicted == pytest.approx({many: run.makespan_s for many, run in real.items()}, rel=0.01)


def test_calls_that_share_a_pool_do_not_slow_the_start_of_each_others_workers():
    from kaygraph_viz.testing import bar

    tasks = [
        (bar("task", f"task-{n + 1}", 0, n + 1, cpu_s=0), [bar("job", "pool_0", n, n + 1, queued_s=n, cpu_s=0)])
        for n in range(4)
    ]
    assert what_if(make_trace(*tasks), [1]).makespan_s[1] == 4
