"""The error of simulated time against real time: the same programs, with the same declared costs, under both clocks.

Belongs here: the error of the predicted makespan. Does not belong here: the overhead of simulated time, and whether it
is the same every time, which the tests say.

``python -m benchmarks.virtual_clock`` prints a table of predicted and measured makespans. Rows that compute need an
idle machine: their costs are CPU time, which takes longer where other programs use the cores.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, benchmark, quiet_median, seconds_of
from kaygraph_viz.base.machine import usable_cores

ITEMS = 24
REPEATS = 7
TOLERANCE = 0.10
PEER = "a tenth of the measured makespan"
CORES = usable_cores()


@dataclass(frozen=True)
class Program:
    """A batch of items on some workers of a kind; each waits and computes.

    Parameters
    ----------
    kind, workers
        The executor.
    wait_s, compute_s
        The shortest wait and CPU time of an item [s]; those of other items are two and three times as long.
    """

    kind: str
    workers: int
    wait_s: float
    compute_s: float

    def run(self, executor: Any, items: int) -> None:
        """Run the batch on an open executor."""
        function = partial(_cost_async if self.kind == "async" else _cost, self.wait_s, self.compute_s)
        for _ in executor.imap(function, range(items)):
            pass

    def predicted_s(self, items: int = ITEMS) -> float:
        """Return the makespan in simulated time [s]."""
        clock = kv.VirtualClock(cores=CORES)
        with clock, kv.get_executor(self.kind, self.workers) as executor:
            self.run(executor, items)
            return clock.now_ns() / 1e9

    def measured_s(self, items: int = ITEMS, repeats: int = REPEATS) -> float:
        """Return the makespan of quiet real runs on workers that are running already [s]."""
        with kv.get_executor(self.kind, self.workers) as executor:
            self.run(executor, 2 * self.workers)
            return quiet_median([seconds_of(lambda: self.run(executor, items)) for _ in range(repeats)])


def _cost(wait_s: float, compute_s: float, item: int) -> None:
    kv.sleep(wait_s * (1 + item % 3))
    kv.compute(compute_s * (1 + item % 2))


async def _cost_async(wait_s: float, compute_s: float, item: int) -> None:
    await kv.sleep_async(wait_s * (1 + item % 3))
    kv.compute(compute_s * (1 + item % 2))


PROGRAMS = {
    "4 threads wait": Program("thread", 4, 0.02, 0.0),
    "4 threads wait and compute": Program("thread", 4, 0.02, 0.01),
    "2 processes wait": Program("process", 2, 0.02, 0.0),
    "2 processes wait and compute": Program("process", 2, 0.02, 0.01),
    "8 coroutines wait": Program("async", 8, 0.02, 0.0),
    "8 coroutines wait and compute": Program("async", 8, 0.02, 0.01),
}


def _error(program: Program, scale: Scale) -> Measured:
    """Return the error of the prediction and the allowed one [s]."""
    items = scale.pick(ITEMS, 2)
    measured = program.measured_s(items, scale.pick(REPEATS, 1))
    return Measured(abs(program.predicted_s(items) - measured), TOLERANCE * measured)


for _name, _program in PROGRAMS.items():
    _note = "needs free cores" if _program.compute_s else ""
    benchmark(f"error of prediction, {_name}", peer=PEER, target=1.0, note=_note)(partial(_error, _program))


def main() -> int:
    """Print predicted and measured makespans; return 1 if one is off by more than a tenth."""
    print(f"{'':36}predicted  measured  error")
    worst = 0.0
    for name, program in PROGRAMS.items():
        predicted, measured = program.predicted_s(), program.measured_s()
        error = predicted / measured - 1
        worst = max(worst, abs(error))
        print(f"{name:36}{predicted:7.3f} s {measured:7.3f} s {error:+6.1%}", flush=True)
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
