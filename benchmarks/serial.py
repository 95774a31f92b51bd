"""The error of the estimated serial time of a parallel run, against a serial run.

Belongs here: estimates against measurements on the real clock. Does not belong here: simulated time, in which the two
are the same (the tests), and the time of an estimate (``analyses``).

Of each load, runs in parallel and serial runs take turns, three of each; the medians are compared. Each row prints the
estimated and the measured time of each load; its figure is the worst error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, benchmark
from benchmarks.what_if import ALLOWED, Load, items_of, recorded
from kaygraph_viz.base.machine import usable_cores

ITEMS, REPEATS = 60, 3
LOADS = {"compute only": ((0, 0), (5, 20)), "wait only": ((10, 30), (0, 0)), "mixed": ((10, 30), (2, 6))}
WORKERS = {"thread": 4, "process": usable_cores(), "async": 8}


def _compared(executor: str, scale: Scale) -> Measured:
    """Print estimates and measurements; return the worst error and the allowed one [%]."""
    errors = []
    for name, (waits_ms, computes_ms) in LOADS.items():
        load = Load(executor, scale.pick(ITEMS, 8), waits_ms, computes_ms)
        items = items_of(load, load.items)
        estimated, measured = [], []
        for _ in range(scale.pick(REPEATS, 1)):
            estimated.append(kv.summarize(recorded(executor, items, WORKERS[executor])).serial_s)
            measured.append(recorded("serial", items, 1).makespan_s)
        errors.append(100 * (median(estimated) / median(measured) - 1))
        print(
            f"  {name}: estimated {median(estimated):.3f} s, measured {median(measured):.3f} s "
            f"({min(measured):.3f} to {max(measured):.3f}), error {errors[-1]:+.1f}%",
            flush=True,
        )
    return Measured(max(map(abs, errors)), ALLOWED)


def _register(executor: str) -> Callable[[Scale], Measured]:
    row = benchmark(
        f"error of the estimated serial time, {executor}",
        peer="the 10% allowed", unit="%", target=1.0, note=f"the worst error of {', '.join(LOADS)}",
    )  # fmt: skip
    return row(partial(_compared, executor))


for _executor in WORKERS:
    _register(_executor)
