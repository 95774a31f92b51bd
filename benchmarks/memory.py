"""The memory of one span, recorded or read from a file of another tool, against a budget.

Belongs here: bytes per span in a process of its own, where nothing else grows. Does not belong here: times.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from benchmarks.harness import Measured, Scale, benchmark, in_subprocess

SPANS = 1_000_000  # as many as `record` keeps by default
BUDGET_B = 200.0
BUDGET = "a budget of 200 bytes"
LOADED_B = 500.0  # so that a file of a million function calls fits into half a gigabyte

RECORD = """
import gc, sys, tracemalloc
import kaygraph_viz as kv

def spans(count):
    for _ in range(count):
        with kv.span("x"):
            pass

def run(count):
    with kv.record(max_spans=count) as trace:
        spans(count)
        assert len(trace.columns) == count
    return trace

count = int(sys.argv[1])
run(10)
gc.collect()
"""

# A file of calls as VizTracer writes it, 129 bytes each.
LOAD = """
import os, sys, tempfile
import kaygraph_viz as kv

count = int(sys.argv[1])
call = '{"pid":29003,"tid":29003,"ts":%.3f,"ph":"X","dur":0.040059351932800184,"name":"fib (fib.py:3)"'
call += ',"cat":"FEE"}'
file = tempfile.NamedTemporaryFile("w", suffix=".json")
file.write('{"traceEvents":[')
file.writelines(("," if at else "") + call % (4982404901 + at / 5) for at in range(count))
file.write("]}")
file.flush()

def run(count):
    return kv.load(file.name)
"""

# Prints what is held at the end and the most that was held, in bytes per span: what Python allocates, arrays included.
ALLOCATED = """
tracemalloc.start()
trace = run(count)
gc.collect()
held, peak = tracemalloc.get_traced_memory()
assert len(trace) == count
print(held / count, peak / count)
"""

# Prints by how much the process grew at most. Not from `ru_maxrss`, which starts with the peak of the parent process.
RESIDENT = """
def status(word):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(word))

before = status("VmRSS:")
trace = run(count)
print((status("VmHWM:") - before) / count)
"""


@benchmark("memory of a span, kept", peer=BUDGET, unit="B", target=1.0, note="allocated after the record block")
def kept(scale: Scale) -> Measured:
    """Measure the memory of a trace after its record block."""
    return Measured(_allocated(_count(scale))[0], BUDGET_B)


@benchmark("memory of a span, peak", peer=BUDGET, unit="B", target=1.0, note="allocated, columns read inside the block")
def peak(scale: Scale) -> Measured:
    """Measure the peak of memory, reading the columns of the live trace included."""
    return Measured(_allocated(_count(scale))[1], BUDGET_B)


@benchmark(
    "memory of a span, resident peak", peer=BUDGET, unit="B", target=1.0, note="growth of the process; Linux only"
)
def resident(scale: Scale) -> Measured:
    """Measure the largest growth of the process."""
    return Measured(_growth(RECORD, scale), BUDGET_B)


@benchmark(
    "memory of a loaded call, resident peak", peer="a budget of 500 bytes", unit="B", target=1.0,
    note="growth of the process while a file of VizTracer is read, of 129 MB for 1,000,000 calls; Linux only",
)  # fmt: skip
def loaded(scale: Scale) -> Measured:
    """Measure the largest growth of a process that loads trace events."""
    return Measured(_growth(LOAD, scale), LOADED_B)


def _growth(program: str, scale: Scale) -> float:
    """Return by how much a process grows at most, for each span [bytes]."""
    if not Path("/proc/self/status").exists():
        raise ImportError("the peak of resident memory is read from /proc, which is not here")
    (growth,) = in_subprocess(program + RESIDENT, _count(scale))
    return growth


def _count(scale: Scale) -> int:
    return scale.pick(SPANS, 2_000)


@cache
def _allocated(count: int) -> tuple[float, float]:
    held, most = in_subprocess(RECORD + ALLOCATED, count)
    return held, most
