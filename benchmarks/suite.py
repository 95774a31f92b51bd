"""The time of the tests that a developer runs again and again.

Belongs here: ``make test-quick`` as a whole. Does not belong here: single tests.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import perf_counter

from benchmarks.harness import Measured, Scale, benchmark

ROOT = Path(__file__).resolve().parents[1]
BUDGET_S = 60.0


@benchmark(
    "tests of make test-quick", peer="a budget of 60 s", target=1.0, note="without processes, browser and notebooks"
)
def quick_tests(scale: Scale) -> Measured:
    """Measure the whole command; in a quick run only the start of pytest."""
    command = scale.pick(["make", "--no-print-directory", "test-quick"], [sys.executable, "-m", "pytest", "--version"])
    began = perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return Measured(perf_counter() - began, BUDGET_S)
