"""What other workers would have made of a run: the same as the virtual clock does, wherever both can be compared."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaygraph_viz.analysis.metrics import summarize
from kaygraph_viz.analysis.what_if.what_if import WhatIf, what_if
from kaygraph_viz.clock import compute, sleep, sleep_async
from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.graph.async_batch import AsyncParallelBatchNode
from kaygraph_viz.graph.batch import BatchNode, ParallelBatchNode
from kaygraph_viz.graph.fan_out import FanOutNode
from kaygraph_viz.graph.graph import Graph, ParallelBatchGraph
from kaygraph_viz.graph.map_reduce import MapReduceNode
from kaygraph_viz.graph.pipeline import PipelineNode
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import assert_trace, bar, make_trace
from kaygraph_viz.trace.part_table import PartTable
from kaygraph_viz.trace.recorder import record
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.virtual.clock import VirtualClock

COUNTS = [1, 2, 3, 4, 8]


def call(end, *branches, start=0, workers=1, executor="thread"):
    return (bar("exec", "main", start, end, kind="phase", executor=executor, workers=workers), list(branches))


def one_after_the_other(count=4, **facts):
    """Return a run of one worker with so many branches of a second each."""
    bars = [bar("b", "thread-1", number, number + 1, queued_s=number, index=number, **facts) for number in range(count)]
    return make_trace(call(count, *bars))


# -- as the virtual clock does --------------------------------------------------------------------------------------


def run(node, shared=None, **costs):
    with record(clock=VirtualClock(**costs)) as trace:
        node.run({} if shared is None else shared)
    return trace


def batch(items, exec_item, workers, executor="thread", **options):
    """Return a node whose prep computes and whose post waits."""
    node = ParallelBatchNode(workers, executor, **options)
    node.prep = lambda shared: compute(0.01) or items
    node.exec = exec_item
    node.post = lambda shared, prep_res, exec_res: sleep(0.02)
    return node


def waiting(workers):
    return run(batch([0.01 * (place % 5 + 1) for place in range(17)], sleep, workers))


def computing(workers):
    return run(batch([0.003 * (place % 5 + 1) for place in range(17)], compute, workers))


def computing_then_waiting(workers):
    def exec_item(place):
        compute(0.004 * (place % 3 + 1))
        sleep(0.03 * (place % 4 + 1))

    return run(batch(range(19), exec_item, workers))


def processes(workers):
    costs = {"start_up_s": {"process": 0.05}, "dispatch_s": {"process": 0.001}}
    return run(batch([0.01 * (place % 4 + 1) for place in range(15)], compute, workers, "process"), **costs)


def coroutines(workers):
    class Node(AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return [0.01 * (place % 5 + 1) for place in range(17)]

        async def exec_async(self, seconds):
            await sleep_async(seconds)

    with record(clock="virtual") as trace:
        asyncio.run(Node(workers).run_async({}))
    return trace


def different_operations(workers):
    def operation(place):
        return lambda _: (compute(0.002 * place), sleep(0.03 * (place % 4)))

    return run(FanOutNode({f"b{place}": operation(place) for place in range(1, 8)}, max_workers=workers))


def static_chunks(workers):
    return run(batch([0.01 * (place % 5 + 1) for place in range(17)], sleep, workers, schedule="static"))


def a_slow_input(workers):
    def items():
        for place in range(10):
            sleep(0.01)
            yield place

    node = ParallelBatchNode(workers)
    node.prep = lambda shared: items()
    node.exec = lambda place: sleep(0.035)
    return run(node)


def trying_again(workers):
    tries = {}

    def exec_item(place):
        sleep(0.01)
        tries[place] = tries.get(place, 0) + 1
        if place % 3 == 0 and tries[place] < 3:
            raise ValueError(place)

    return run(batch(range(8), exec_item, workers, max_retries=3, wait=0.02))


def map_and_reduce(workers):
    node = MapReduceNode(
        lambda item: sleep(0.01 * (item % 3 + 1)) or [(item % 4, 1)],
        lambda key, values: sleep(0.02) or sum(values), max_workers=workers,
    )  # fmt: skip
    return run(node, {"items": list(range(20))})


def calls_within_branches(workers):
    class Inner(ParallelBatchNode):
        def prep(self, shared):
            sleep(0.003)
            return range(3)

        def exec(self, place):
            sleep(0.01 * (place + 1))

        def post(self, shared, prep_res, exec_res):
            sleep(0.001)

    class Outer(ParallelBatchGraph):
        def prep(self, shared):
            return [{"place": place} for place in range(5)]

    return run(Outer(start=Inner(max_workers=2), max_workers=workers))


def stages(workers):
    def stage(name, milliseconds):
        def run_stage(place):
            sleep((milliseconds + place * 7 % 5) / 1e3)
            return place

        return Stage(name, run_stage, workers=workers, buffer=2)

    node = PipelineNode(stages=[stage("first", 10), stage("second", 30), stage("third", 5)])
    return run(node, {"items": range(12)})


RUNS = [
    waiting, computing, computing_then_waiting, processes, coroutines, different_operations, static_chunks,
    a_slow_input, trying_again, map_and_reduce, calls_within_branches, stages,
]  # fmt: skip


@pytest.mark.parametrize("make", RUNS)
@pytest.mark.parametrize("recorded", [1, 3])
def test_predicted_and_simulated_times_are_the_same(make, recorded):
    found = what_if(make(recorded), COUNTS)
    assert found.makespan_s == {workers: make(workers).makespan_s for workers in COUNTS}


@pytest.mark.parametrize("make", RUNS)
def test_the_replay_of_a_run_is_the_run(make):
    trace = make(3)
    assert_trace(what_if(trace).trace().validate(), without_chunks(trace))


def without_chunks(trace):
    """Return the spans without chunks, and without parts, of which a replay notes none."""
    return [replace(span, noted_parts=None) for span in trace if not span.name.startswith("chunk ")]


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("make", [waiting, computing_then_waiting, different_operations, stages])
def test_the_trace_of_a_replay_is_that_of_a_run_with_so_many_workers(make, workers):
    assert_trace(what_if(make(3)).trace(workers).validate(), make(workers))


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


def wait_and_compute(place):
    sleep(0.03 * (place % 4 + 1))
    compute(0.004 * (place % 3 + 1))


def without_parts(trace):
    """Return the same run as if nobody had noted what branches did when."""
    return Trace(replace(trace.columns, parts=PartTable()), machine=trace.machine)


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


def test_known_steps_can_be_faster_too():
    trace = run(batch(range(19), wait_and_compute, 3))
    found = what_if(trace, [1, 3], speed={"ParallelBatchNode": 2})
    assert found.makespan_s == pytest.approx({workers: seconds / 2 for workers, seconds in
                                              what_if(trace, [1, 3]).makespan_s.items()}, rel=0.01)  # fmt: skip


def test_a_noted_buffer_is_the_room_of_a_queue():
    def stage(name, times, number, **facts):
        hires = bar(name, "main", 0, 20, kind="node", executor="thread", workers=1, **facts)
        first = 10 * number  # numbers of spans, so that they can be linked
        return (hires, [bar(name, f"thread-{number}", start, end, queued_s=start - ready, index=place,
                            span_id=first + place, links=(first - 10 + place,) if number > 1 else ())
                        for place, (ready, start, end) in enumerate(times)])  # fmt: skip

    def pipeline(**facts):
        made = stage("make", [(0, 0, 1), (0, 1, 2), (0, 2, 3)], 1)
        used = stage("use", [(1, 1, 5), (2, 5, 9), (3, 9, 13)], 2, **facts)
        return make_trace((bar("exec", "main", 0, 20, kind="phase"), [made, used]))

    blocked = {facts: what_if(pipeline(**dict(facts)), 1).trace(1) for facts in ((), (("buffer", 1),))}
    assert [sum(span.blocked_ns for span in trace) / 1e9 for trace in blocked.values()] == [0, 2]


@pytest.mark.parametrize("name", ["slow", "shop slow"])  # the branches, or their stage
def test_one_stage_alone_gets_other_workers(name):
    def shop(workers):
        stages = [Stage("quick", lambda x: sleep(0.01), buffer=2), Stage("slow", lambda x: sleep(0.04), workers, 2)]
        return run(PipelineNode(stages, node_id="shop"), {"items": range(12)})

    found = what_if(shop(2), COUNTS, only=name)
    assert found.makespan_s == {workers: shop(workers).makespan_s for workers in COUNTS}
    assert found.recorded_workers == 2
    assert found.sentence.startswith(f"In {name}, 4 workers are enough")


def test_a_name_around_several_calls_means_all_of_them():
    trace = two_nodes()
    whole = what_if(trace, 3)
    assert what_if(trace, 3, only="Slow").makespan_s[3] > whole.makespan_s[3]
    assert what_if(stages(1), 3, only="PipelineNode").makespan_s == what_if(stages(1), 3).makespan_s


# -- faster parts ---------------------------------------------------------------------------------------------------


class Slow(ParallelBatchNode):
    factor = 1

    def prep(self, shared):
        sleep(0.1 / self.factor)
        return range(6)

    def exec(self, place):
        sleep(0.1 * (place + 1) / self.factor)

    def post(self, shared, prep_res, exec_res):
        compute(0.2 / self.factor)


class Other(Slow):
    pass


def two_nodes(workers=2, slow=1, other=1):
    first, second = Slow(max_workers=workers), Other(max_workers=workers)
    first.factor, second.factor = slow, other
    first >> second
    with record(clock="virtual") as trace:
        Graph(start=first).run({})
    return trace


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


# -- the result -----------------------------------------------------------------------------------------------------


def test_the_smallest_number_of_workers_within_five_percent_is_enough():
    long = bar("b", "thread-1", 0, 10)
    short = [bar("b", "thread-1", 10 + n, 11 + n, queued_s=10 + n) for n in range(20)]
    found = what_if(make_trace(call(30, long, *short)), range(1, 9))
    assert found.makespan_s == {1: 30, 2: 15, 3: 10, 4: 10, 5: 10, 6: 10, 7: 10, 8: 10}
    assert found.best_workers == 3
    assert found.speedup[3] == 3
    assert found.sentence == "3 workers are enough: 10.0 s; the run took 30.0 s with 1."


def test_a_best_that_is_not_the_fastest_says_how_fast_that_is():
    bars = [bar("b", "thread-1", 25.0 * n, 25.0 * (n + 1), queued_s=25.0 * n) for n in range(2)]
    rest = [bar("b", "thread-1", 50 + n, 51 + n, queued_s=50 + n) for n in range(2)]
    found = what_if(make_trace(call(52, *bars, *rest)), [2, 3, 4])
    assert found.sentence == "2 workers are enough: 26.0 s (25.0 s with 3); the run took 52.0 s with 1."


def test_what_was_asked_for_is_said():
    found = what_if(one_after_the_other(), 2, executor="process", schedule="longest-first", speed={"b": 2})
    assert found.sentence == (
        "As processes, longest first, with b 2.0 times as fast, 2 workers would take 1.00 s; "
        "the run took 4.00 s with 1."
    )


def test_the_table():
    text = str(what_if(one_after_the_other(8), [1, 8]))
    assert text.splitlines() == [
        "8 workers are enough: 1.00 s; the run took 8.00 s with 1.", "",
        "workers  makespan     low    high  speedup   limited by",
        "      1    8.00 s  8.00 s  8.00 s     1.0x   the number of workers",
        "      8    1.00 s  1.00 s  1.00 s     8.0x   the number of workers", "",
        "Replayed on its own terms, the run takes 8.00 s: as long.",
        "No CPU time was recorded: all of it counts as waiting, which any number of workers can do at once.",
    ]  # fmt: skip
    assert "<td" in what_if(one_after_the_other(), [1, 2])._repr_html_()


def test_names_are_never_markup():
    trace = make_trace(call(1, bar("<model>", "thread-1", 0, 1)))
    shown = what_if(trace, 1, speed={"<model>": 2})._repr_html_()
    assert "<model>" not in shown
    assert "&lt;model&gt;" in shown


LIMITED = [
    ("the longest branch", [bar("b", "thread-1", 0, 5), bar("b", "thread-2", 0, 1)], 2, {}),
    ("the number of workers", [bar("b", "thread-1", n, n + 1, queued_s=n) for n in range(9)], 2, {}),
    ("the interpreter", [bar("b", "thread-1", n, n + 1, queued_s=n, cpu_s=1) for n in range(9)], 4, {}),
    ("the loop", [bar("b", "thread-1", n, n + 1, queued_s=n, cpu_s=1) for n in range(9)], 4, {"executor": "async"}),
    ("the cores", [bar("b", "thread-1", n, n + 1, queued_s=n, cpu_s=1) for n in range(9)], 4,
     {"executor": "process", "cores": 2}),
    ("starting and ending the workers", [bar("b", f"process-{n}", 5, 6, queued_s=5) for n in (1, 2)], 2, {}),
    ("the input", [bar("b", "thread-1", 2 * n + 1, 2 * n + 2) for n in range(9)], 4, {}),
    ("serial parts", [bar("b", "thread-1", 0, 1)], 1, {}),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "bars", "workers", "options"), LIMITED)
def test_what_limits_a_run_is_named(limit, bars, workers, options):
    before = bar("prep", "main", -30 if limit == "serial parts" else -1, 0, kind="phase")
    end = max(span.ended_ns for span in bars) / 1e9
    found = what_if(make_trace(before, call(end, *bars)), workers, **options)
    assert found.limits[workers].startswith(limit)


def test_the_band_is_always_the_same_and_holds_what_is_predicted():
    bars, at = [], 0
    for number in range(40):
        bars.append(bar("b", "thread-1", at, at + 1 + number % 7, queued_s=at))
        at += 1 + number % 7
    found, again = (what_if(make_trace(call(at, *bars)), COUNTS) for _ in range(2))
    assert (found.low_s, found.high_s) == (again.low_s, again.high_s)
    assert found == again
    for workers in COUNTS:
        assert found.low_s[workers] < found.makespan_s[workers] < found.high_s[workers]


def test_the_band_reaches_as_far_as_the_replay_misses_the_run():
    held_up = [bar("b", "thread-1", 0, 1), bar("b", "thread-2", 0, 1), bar("b", "thread-1", 3, 4, queued_s=3)]
    trace = make_trace(call(4, *held_up, bar("b", "thread-2", 1.1, 2.1, queued_s=1.1), workers=2))
    found = what_if(trace, 2)
    assert found.replayed_s < found.recorded_s == 4
    assert found.high_s[2] == pytest.approx(found.makespan_s[2] * 4 / found.replayed_s)


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


# -- the trace of a replay ------------------------------------------------------------------------------------------


def test_a_replay_can_be_drawn_and_summarized():
    replayed = what_if(one_after_the_other(6)).trace(3)
    assert gantt(replayed).get_title(loc="left").startswith("3 workers, 6 branches, 2.0 s")
    summary = summarize(replayed)
    assert (summary.workers, summary.makespan_s, summary.peak_concurrency) == (3, 2, 3)


def test_hired_workers_are_noted_anew():
    replayed = what_if(one_after_the_other(6), executor="process").trace(8)
    (hires,) = replayed.where(kind="phase")
    assert hires.attributes == {"executor": "process", "workers": 6}
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


# -- nothing to vary, and wrong options -----------------------------------------------------------------------------


def test_nothing_was_recorded():
    found = what_if(make_trace())
    assert (str(found), found.best_workers, found.makespan_s) == ("Nothing was recorded.", 0, {})
    assert found == WhatIf()
    with pytest.raises(OptionError, match="a result of what_if"):
        found.trace(2)


def test_without_branches_workers_make_no_difference():
    found = what_if(make_trace(bar("n", "main", 0, 2, kind="node")), [1, 8])
    assert found.makespan_s == {1: 2, 8: 2}
    assert str(found) == "No branches were recorded, so the number of workers makes no difference."
    assert len(found.trace(8)) == 1


def test_branches_one_after_the_other_stay_so_unless_another_kind_is_asked_for():
    bars = [bar("b", "main", number, number + 1, queued_s=number) for number in range(4)]
    trace = make_trace(call(4, *bars, executor="serial"))
    assert what_if(trace, [1, 4]).makespan_s == {1: 4, 4: 4}
    assert str(what_if(trace)) == "No parallel call was recorded, so the number of workers makes no difference."
    assert what_if(trace, [1, 4], executor="thread").makespan_s == {1: 4, 4: 1}
    assert what_if(one_after_the_other(), [1, 4], executor="serial").makespan_s == {1: 4, 4: 4}


def test_the_usual_numbers_and_the_recorded_one():
    trace = make_trace(call(1, *[bar("b", f"thread-{n}", 0, 1) for n in range(1, 7)], workers=6))
    assert list(what_if(trace).makespan_s) == [1, 2, 4, 6, 8, 16]
    assert list(what_if(trace, 5).makespan_s) == [5]
    assert list(what_if(trace, iter([4, 2, 4])).makespan_s) == [2, 4]


def test_spans_that_were_not_kept_are_mentioned():
    trace = make_trace(call(1, bar("b", "thread-1", 0, 1)), dropped=3)
    assert "3 spans of the run not kept: all of this is too short." in str(what_if(trace))
    assert what_if(trace).trace(2).dropped == 3


@pytest.mark.parametrize("workers", [0, -1, True, 4097, 2.0, "4", [], [1, 0], {1: 2}, range(1, 400), object()])
def test_numbers_of_workers_are_checked(workers):
    with pytest.raises(OptionError, match="workers must be"):
        what_if(one_after_the_other(), workers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": "fiber"}, "executor must be one of 'serial', 'thread', 'process', 'async', 'dask', got 'fiber'"),
        ({"schedule": "lifo"}, "schedule must be one of 'dynamic', 'static', 'longest-first', got 'lifo'"),
        ({"only": "c"}, "only must be the name of a parallel node, stage or branch: 'exec', 'b', got 'c'"),
        ({"speed": 2}, "speed must be how many times as fast, by name, got 2"),
        ({"speed": {"c": 2}}, "speed must be the name of a node or branch: 'exec', 'b', got 'c'"),
        ({"speed": {"b": 0}}, r"speed\['b'\] must be a number from 1e-06 to 1e6"),
        ({"speed": {"b": nan}}, r"speed\['b'\] must be a number from 1e-06 to 1e6"),
        ({"speed": {"b": inf}}, r"speed\['b'\] must be a number from 1e-06 to 1e6"),
        ({"speed": {"b": True}}, r"speed\['b'\] must be a number from 1e-06 to 1e6"),
        ({"cores": 0}, "cores must be a whole number from 1 to 4096, got 0"),
        ({"computes_first": 1}, "computes_first must be True, False or None, got 1"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(OptionError, match=message):
        what_if(one_after_the_other(), **options)


@pytest.mark.parametrize("workers", [0, True, "2"])
def test_the_workers_of_a_trace_are_checked(workers):
    with pytest.raises(OptionError, match="workers must be a whole number"):
        what_if(one_after_the_other()).trace(workers)


# -- runs of every shape --------------------------------------------------------------------------------------------


@given(
    st.data(), st.sampled_from([None, "thread", "process", "async", "serial"]),
    st.sampled_from([None, "static", "longest-first", "dynamic"]),
    st.sampled_from([{}, {"b": 2.0}, {"n0": 0.5}, {"inner": 3.0}]), st.sampled_from([None, 1, 2]),
)  # fmt: skip
def test_any_run_can_be_replayed(any_run, data, kind, schedule, speed, cores):
    trace = data.draw(any_run)
    speed = {name: times for name, times in speed.items() if name in trace.columns.names}
    found = what_if(trace, [1, 3], executor=kind, schedule=schedule, speed=speed, cores=cores)
    assert found.sentence.endswith(".")
    assert str(found).startswith(found.sentence)
    for workers, seconds in found.makespan_s.items():
        replayed = found.trace(workers).validate()
        assert replayed.makespan_s == pytest.approx(seconds, abs=1e-6)
        assert found.low_s[workers] <= seconds + 1e-9
        assert seconds <= found.high_s[workers] + 1e-9


def test_a_run_held_up_by_a_rate_limit_is_told_to_be_so():
    limit = RateLimit(in_flight=2)

    def ask(number):
        with limit:
            sleep(1)

    with record(clock="virtual") as held_up, get_executor("thread", 4) as executor:
        list(executor.imap(ask, range(8)))
    assert any("rate limit" in remark for remark in what_if(held_up).remarks)
    with record(clock="virtual") as free, get_executor("thread", 4) as executor:
        list(executor.imap(sleep, [1] * 8))
    assert not any("rate limit" in remark for remark in what_if(free).remarks)
