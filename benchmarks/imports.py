"""The time of importing the package, and the modules that it loads.

Belongs here: import times and loaded modules, each in a fresh interpreter. Does not belong here: anything after it.
"""

from __future__ import annotations

from benchmarks.harness import Measured, Scale, alternate, benchmark, in_subprocess

HEAVY = ("matplotlib", "ipywidgets", "pandas", "dask", "distributed")

OURS = "import kaygraph_viz"
RECORDING = "from kaygraph_viz import Graph, ParallelBatchNode, record, span"
NUMPY = "import numpy"

LOADED = f"""
{OURS}
{RECORDING}
import sys
print(sum(name in sys.modules for name in sys.argv[1:]))
"""

TIMED = """
from time import perf_counter
started = perf_counter()
{}
print(perf_counter() - started)
"""


@benchmark(
    "heavy modules loaded by the import",
    peer="matplotlib, ipywidgets, pandas, dask, distributed",
    unit="modules",
    target=0.0,
    note="also after the names for recording and graphs were used",
)
def heavy_modules(scale: Scale) -> Measured:
    """Count those of `HEAVY` that are loaded after the import."""
    (loaded,) = in_subprocess(LOADED, *HEAVY)
    return Measured(loaded, len(HEAVY))


@benchmark("import kaygraph_viz / numpy", peer=NUMPY, target=1.0, note="the names are loaded when they are used")
def import_time(scale: Scale) -> Measured:
    """Measure the bare import against that of numpy."""
    return alternate(lambda: _import_s(OURS), lambda: _import_s(NUMPY), scale.pick(7, 1))


@benchmark("import for recording / numpy", peer=NUMPY, note="Graph, ParallelBatchNode, record, span; loads numpy too")
def import_for_recording_time(scale: Scale) -> Measured:
    """Measure the import of the names for a recorded graph against that of numpy."""
    return alternate(lambda: _import_s(RECORDING), lambda: _import_s(NUMPY), scale.pick(7, 1))


def _import_s(statement: str) -> float:
    (seconds,) = in_subprocess(TIMED.format(statement))
    return seconds
