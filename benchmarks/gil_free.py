"""The error of `what_if` for threads whose code releases the GIL while it computes.

Belongs here: hashing, compression and NumPy in threads. Does not belong here: loads that wait, Python code and other
workers (``what_if``), whose comparison is used here, too.

Runs with two threads predict those with one, two, and one for each core. A run with one thread cannot tell whether its
code holds the GIL, so its band has to cover the time of two threads; the distance to the band is an error.
"""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, benchmark
from benchmarks.what_if import ALLOWED
from kaygraph_viz.analysis.what_if.what_if import WhatIf, what_if
from kaygraph_viz.base.machine import usable_cores
from kaygraph_viz.graph.node import Shared

RECORDED = 2
ITEMS = 24
COUNTS = tuple(count for count in (1, 2, 4) if count <= max(RECORDED, usable_cores()))


@dataclass(frozen=True, slots=True)
class Load:
    """The work of the branches of a row.

    Parameters
    ----------
    once
        A function that computes for some milliseconds.
    times
        The bounds of the number of its calls in a branch.
    """

    once: Callable[[], Any]
    times: tuple[int, int]


TEXT = random.Random(1).randbytes(1 << 20)
WORDS = b"the quick brown fox jumps over the lazy dog " * 20_000
NUMBERS = np.linspace(0, 1, 500_000)
LOADS = {
    "hashing": Load(lambda: hashlib.sha256(TEXT).digest(), (20, 40)),
    "compression": Load(lambda: zlib.compress(WORDS, 6), (4, 8)),
    "NumPy": Load(lambda: np.sqrt(np.exp(NUMBERS)).sum(), (5, 10)),
}


class _Branches(kv.ParallelBatchNode):
    load = LOADS["hashing"]

    def prep(self, shared: Shared) -> Any:
        return shared["items"]

    def exec(self, times: int) -> None:
        for _ in range(times):
            self.load.once()


def _recorded(load: Load, items: Sequence[int], workers: int) -> kv.Trace:
    node = _Branches(workers)
    node.load = load
    with kv.record() as trace:
        node.run({"items": items})
    return trace


def _compared(load: Load, scale: Scale) -> Measured:
    """Print predictions and measurements; return the worst error and the allowed one [%]."""
    rng, repeats = random.Random(7), scale.pick(5, 1)
    items = [rng.randint(*load.times) for _ in range(scale.pick(ITEMS, 6))]
    runs: dict[int, list[kv.Trace]] = {count: [] for count in COUNTS}
    for _ in range(repeats):
        for count, traces in runs.items():
            traces.append(_recorded(load, items, count))
    typical = {count: sorted(traces, key=lambda trace: trace.makespan_s) for count, traces in runs.items()}
    found = what_if(typical[RECORDED][repeats // 2], COUNTS)
    seconds = {count: median(trace.makespan_s for trace in traces) for count, traces in runs.items()}
    errors = [_error(found, count, seconds[count]) for count in COUNTS]
    missed = _outside(what_if(typical[1][repeats // 2], COUNTS), RECORDED, seconds[RECORDED])
    return Measured(max(*map(abs, errors), missed), ALLOWED)


def _error(found: WhatIf, count: int, measured_s: float) -> float:
    """Print and return the error of a prediction [%]."""
    error = 100 * (found.makespan_s[count] / measured_s - 1)
    predicted = f"predicted {found.makespan_s[count]:.3f} s, measured {measured_s:.3f} s"
    print(f"  with {count:>2}, from {RECORDED}: {predicted}, error {error:+.1f}%", flush=True)
    return error


def _outside(found: WhatIf, count: int, measured_s: float) -> float:
    """Print the band of a prediction, and return the distance of the measured time to it [%]."""
    low_s, high_s = found.low_s[count], found.high_s[count]
    predicted = f"predicted {low_s:.3f} to {high_s:.3f} s, measured {measured_s:.3f} s"
    print(f"  with {count:>2}, from 1: {predicted}", flush=True)
    return 100 * max(0.0, low_s / measured_s - 1, 1 - high_s / measured_s)


for _name, _load in LOADS.items():
    benchmark(
        f"what_if, {_name} in threads", peer="the 10% allowed", unit="%", target=1.0,
        note=f"the worst error of {', '.join(map(str, COUNTS))} threads, from a run with {RECORDED}",
    )(partial(_compared, _load))  # fmt: skip
