"""Pipelines: against their slowest stage alone, against threads and queues by hand, and the memory of an endless one.

Belongs here: whole pipelines, from the source to the last result. Does not belong here: single items (``batches``).

A pipeline cannot be faster than its slowest stage. That stage alone is the peer: the same function on the same number
of workers of the same kind, which are never idle.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, alternate, benchmark, in_subprocess
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.execute.pipeline.stages import Stage

EXTRACT_S, CHECK_S, ENRICH_S, LOAD_S = 0.0005, 0.001, 0.008, 0.001
ENRICHERS, ROOM = 4, 8
COMPUTE_S = 0.005
ITEMS = 100_000
WARM = 10_000
REFERENCE_B = 8.0

ENDLESS = """
import gc, itertools, sys, tracemalloc
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.execute.pipeline.stages import Stage

def double(x):
    return 2 * x

def odd_ones_fail(x):
    if x % 1000 == 999:
        raise ValueError(x)
    return x

warm, items = map(int, sys.argv[1:])
stages = [Stage("a", odd_ones_fail, workers=2), Stage("b", double, workers=2), Stage("c", double)]

def source():
    for x in itertools.count():
        yield x, "x" * 1000

stages.insert(0, Stage("first", lambda pair: pair[0], workers=2))
with PipelineRun(stages, source()) as run:
    for done, _ in enumerate(run, 1):
        if done == warm:
            gc.collect()
            tracemalloc.start()
        if done == items:
            gc.collect()
            held, peak = tracemalloc.get_traced_memory()
            break
print(max(1, held) / (items - warm), peak)
"""


def extract(number: int) -> int:
    time.sleep(EXTRACT_S)
    return number


def check(number: int) -> int:
    time.sleep(CHECK_S)
    return number


def enrich(number: int) -> int:
    time.sleep(ENRICH_S)
    return number


def load(number: int) -> int:
    time.sleep(LOAD_S)
    return number


def compute(number: int) -> int:
    kv.compute(COMPUTE_S)
    return number


def same(number: int) -> int:
    return number


@benchmark(
    "pipeline of 4 stages / its slowest alone", peer="the slowest stage over the same items with imap", target=1 / 0.9,
    note="waits of 0.5, 1, 8 and 1 ms, the third one on 4 threads: filling and emptying the pipeline count as well",
)  # fmt: skip
def waiting_stages(scale: Scale) -> Measured:
    """Measure four stages that wait against the slowest of them."""
    count = scale.pick(400, 8)
    stages = [Stage("extract", extract), Stage("check", check), Stage("enrich", enrich, ENRICHERS), Stage("load", load)]
    with kv.get_executor("thread", ENRICHERS) as executor:
        return alternate(
            lambda: _timed(lambda: _through(stages, count), count),
            lambda: _timed(lambda: [outcome.value for outcome in executor.imap(enrich, range(count))], count),
            scale.pick(5, 1),
        )


@benchmark(
    "pipeline with 2 processes / slowest alone", peer="the slowest stage over the same items with imap",
    target=1 / 0.9, note="5 ms of CPU on 2 processes, between two stages of threads; needs two free cores",
)  # fmt: skip
def computing_stages(scale: Scale) -> Measured:
    """Measure a stage that computes, between two that wait, against that stage alone; processes start within both."""
    count = scale.pick(400, 4)
    stages = [Stage("check", check), Stage("compute", compute, 2, executor="process"), Stage("load", load)]
    return alternate(
        lambda: _timed(lambda: _through(stages, count), count),
        lambda: _timed(lambda: _alone(count), count),
        scale.pick(5, 1),
    )


@benchmark(
    "item of a pipeline without work / queues", peer="three threads and bounded queue.Queue, by hand",
    note="three stages that do nothing; the peer has no errors, order, stopping or statistics",
)  # fmt: skip
def queues_alone(scale: Scale) -> Measured:
    """Measure the cost of three stages that do nothing against queues of the standard library."""
    count = scale.pick(20_000, 50)
    stages = [Stage(name, same, buffer=ROOM) for name in "abc"]
    return alternate(
        lambda: _timed(lambda: _through(stages, count), count) / count,
        lambda: _timed(lambda: _by_hand([same] * 3, count), count) / count,
        scale.pick(5, 1),
    )


@benchmark(
    "endless source, memory of an item", peer="a budget of 8 bytes: one reference", unit="B", target=1.0,
    note="allocated at 100,000 items and not at 10,000, by four stages with queues and dead letters",
)  # fmt: skip
def endless_source(scale: Scale) -> Measured:
    """Measure the growth of memory of a pipeline on an endless source in 100,000 items."""
    kept, _ = in_subprocess(ENDLESS, scale.pick(WARM, 200), scale.pick(ITEMS, 2_000))
    return Measured(kept, REFERENCE_B)


def _through(stages: Sequence[Stage], count: int) -> list[Any]:
    with PipelineRun(stages, range(count)) as run:
        return [outcome.value for outcome in run]


def _alone(count: int) -> list[Any]:
    with kv.get_executor("process", 2) as executor:
        return [outcome.value for outcome in executor.imap(compute, range(count))]


def _by_hand(functions: Sequence[Callable[[int], int]], count: int) -> list[int]:
    queues: list[queue.Queue[int | None]] = [queue.Queue(ROOM) for _ in range(len(functions) + 1)]

    def give() -> None:
        for number in range(count):
            queues[0].put(number)
        queues[0].put(None)

    def work(at: int) -> None:
        while (number := queues[at].get()) is not None:
            queues[at + 1].put(functions[at](number))
        queues[at + 1].put(None)

    threads = [
        threading.Thread(target=give),
        *(threading.Thread(target=work, args=(at,)) for at in range(len(functions))),
    ]
    for thread in threads:
        thread.start()
    found = list(iter(queues[-1].get, None))
    for thread in threads:
        thread.join()
    return found


def _timed(run: Callable[[], list[Any]], count: int) -> float:
    started = time.perf_counter_ns()
    found = run()
    took = (time.perf_counter_ns() - started) / 1e9
    if found != list(range(count)):
        raise AssertionError("an item was lost, came twice or out of order")
    return took
