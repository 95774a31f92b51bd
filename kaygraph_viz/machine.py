"""The facts of this computer that decide what parallel workers can do: cores, Python, GIL.

Belongs here: reading them, and saying them in one line. Does not belong here: what follows from them for a run
(``analysis``) or for an executor (``execute``).
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass

__all__ = ["SIMULATED_CORES", "Machine", "this_machine", "usable_cores"]

SIMULATED_CORES = 4  # of the machine that a virtual clock stands for, whatever this one has


@dataclass(frozen=True)
class Machine:
    """What decides how many branches can compute at once.

    Parameters
    ----------
    cores
        On how many cores this program may run, 1 or more.
    python
        Name and version of the interpreter.
    has_gil
        Whether only one thread of a process computes at a time.

    Examples
    --------
    >>> print(Machine(4, "CPython 3.11", has_gil=True))
    4 cores; CPython 3.11 with a GIL: in each process one thread computes at a time
    >>> print(Machine(1, "CPython 3.14", has_gil=False))
    1 core; CPython 3.14 without a GIL: threads compute side by side
    """

    cores: int
    python: str
    has_gil: bool

    def __str__(self) -> str:
        cores = f"{self.cores:,} core{'s' if self.cores != 1 else ''}"
        if self.has_gil:
            return f"{cores}; {self.python} with a GIL: in each process one thread computes at a time"
        return f"{cores}; {self.python} without a GIL: threads compute side by side"


def this_machine() -> Machine:
    """Return the facts of the computer that runs this; ``print`` them beside what was measured.

    A measured speedup means little without them: two cores compute twice as fast at most, however many workers there
    are.

    Examples
    --------
    >>> this_machine().cores >= 1
    True
    """
    python = f"{platform.python_implementation()} {sys.version_info.major}.{sys.version_info.minor}"
    return Machine(usable_cores(), python, _has_gil())


def usable_cores() -> int:
    """Return on how many cores this program may run, which can be fewer than the computer has.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _has_gil() -> bool:
    """Return whether there is a lock around the interpreter: builds of Python without one exist from 3.13."""
    if platform.python_implementation() not in ("CPython", "PyPy"):
        return False
    enabled = getattr(sys, "_is_gil_enabled", None)
    return enabled is None or bool(enabled())
