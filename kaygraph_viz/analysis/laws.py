"""The laws that bound what parallel workers can do, as small functions of plain numbers.

Belongs here: formulas with their sources. Does not belong here: reading the numbers off a trace (``summary``).

All of them hold for times that do not change with the number of workers: a real branch may get slower where many run at
once, because of the GIL, of memory or of a busy service. The universal scalability law is the one that models this.
"""

from __future__ import annotations

import math

from kaygraph_viz.checks import checked_number

__all__ = [
    "amdahl_limit",
    "amdahl_speedup",
    "graham_ratio",
    "greedy_makespan_s",
    "gustafson_speedup",
    "least_makespan_s",
    "longest_first_ratio",
    "mean_concurrency",
    "usl_best_workers",
    "usl_speedup",
]

LARGEST = 1e300


def amdahl_speedup(serial_share: float, workers: int) -> float:
    """Return the speedup of a fixed amount of work of which a part cannot be divided.

    Parameters
    ----------
    serial_share
        The part of the work that only one worker can do, from 0 to 1.
    workers
        How many there are, 1 or more.

    Returns
    -------
    float
        From 1 to `workers`.

    Raises
    ------
    OptionError
        If an argument is out of its range.

    Notes
    -----
    ``S(P) = 1 / (s + (1 - s) / P)`` for a serial share s and P workers (Amdahl 1967, "Validity of the single processor
    approach to achieving large scale computing capabilities").

    Examples
    --------
    >>> amdahl_speedup(0.1, 4), round(amdahl_speedup(0.1, 1000), 2)
    (3.0769230769230766, 9.91)
    """
    share = _share("serial_share", serial_share)
    return 1.0 / (share + (1.0 - share) / _workers(workers))


def amdahl_limit(serial_share: float) -> float:
    """Return the speedup that no number of workers can exceed: ``1 / s``, infinite where nothing is serial.

    Examples
    --------
    >>> amdahl_limit(0.1)
    10.0
    """
    share = _share("serial_share", serial_share)
    return 1.0 / share if share else math.inf


def gustafson_speedup(serial_share: float, workers: int) -> float:
    """Return how many times as much work is done in the same time, where the work grows with the workers.

    Parameters
    ----------
    serial_share
        The part of the time of the *parallel* run in which only one worker works, from 0 to 1.
    workers
        How many there are, 1 or more.

    Returns
    -------
    float
        From 1 to `workers`.

    Raises
    ------
    OptionError
        If an argument is out of its range.

    Notes
    -----
    ``S(P) = s + (1 - s) P`` for a serial share s and P workers (Gustafson 1988, "Reevaluating Amdahl's law"). Amdahl
    asks how much sooner the same work is done, Gustafson how much more is done in the same time.

    Examples
    --------
    >>> round(gustafson_speedup(0.1, 4), 2), round(gustafson_speedup(0.1, 1000), 1)
    (3.7, 900.1)
    """
    share, count = _share("serial_share", serial_share), _workers(workers)
    return share + (1.0 - share) * count


def least_makespan_s(work_s: float, critical_path_s: float, workers: int) -> float:
    """Return the makespan below which no schedule can get [s].

    Parameters
    ----------
    work_s
        The service times of all units of work, added up [s], 0 or more.
    critical_path_s
        The longest dependency chain [s], 0 or more.
    workers
        How many there are, 1 or more.

    Raises
    ------
    OptionError
        If an argument is out of its range.

    Notes
    -----
    ``T >= max(W / P, L)``: the work law, since P workers do at most P seconds of work in a second, and the law of the
    critical path, since what depends on each other cannot overlap (Graham 1969, Brent 1974).

    Examples
    --------
    >>> least_makespan_s(work_s=8.0, critical_path_s=3.0, workers=4), least_makespan_s(8.0, 3.0, workers=2)
    (3.0, 4.0)
    """
    return max(_seconds("work_s", work_s) / _workers(workers), _seconds("critical_path_s", critical_path_s))


def greedy_makespan_s(work_s: float, critical_path_s: float, workers: int) -> float:
    """Return the makespan that workers stay within if none is ever idle while something is ready [s].

    It is the promise of a plain queue: whatever the order of the items, no worse than this.

    Parameters
    ----------
    work_s, critical_path_s, workers
        As for `least_makespan_s`.

    Raises
    ------
    OptionError
        If an argument is out of its range.

    Notes
    -----
    ``T <= L + (W - L) / P``. At each moment either all P workers are busy, or everything that is ready is running and
    the critical path gets shorter (Brent 1974, "The parallel evaluation of general arithmetic expressions"; Graham 1969
    for the same bound on lists of tasks).

    Examples
    --------
    >>> greedy_makespan_s(work_s=8.0, critical_path_s=3.0, workers=4)
    4.25
    """
    work, path = _seconds("work_s", work_s), _seconds("critical_path_s", critical_path_s)
    return path + max(0.0, work - path) / _workers(workers)


