"""The error of `what_if`: the makespans that one run predicts for other numbers of workers, against real runs.

Belongs here: predictions against measurements. Does not belong here: the time of `what_if` (``analyses``), and runs in
simulated time, where the two are the same (the tests).

In each of fifteen rounds, a run with four workers is recorded and predicts the runs of the same round with other
numbers of workers: a machine that others share is a third faster or slower from one minute to the next, and a
prediction cannot know that. The error for a number of workers is the median of the rounds. Each row prints what was
predicted and measured for each number; its figure is the worst error.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, benchmark
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.base.machine import usable_cores
from kaygraph_viz.graph.node import Shared

RECORDED = 4
REPEATS = 15
ROUNDS_PER_MS = 30_000  # of the loop below, more or less
ALLOWED = 10.0  # percent

Item = tuple[float, int]  # how long it waits [s], how many rounds it computes


@dataclass(frozen=True, slots=True)
class Load:
    """The branches of a row.

    Parameters
    ----------
    executor
        The kind of their workers, or of a pool of the standard library that is captured.
    items
        The number of branches.
    waits_ms, computes_ms
        The bounds of their waits and, approximately, of their CPU times [ms].
    counts
        The numbers of workers to predict.
    """

    executor: str
    items: int
    waits_ms: tuple[float, float]
    computes_ms: tuple[float, float]
    counts: tuple[int, ...] = (1, 2, 8, 16)


AT_MOST_CORES = tuple(n for n in (1, 2, 8, 16) if n <= usable_cores())
POOLS = {"captured threads": ThreadPoolExecutor, "captured processes": ProcessPoolExecutor}
LOADS = {
    "waiting threads": Load("thread", 120, (10, 30), (0, 0)),
    "computing threads": Load("thread", 80, (0, 0), (5, 20)),
    "mixed threads": Load("thread", 120, (10, 30), (2, 6)),
    "processes": Load("process", 80, (0, 0), (10, 30), AT_MOST_CORES),
    "coroutines": Load("async", 120, (10, 30), (1, 3)),
    "captured waiting threads": Load("captured threads", 120, (10, 30), (0, 0)),
    "captured mixed threads": Load("captured threads", 120, (10, 30), (2, 6)),
    "captured computing threads": Load("captured threads", 80, (0, 0), (5, 20)),
    "captured processes": Load("captured processes", 80, (0, 0), (10, 30), AT_MOST_CORES),
}


def _compared(load: Load, scale: Scale) -> Measured:
    """Print predictions and measurements; return the worst error and the allowed one [%]."""
    items = items_of(load, scale.pick(load.items, 8))
    counts, repeats = scale.pick(load.counts, load.counts[:2]), scale.pick(REPEATS, 1)
    rounds = [_round(load.executor, items, counts) for _ in range(repeats)]
    errors = []
    for count in counts:
        predicted, measured = zip(*(found[count] for found in rounds), strict=True)
        errors.append(100 * median(guess / real - 1 for guess, real in zip(predicted, measured, strict=True)))
        real = f"measured {median(measured):.3f} s ({min(measured):.3f} to {max(measured):.3f})"
        print(f"  with {count:>2}: predicted {median(predicted):.3f} s, {real}, error {errors[-1]:+.1f}%", flush=True)
    return Measured(max(map(abs, errors)), ALLOWED)


def _round(executor: str, items: Sequence[Item], counts: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Return what one recorded run predicts for each number of workers, and what a run right after it takes [s]."""
    predicted = what_if(recorded(executor, items, RECORDED), counts).makespan_s
    return {count: (predicted[count], recorded(executor, items, count).makespan_s) for count in counts}


def items_of(load: Load, count: int) -> list[Item]:
    rng = random.Random(7)
    return [
        (rng.uniform(*load.waits_ms) / 1e3, round(rng.uniform(*load.computes_ms) * ROUNDS_PER_MS)) for _ in range(count)
    ]


def recorded(executor: str, items: Sequence[Item], workers: int) -> kv.Trace:
    """Return the trace of one real run."""
    if executor in POOLS:
        with POOLS[executor](workers) as pool:
            list(pool.map(_nothing, range(2 * workers)))  # starts the workers
            with kv.record(capture="futures") as trace:
                list(pool.map(_do, items))
    elif executor == "async":
        with kv.record() as trace:
            asyncio.run(_Coroutines(workers).run_async({"items": items}))
    else:
        with kv.record() as trace:
            _Branches(workers, executor).run({"items": items})
    return trace


class _Branches(kv.ParallelBatchNode):
    def prep(self, shared: Shared) -> Any:
        return shared["items"]

    def exec(self, item: Item) -> int:
        return _do(item)


class _Coroutines(kv.AsyncParallelBatchNode):
    async def prep_async(self, shared: Shared) -> Any:
        return shared["items"]

    async def exec_async(self, item: Item) -> int:
        await asyncio.sleep(item[0])
        return _compute(item[1])


def _do(item: Item) -> int:
    if item[0]:
        time.sleep(item[0])
    return _compute(item[1])


def _nothing(_: object) -> None:
    """Do nothing, in a worker that starts."""


def _compute(rounds: int) -> int:
    value = 1
    for _ in range(rounds):
        value = value * 31 % 1_000_003
    return value


def _register(name: str, load: Load) -> Callable[[Scale], Measured]:
    counts = "1, 2, 8 and 16 workers" if load.counts is not AT_MOST_CORES else "1 worker and 1 for each core"
    row = benchmark(
        f"what_if, {name}", peer="the 10% allowed", unit="%", target=1.0, note=f"the worst error of {counts}"
    )
    return row(partial(_compared, load))


for _name, _load in LOADS.items():
    _register(_name, _load)
