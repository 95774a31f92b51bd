"""The laws that bound what parallel workers can do, as small functions of plain numbers.

Belongs here: formulas with their sources. Does not belong here: reading the numbers off a trace (``summary``).

All of them hold for times that do not change with the number of workers: a real branch may get slower where many run at
once, because of the GIL, of memory or of a busy service. The universal scalability law is the one that models this.
"""

from __future__ import annotations

import math

from kaygraph_viz.base.checks import checked_number

LARGEST = 1e300


def amdahl_speedup(serial_share: float, workers: int) -> float:
    """Return the speedup of a fixed amount of work of which a part cannot be divided."""
    share = _share("serial_share", serial_share)
    return 1.0 / (share + (1.0 - share) / _workers(workers))


def amdahl_limit(serial_share: float) -> float:
    """Return the speedup that no number of workers can exceed: ``1 / s``, infinite where nothing is serial."""
    share = _share("serial_share", serial_share)
    return 1.0 / share if share else math.inf


def gustafson_speedup(serial_share: float, workers: int) -> float:
    """Return how many times as much work is done in the same time, where the work grows with the workers."""
    share, count = _share("serial_share", serial_share), _workers(workers)
    return share + (1.0 - share) * count


def least_makespan_s(work_s: float, critical_path_s: float, workers: int) -> float:
    """Return the makespan below which no schedule can get [s]."""
    return max(_seconds("work_s", work_s) / _workers(workers), _seconds("critical_path_s", critical_path_s))


def greedy_makespan_s(work_s: float, critical_path_s: float, workers: int) -> float:
    """Return the makespan that workers stay within if none is ever idle while something is ready [s]."""
    work, path = _seconds("work_s", work_s), _seconds("critical_path_s", critical_path_s)
    return path + max(0.0, work - path) / _workers(workers)


def graham_ratio(workers: int) -> float:
    """Return how many times as long as the best schedule a greedy one can take, at the very worst."""
    return 2.0 - 1.0 / _workers(workers)


def longest_first_ratio(workers: int) -> float:
    """Return how many times as long as the best schedule one that begins with the longest items takes, at the worst."""
    return 4.0 / 3.0 - 1.0 / (3.0 * _workers(workers))


def mean_concurrency(throughput_per_s: float, time_s: float) -> float:
    """Return how many items are in progress on average."""
    return _seconds("throughput_per_s", throughput_per_s) * _seconds("time_s", time_s)


def usl_speedup(workers: float, contention: float, crosstalk: float = 0.0) -> float:
    """Return the speedup where workers wait for something they share and have to agree with each other."""
    count, sigma, kappa = _workers(workers), _share("contention", contention), _seconds("crosstalk", crosstalk)
    return count / (1.0 + sigma * (count - 1.0) + kappa * count * (count - 1.0))


def usl_best_workers(contention: float, crosstalk: float) -> float:
    """Return the number of workers at which the speedup peaks; infinite where more never harm."""
    sigma, kappa = _share("contention", contention), _seconds("crosstalk", crosstalk)
    return max(1.0, math.sqrt((1.0 - sigma) / kappa)) if kappa else math.inf


def _workers(value: float) -> float:
    return checked_number("workers", value, 1, LARGEST, "workers=4", what="a number of workers")


def _share(name: str, value: float) -> float:
    return checked_number(name, value, 0, 1, f"{name}=0.1", what="a share")


def _seconds(name: str, value: float) -> float:
    return checked_number(name, value, 0, LARGEST, f"{name}=0.5")
