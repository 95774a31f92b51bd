"""The facts of a computer that limit parallel workers: cores, Python, GIL.

Belongs here: reading those of this one, describing them in one line, and what a browser tab has not. Does not belong
here: what follows from them for a run (``analysis``) or for an executor (``execute``).
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kaygraph_viz.base.texts import one_line

MAX_CORES = 1 << 20  # a file may claim anything
SIMULATED = "simulated Python"  # the interpreter of virtual clocks
SIMULATED_CORES = 4  # default of a virtual clock, so that a run is the same on every machine


@dataclass(frozen=True)
class Machine:
    """A computer, as far as it decides how many branches can compute at once."""

    cores: int | None
    python: str
    has_gil: bool

    @property
    def is_simulated(self) -> bool:
        """Whether it is that of a virtual clock, on which the same run always takes the same time."""
        return self.python == SIMULATED

    def as_fields(self) -> Mapping[str, Any]:
        """Return the fields as plain values by name, as `machine_from` reads them."""
        return asdict(self)

    def __str__(self) -> str:
        count = "any number of" if self.cores is None else f"{self.cores:,}"
        cores = f"{count} core{'s' if self.cores != 1 else ''}"
        if self.has_gil:
            return f"{cores}; {self.python} with a GIL: in each process, one thread at a time runs Python code"
        return f"{cores}; {self.python} without a GIL: threads compute side by side"


def this_machine() -> Machine:
    """Return the facts of this computer; ``print`` them beside what was measured.

    A measured speedup means little without them: two cores compute twice as fast at most, however many workers there
    are.

    Examples
    --------
    >>> this_machine().cores >= 1
    True
    """
    python = f"{platform.python_implementation()} {sys.version_info.major}.{sys.version_info.minor}"
    return Machine(usable_cores(), python, _has_gil())


def machine_from(fields: Any) -> Machine | None:
    """Return the machine with the fields that a file has; None if they are not valid."""
    if not isinstance(fields, Mapping):
        return None
    cores, python, has_gil = (fields.get(name) for name in ("cores", "python", "has_gil"))
    is_count = cores is None or (type(cores) is int and 1 <= cores <= MAX_CORES)
    if not is_count or not isinstance(python, str) or not isinstance(has_gil, bool):
        return None
    return Machine(cores, one_line(python, 100), has_gil)


def usable_cores() -> int:
    """Return the number of cores on which this program may run, which can be fewer than the computer has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_threads() -> bool:
    """Return whether threads, processes and connections are possible here: not for Python in a browser tab."""
    return sys.platform not in ("emscripten", "wasi")


# The CPU time of the calling thread [ns]. A browser tab has no such clock: there a wait uses the CPU, too.
thread_cpu_ns: Callable[[], int] = getattr(time, "thread_time_ns", time.perf_counter_ns)


def _has_gil() -> bool:
    """Return whether this interpreter has a GIL: builds of Python without one exist from 3.13."""
    if platform.python_implementation() not in ("CPython", "PyPy"):
        return False
    enabled = getattr(sys, "_is_gil_enabled", None)
    return enabled is None or bool(enabled())
