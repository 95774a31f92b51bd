"""The measurement of a ratio, the registry of the benchmarks, and their results.

Belongs here: measuring in turns, benchmarks and results in general. Does not belong here: the benchmarks themselves
(one module per subject) and the command line (``__main__``).

Ours and the peer take turns, A B A B, after one uncounted turn each, with the garbage collector run before every turn
and left on during it. The figure shown for each is its quiet median: the median of the faster half of its turns, since
other programs on the machine can only make a turn slower.
"""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from statistics import median
from typing import TypeVar

__all__ = [
    "SUBJECTS", "Benchmark", "Measured", "Result", "Scale", "alternate", "benchmark", "check_count", "in_subprocess",
    "measure", "per_call", "quiet_median", "registered", "seconds_of",
]  # fmt: skip

# The modules of the rows, in the order of the table: hot paths first, the slowest rows last.
SUBJECTS = (
    "recording", "sampling", "capture", "batches", "clusters", "map_reduce", "enrichment", "pipeline", "export",
    "pictures", "live_timeline", "page", "panels", "stopping", "virtual_clock", "what_if", "gil_free", "serial",
    "analyses", "memory", "imports", "suite",
)  # fmt: skip

HANGS_S = 600.0  # after which a program of a row counts as failed, so that the rows behind it are measured

T = TypeVar("T")
Turn = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of a run.

    Parameters
    ----------
    is_quick
        Whether the run only tests that the benchmarks work; its figures mean little.
    """

    is_quick: bool = False

    def pick(self, full: T, quick: T) -> T:
        """Return the value for this scale."""
        return quick if self.is_quick else full


@dataclass(frozen=True, slots=True)
class Measured:
    """Two figures in the same unit: ours and the peer's; less is better."""

    ours: float
    peer: float

    @property
    def ratio(self) -> float:
        """Ours divided by the peer's."""
        return self.ours / self.peer if self.peer else math.nan


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One row of the table.

    Parameters
    ----------
    name
        Its unique name.
    peer
        The peer that it is measured against.
    unit
        ``"s"``, ``"B"`` (bytes), ``"MB"``, ``"%"`` or ``"modules"``.
    target
        The largest good ratio, or None where the ratio is only informative.
    note
        Differences between both that a fair reader has to know.
    run
        A function that measures both.
    """

    name: str
    peer: str
    unit: str
    target: float | None
    note: str
    run: Callable[[Scale], Measured]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one benchmark; `measured` is None where it was skipped or failed, and `reason` says why."""

    benchmark: Benchmark
    measured: Measured | None
    reason: str = ""
    has_failed: bool = False

    @property
    def verdict(self) -> str:
        """The word in the table: ``ok``, ``over``, ``info`` (no target), ``skipped`` or ``failed``."""
        if self.measured is None:
            return "failed" if self.has_failed else "skipped"
        if self.benchmark.target is None:
            return "info"
        return "ok" if self.measured.ratio <= self.benchmark.target else "over"


_registry: dict[str, Benchmark] = {}


def benchmark(
    name: str, *, peer: str, unit: str = "s", target: float | None = None, note: str = ""
) -> Callable[[Callable[[Scale], Measured]], Callable[[Scale], Measured]]:
    """Add the decorated function to the benchmarks; the parameters are those of `Benchmark`.

    Raises
    ------
    ValueError
        If the name is taken.
    """

    def register(run: Callable[[Scale], Measured]) -> Callable[[Scale], Measured]:
        if name in _registry:
            raise ValueError(f"there are two benchmarks called {name!r}; give one another name")
        _registry[name] = Benchmark(name, peer, unit, target, note, run)
        return run

    return register


def registered() -> tuple[Benchmark, ...]:
    """Return all benchmarks in the order of `SUBJECTS` and of their definition."""
    for subject in SUBJECTS:
        import_module(f"benchmarks.{subject}")
    return tuple(_registry.values())


def measure(chosen: Benchmark, scale: Scale) -> Result:
    """Run one benchmark; it is skipped where its peer is not installed, and its error is kept where it fails."""
    try:
        return Result(chosen, chosen.run(scale))
    except ImportError as error:
        return Result(chosen, None, f"{error}; install the extra 'bench' for the peers")
    except Exception as error:  # the rows behind it are measured all the same
        return Result(chosen, None, _one_line(error), has_failed=True)


def _one_line(error: Exception) -> str:
    """Return what went wrong in one line: of a program that failed, the last line that it wrote.

    Examples
    --------
    >>> _one_line(AssertionError("ten, nine came back"))
    'AssertionError: ten, nine came back'
    """
    if isinstance(error, subprocess.CalledProcessError):
        said = (error.stderr or "").strip().splitlines()
        return f"exit code {error.returncode}" + (f", {said[-1]}" if said else "")
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it had not ended after {error.timeout:g} s"
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def alternate(ours: Turn, peer: Turn, turns: int) -> Measured:
    """Measure both in turns and return the quiet median of each.

    Parameters
    ----------
    ours, peer
        Functions that make one turn and return its cost, in one unit.
    turns
        The number of turns that count, 1 or more; there is one more of each to warm up.
    """
    costs: tuple[list[float], list[float]] = ([], [])
    for _ in range(turns + 1):
        for kept, turn in zip(costs, (ours, peer), strict=True):
            gc.collect()
            kept.append(turn())
    return Measured(*(quiet_median(kept[1:]) for kept in costs))


def quiet_median(costs: Sequence[float]) -> float:
    """Return the median of the lower half of `costs`, the middle one included.

    Examples
    --------
    >>> quiet_median([5.0, 1.0, 9.0, 2.0, 3.0])
    2.0
    """
    return median(sorted(costs)[: (len(costs) + 1) // 2])


def per_call(work: Callable[[], object], calls: int) -> float:
    """Return the time that ``work()`` took, for each of its `calls` [s]."""
    return seconds_of(work) / calls


def seconds_of(run: Callable[[], object]) -> float:
    """Return the time that ``run()`` took [s]."""
    started = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - started) / 1e9


def check_count(found: int, expected: int) -> None:
    """Raise an error unless all items or spans came back, since else the comparison means nothing."""
    if found != expected:
        raise AssertionError(f"there were {expected:,}, {found:,} came back: the comparison means nothing")


def in_subprocess(program: str, *arguments: object) -> list[float]:
    """Run `program` in a fresh interpreter and return the numbers that it prints.

    Parameters
    ----------
    program
        The source of a Python program.
    *arguments
        Its ``sys.argv[1:]``.

    Raises
    ------
    subprocess.CalledProcessError
        If the program fails.
    subprocess.TimeoutExpired
        If it does not end.
    """
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANGS_S)
    return [float(word) for word in done.stdout.split()]