def graham_ratio(workers: int) -> float:
    """Return how many times as long as the best schedule a greedy one can take, at the very worst.

    Parameters
    ----------
    workers
        How many there are, 1 or more.

    Raises
    ------
    OptionError
        If `workers` is out of its range.

    Notes
    -----
    ``2 - 1 / P`` (Graham 1969, "Bounds on multiprocessing timing anomalies"): one long item that is started last. It
    follows from `greedy_makespan_s` and `least_makespan_s`.

    Examples
    --------
    >>> graham_ratio(1), graham_ratio(4)
    (1.0, 1.75)
    """
    return 2.0 - 1.0 / _workers(workers)


def longest_first_ratio(workers: int) -> float:
    """Return how many times as long as the best schedule one that begins with the longest items takes, at the worst.

    Parameters
    ----------
    workers
        How many there are, 1 or more.

    Raises
    ------
    OptionError
        If `workers` is below 1.

    Notes
    -----
    ``4/3 - 1/(3 P)`` (Graham 1969, "Bounds on multiprocessing timing anomalies"). Two workers reach it with independent
    items that take 3, 3, 2, 2 and 2: 7 instead of 6.

    Examples
    --------
    >>> round(6 * longest_first_ratio(2))
    7
    """
    return 4.0 / 3.0 - 1.0 / (3.0 * _workers(workers))


def mean_concurrency(throughput_per_s: float, time_s: float) -> float:
    """Return how many items are in progress on average.

    Parameters
    ----------
    throughput_per_s
        Items that are finished in a second, 0 or more.
    time_s
        How long one is in progress on average [s], 0 or more; with the queue wait, where those that wait count.

    Raises
    ------
    OptionError
        If an argument is out of its range.

    Notes
    -----
    ``L = lambda W`` for anything that items enter and leave again, whatever happens inside (Little 1961, "A proof for
    the queuing formula: L = lambda W"). Read it the other way round to size a pool: 200 requests a second that take
    50 ms each keep ten workers busy.

    Examples
    --------
    >>> mean_concurrency(200, 0.05)
    10.0
    """
    return _seconds("throughput_per_s", throughput_per_s) * _seconds("time_s", time_s)


def usl_speedup(workers: float, contention: float, crosstalk: float = 0.0) -> float:
    """Return the speedup where workers wait for something they share and have to agree with each other.

    Parameters
    ----------
    workers
        How many there are, 1 or more.
    contention
        The share of the time spent in a queue for what only one can have: a lock, the GIL; from 0 to 1.
    crosstalk
        The time each pair of workers costs for keeping in step, as a share; 0 or more.

    Raises
    ------
    OptionError
        If an argument is out of its range.

    Notes
    -----
    ``C(N) = N / (1 + sigma (N - 1) + kappa N (N - 1))``, the universal scalability law (Gunther 1993 and "Guerrilla
    capacity planning", 2007). With kappa = 0 it is Amdahl's law; with kappa > 0 it has a peak: more workers make it
    slower.

    Examples
    --------
    >>> usl_speedup(4, 0.1) == amdahl_speedup(0.1, 4), round(usl_speedup(32, 0.05, 0.002), 1)
    (True, 7.1)
    """
    count, sigma, kappa = _workers(workers), _share("contention", contention), _seconds("crosstalk", crosstalk)
    return count / (1.0 + sigma * (count - 1.0) + kappa * count * (count - 1.0))


def usl_best_workers(contention: float, crosstalk: float) -> float:
    """Return the number of workers at which the speedup peaks; infinite where more never harm.

    Parameters
    ----------
    contention, crosstalk
        As for `usl_speedup`.

    Raises
    ------
    OptionError
        If an argument is out of its range.

    Notes
    -----
    ``N* = sqrt((1 - sigma) / kappa)``, at least 1 (Gunther 2007).

    Examples
    --------
    >>> round(usl_best_workers(0.05, 0.002), 1)
    21.8
    """
    sigma, kappa = _share("contention", contention), _seconds("crosstalk", crosstalk)
    return max(1.0, math.sqrt((1.0 - sigma) / kappa)) if kappa else math.inf


def _workers(value: float) -> float:
    return checked_number("workers", value, 1, LARGEST, "workers=4", what="a number of workers")


def _share(name: str, value: float) -> float:
    return checked_number(name, value, 0, 1, f"{name}=0.1", what="a share")


def _seconds(name: str, value: float) -> float:
    return checked_number(name, value, 0, LARGEST, f"{name}=0.5")
