"""What is read from a trace: calls and their costs, stages and their queues, lazy inputs, chunks."""

from __future__ import annotations

from kaygraph_viz.analysis.what_if.model import read_model
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.testing import bar, make_trace
from tests.analysis.what_if.runs import a_slow_input, call, calls_within_branches, stages, static_chunks, trying_again


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
    return read_model(trace.columns).calls


def test_stages_are_fed_by_the_one_before_them():
    first, second, third = sorted(calls_of(stages(2)), key=lambda each: each.begins_ns)[-3:]
    assert (second.feeder, third.feeder) == (first.number, second.number)
    assert set(second.follows) == set(first.members.tolist())
    assert sorted(second.follows.values()) == sorted(second.members.tolist())
    assert (second.room, second.is_ordered) == (2, True)


def test_an_input_that_yields_slowly_is_noted_by_branch():
    (found,) = calls_of(a_slow_input(4))
    assert found.is_lazy
    assert sum(found.supply_ns.values()) == 100_000_000
    at_once = calls_of(make_trace(call(2, bar("a", "thread-1", 0, 1), bar("b", "thread-1", 1, 2, queued_s=1))))
    assert (at_once[0].is_lazy, at_once[0].supply_ns) == (False, {})


def test_branches_of_chunks_belong_to_the_call():
    trace = static_chunks(3)
    (found,) = calls_of(trace)
    assert (found.is_static, found.workers, len(found.members)) == (True, 3, 17)
    assert len(trace.where(kind="branch")) == 17 + 3


def test_the_shorter_gaps_say_what_workers_and_branches_cost():
    bars = [bar("a", "process-1", 5, 6, queued_s=5), bar("b", "process-1", 7, 8, queued_s=7),
            bar("c", "process-1", 12, 13, queued_s=12)]  # fmt: skip
    (found,) = calls_of(make_trace(call(14, *bars, executor="process")))
    assert (found.start_up_ns, found.dispatch_ns, found.close_ns) == (4 * 10**9, 10**9, 10**9)


def test_calls_within_branches_have_owners():
    found = calls_of(calls_within_branches(2))
    assert [each.owner for each in found].count(-1) == 1
    assert {each.kind for each in found} == {"thread"}


def test_simulated_times_are_exact_and_measured_ones_are_not():
    assert read_model(trying_again(3).columns).is_exact
    gaps = [0.1, 0.13, 0.17, 0.11, 0.19]
    bars = [bar("b", "thread-1", n + gap, n + 1, queued_s=n + gap) for n, gap in enumerate(gaps)]
    assert not read_model(make_trace(call(5, *bars)).columns).is_exact
