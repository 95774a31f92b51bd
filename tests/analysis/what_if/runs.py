"""Runs in simulated time, with any number of workers: the truth with which predictions are compared."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from kaygraph_viz.analysis.what_if.engine import simulate
from kaygraph_viz.analysis.what_if.model import read_model
from kaygraph_viz.analysis.what_if.tasks import CALL, CallSpec
from kaygraph_viz.clock.clock import compute, sleep, sleep_async
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.graph.batch import AsyncParallelBatchNode, ParallelBatchNode
from kaygraph_viz.graph.fan_out import FanOutNode
from kaygraph_viz.graph.graph import Graph, ParallelBatchGraph
from kaygraph_viz.graph.map_reduce import MapReduceNode
from kaygraph_viz.graph.pipeline import PipelineNode
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.columns import PartTable
from kaygraph_viz.trace.nesting import Nesting
from kaygraph_viz.trace.trace import Trace

COUNTS = [1, 2, 3, 4, 8]


def call(end, *branches, start=0, workers=1, executor="thread"):
    return (bar("exec", "main", start, end, kind="phase", executor=executor, workers=workers), list(branches))


def model_of(trace):
    return read_model(Nesting.of(trace.columns))


def one_after_the_other(count=4, **facts):
    """Return a run of one worker with so many branches of a second each."""
    bars = [bar("b", "thread-1", number, number + 1, queued_s=number, index=number, **facts) for number in range(count)]
    return make_trace(call(count, *bars))


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


def wait_and_compute(place):
    sleep(0.03 * (place % 4 + 1))
    compute(0.004 * (place % 3 + 1))


def without_parts(trace):
    """Return the same run as if nobody had noted what branches did when."""
    return Trace(replace(trace.columns, parts=PartTable()), machine=trace.machine)


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


RUNS = [
    waiting, computing, computing_then_waiting, processes, coroutines, different_operations, static_chunks,
    a_slow_input, trying_again, map_and_reduce, calls_within_branches, stages,
]  # fmt: skip


MS = 1_000_000


def played(branches, workers, kind="thread", cores=None, **facts):
    spec = CallSpec(range(len(branches)), workers, kind, **facts)
    return simulate([(CALL, [spec])], len(branches), branches.__getitem__, cores=cores)
