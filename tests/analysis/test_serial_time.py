"""How long a run would have taken one branch after the other, next to how long it does in simulated time."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis import serial_time as serial
from kaygraph_viz.analysis.serial_time import Estimate, serial_estimate
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.clock.clock import compute, sleep, sleep_async
from kaygraph_viz.clock.sync import Lock
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.execute.rates.rate_limit import RateLimit
from kaygraph_viz.graph.async_node import AsyncNode
from kaygraph_viz.graph.batch import AsyncParallelBatchNode, ParallelBatchNode
from kaygraph_viz.graph.fan_out import FanOutNode
from kaygraph_viz.graph.graph import AsyncGraph
from kaygraph_viz.graph.map_reduce import MapReduceNode
from kaygraph_viz.graph.pipeline import PipelineNode
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, bar, make_trace
from kaygraph_viz.trace.columns import PartTable
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.trace import Trace

ALLOWED = 0.01  # where all that a branch did is known, nothing else is left than the turns that threads take
OF_SUMS = OF_LIMITS = 0.1
WORKERS = {"serial": 1, "thread": 4, "process": 4, "async": 4}
PLACES = range(13)


# -- what branches do, as functions and as coroutines -------------------------------------------------------------


def compute_only(place):
    compute(0.01 * (place % 4 + 1))


def wait_only(place):
    sleep(0.03 * (place % 3 + 1))


def mixed(place):
    sleep(0.02 * (place % 3 + 1))
    compute(0.004 * (place % 4 + 1))
    sleep(0.01)


async def compute_only_async(place):
    compute(0.01 * (place % 4 + 1))


async def wait_only_async(place):
    await sleep_async(0.03 * (place % 3 + 1))


async def mixed_async(place):
    await sleep_async(0.02 * (place % 3 + 1))
    compute(0.004 * (place % 4 + 1))
    await sleep_async(0.01)


LOADS = {
    "compute only": (compute_only, compute_only_async),
    "wait only": (wait_only, wait_only_async),
    "mixed": (mixed, mixed_async),
}


def around(node):
    """Let a node compute before its branches and wait after them."""
    node.prep = lambda shared: compute(0.01) or PLACES
    node.post = lambda shared, prep_res, exec_res: sleep(0.02)
    return node


def batch(load, executor):
    node = around(ParallelBatchNode(WORKERS[executor], executor))
    node.exec = LOADS[load][0]
    return node


class Coroutines(AsyncParallelBatchNode):
    def __init__(self, load):
        super().__init__(WORKERS["async"])
        self.load = load

    async def prep_async(self, shared):
        compute(0.01)
        return PLACES

    async def exec_async(self, place):
        await LOADS[self.load][1](place)

    async def post_async(self, shared, prep_res, exec_res):
        await sleep_async(0.02)


def run(node, **costs):
    with record(clock=VirtualClock(**costs)) as trace:
        if hasattr(node, "run_async"):
            asyncio.run(node.run_async({}))
        else:
            node.run({})
    return trace


def assert_agrees(trace, one_by_one):
    found = serial_estimate(trace)
    assert found.serial_s == pytest.approx(one_by_one.makespan_s, rel=ALLOWED)
    assert found.low_s <= found.serial_s <= found.high_s
    estimated, measured = summarize(trace), summarize(trace, serial=one_by_one)
    assert estimated.speedup == pytest.approx(measured.speedup, rel=ALLOWED)
    assert measured.speedup == one_by_one.makespan_s / trace.makespan_s


COSTS = {"start_up_s": {"process": 0.2, "thread": 0.01}, "dispatch_s": {"process": 0.005, "thread": 0.001}}
CLOCKS = [{}, {"cores": 2}, {"gil": False, "cores": 2}, {"gil": False, "cores": 4}, COSTS]


@pytest.mark.parametrize("clock", CLOCKS, ids=["usual", "two cores", "no GIL, two cores", "no GIL, four", "costs"])
@pytest.mark.parametrize("executor", WORKERS)
@pytest.mark.parametrize("load", LOADS)
def test_the_estimate_is_what_a_serial_run_takes(load, executor, clock):
    """Waiting for a core, starting workers and handing them branches are no part of it."""
    node = Coroutines(load) if executor == "async" else batch(load, executor)
    assert_agrees(run(node, **clock), run(batch(load, "serial"), **clock))


@pytest.mark.parametrize("executor", WORKERS)
@pytest.mark.parametrize("load", LOADS)
def test_it_is_nearly_that_where_only_sums_are_known(load, executor):
    trace = run(Coroutines(load) if executor == "async" else batch(load, executor))
    sums = Trace(replace(trace.columns, parts=PartTable()))
    assert serial_estimate(sums).serial_s == pytest.approx(run(batch(load, "serial")).makespan_s, rel=OF_SUMS)


def test_four_threads_that_only_compute_are_no_faster():
    node = ParallelBatchNode(4)
    node.prep, node.exec = lambda shared: [3.0] * 4, compute
    assert serial_estimate(run(node)) == Estimate(12.0, 12.0, 12.0)


# -- other shapes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("executor", ["thread", "process", "async"])
def test_a_pipeline_takes_the_work_of_all_stages_on_all_items(load, executor):
    def pipeline(executor, workers):
        plain, coroutine = LOADS[load]
        fn = coroutine if executor == "async" else plain
        stages = [Stage(name, _handing_on(fn), count, 2, executor=executor)
                  for name, count in zip(("read", "price", "store"), workers, strict=True)]  # fmt: skip
        node = PipelineNode(stages)
        node.prep, node.post = (lambda shared: PLACES), (lambda shared, prep_res, exec_res: compute(0.02))
        return node

    assert_agrees(run(pipeline(executor, (1, 3, 1))), run(pipeline("serial", (1, 1, 1))))


def _handing_on(fn):
    if inspect.iscoroutinefunction(fn):

        async def stage(place):
            await fn(place)
            return place + 1
    else:

        def stage(place):
            fn(place)
            return place + 1

    return stage


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_fan_out_takes_its_operations_added_up(load, executor):
    def fan_out(executor):
        return around(FanOutNode({f"do {place}": LOADS[load][0] for place in range(4)}, executor=executor))

    def node(executor):
        made = fan_out(executor)
        made.prep = lambda shared: compute(0.01) or 2
        return made

    assert_agrees(run(node(executor)), run(node("serial")))


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_map_reduce_takes_all_that_is_mapped_and_reduced(load, executor):
    def node(executor):
        def mapper(place):
            LOADS[load][0](place)
            return [(place % 3, place)]

        def reducer(key, values):
            LOADS[load][0](key)
            return sum(values)

        return around(MapReduceNode(mapper, reducer, max_workers=WORKERS[executor], executor=executor))

    assert_agrees(run(node(executor)), run(node("serial")))


@pytest.mark.parametrize("load", LOADS)
def test_calls_within_branches_are_serial_too(load):
    def node(executor):
        def exec_item(place):
            sleep(0.005)
            batch(load, executor).run({})

        outer = ParallelBatchNode(3, executor)
        outer.prep, outer.exec = (lambda shared: range(5)), exec_item
        return outer

    assert_agrees(run(node("thread")), run(node("serial")))


def test_what_branches_do_around_their_calls_is_serial_too():
    def node(executor, inner):
        def exec_item(place):
            compute(0.005)
            batch("mixed", inner).run({})
            compute(0.01)

        outer = ParallelBatchNode(3, executor)
        outer.prep, outer.exec = (lambda shared: range(5)), exec_item
        return outer

    for inner in ("thread", "serial"):
        assert_agrees(run(node("thread", inner)), run(node("serial", "serial")))


def test_graphs_that_run_at_once_are_added_up():
    class Wait(AsyncNode):
        async def prep_async(self, shared):
            compute(0.5)

        async def exec_async(self, prep_res):
            await sleep_async(0.5)

    async def both():
        await asyncio.gather(*(AsyncGraph(start=Wait()).run_async({}) for _ in range(2)))

    with record(clock="virtual") as trace:
        asyncio.run(both())
    assert serial_estimate(trace).serial_s == 2.0


# -- what holds branches up -----------------------------------------------------------------------------------------


def limited(executor, load, per_second):
    limit = RateLimit(per_second=per_second)

    def exec_item(place):
        with limit:
            load(place)

    node = ParallelBatchNode(WORKERS[executor], executor)
    node.prep, node.exec = (lambda shared: range(17)), exec_item
    return node


@pytest.mark.parametrize("per_second", [2, 5, 100])
def test_a_rate_limit_is_in_the_band(per_second):
    trace = run(limited("thread", wait_only, per_second))
    one_by_one = run(limited("serial", wait_only, per_second))
    found = serial_estimate(trace)
    assert found.low_s <= one_by_one.makespan_s <= found.high_s
    assert found.serial_s == pytest.approx(one_by_one.makespan_s, rel=OF_LIMITS)


def test_a_rate_limit_in_a_stage_is_told_from_a_full_queue():
    def pipeline(executor, workers):
        limit = RateLimit(per_second=5)

        def ask(place):
            with limit:
                wait_only(place)
            return place

        node = PipelineNode([Stage("ask", ask, workers, 2, executor=executor), _slow(executor)])
        node.prep = lambda shared: PLACES
        return node

    trace, one_by_one = run(pipeline("thread", 3)), run(pipeline("serial", 1))
    found = serial_estimate(trace)
    assert found.low_s <= one_by_one.makespan_s <= found.high_s
    assert found.serial_s == pytest.approx(one_by_one.makespan_s, rel=OF_LIMITS)


def _slow(executor):
    return Stage("store", lambda place: sleep(0.1) or place, 1, 1, executor=executor)


def test_nobody_waits_for_a_lock_in_a_serial_run():
    def locked(executor):
        lock = Lock()

        def exec_item(place):
            compute(0.01)
            with lock:
                sleep(0.05)

        node = ParallelBatchNode(WORKERS[executor], executor)
        node.prep, node.exec = (lambda shared: range(8)), exec_item
        return node

    assert_agrees(run(locked("thread")), run(locked("serial")))


def test_an_input_that_comes_slowly_is_waited_for():
    def node(executor):
        def prep(shared):
            for place in range(8):
                sleep(0.05)
                yield place

        made = ParallelBatchNode(WORKERS[executor], executor)
        made.prep, made.exec = prep, lambda place: sleep(0.2)
        return made

    assert_agrees(run(node("thread")), run(node("serial")))


# -- edges ----------------------------------------------------------------------------------------------------------


def test_an_empty_trace_takes_no_time():
    assert serial_estimate(make_trace()) == Estimate()


def test_a_run_without_branches_takes_as_long_as_it_did():
    phases = [bar(name, "main", at, at + 1, kind="phase") for at, name in enumerate(("prep", "exec", "post"))]
    assert serial_estimate(make_trace((bar("n", "main", 0, 3.5, kind="node"), phases))).serial_s == 3.5


def test_a_branch_that_was_given_up_counts_until_then():
    phases = [(bar("exec", "main", 0, 1, kind="phase", executor="thread", workers=1),
               [bar("slow", "t", 0, 10, status="abandoned")]),
              bar("post", "main", 1, 6, kind="phase")]  # fmt: skip
    assert serial_estimate(make_trace((bar("n", "main", 0, 6, kind="node"), phases))).serial_s == 6.0


def test_a_live_trace_counts_what_has_ended():
    clock = FakeClock()
    with record(clock=clock) as trace:
        with span("a"):
            clock.sleep(2)
        assert serial_estimate(trace).serial_s == 2.0


def test_ending_processes_is_no_part_of_it():
    call = bar("exec", "main", 0, 3, kind="phase", executor="process", workers=2)
    trace = make_trace((call, [bar("b", f"process-{n}", 1, 2, queued_s=1) for n in (1, 2)]))
    assert serial_estimate(trace).serial_s == 2.0


def test_every_run_has_an_estimate_in_its_band(any_run):
    @given(any_run)
    def check(trace):
        found = serial_estimate(trace)
        assert 0 <= found.low_s <= found.serial_s <= found.high_s

    check()


@given(st.integers(1, 4), st.integers(20, 60), st.integers(0, 3))
def test_of_many_branches_some_stand_for_all(calls, size, small):
    """Large calls by their first branches, small ones as a whole; waits and work alike, so that shares are exact."""

    def call(at, count):
        phase = bar("exec", "main", at, at + 0.1 * count, kind="phase", executor="thread", workers=1)
        bars = (bar("b", "thread-1", at + 0.1 * n, at + 0.1 * (n + 1), queued_s=0.1 * n, index=n) for n in range(count))
        return phase, list(bars)

    sizes, at, trees = [size] * calls + [1] * small, 0.0, []
    for count in sizes:
        trees.append(call(at, count))
        at += 0.1 * count + 1
    trace = make_trace(*trees)
    whole = serial_estimate(trace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serial, "MAX_BRANCHES", 10)
        patch.setattr(serial, "SAMPLE", 8)
        assert serial_estimate(trace).serial_s == pytest.approx(whole.serial_s, rel=1e-6)
