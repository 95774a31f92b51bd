"""The overhead of sampling the CPU clocks of the threads of a run.

Belongs here: ``record(sample_s=...)`` while branches compute. Does not belong here: the overhead of recording itself
(``recording``, ``batches``).
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, alternate, benchmark
from kaygraph_viz.trace.sampler.sampler import is_available

PERIOD_S = 0.002
DATA = bytes(100_000)
PIECES = 6_000  # some 0.3 s of hashing in one thread
NOTE = "CPU time of the program and of the sampling process, while branches hash"


@benchmark("sampled, 4 threads compute / not sampled", peer="record()", target=1.02, note=NOTE)
def four_threads(scale: Scale) -> Measured:
    """Measure four threads that hash, with `record(sample_s=0.002)` against without."""
    return _sampled_against_not(scale, 4)


@benchmark("sampled, 16 threads compute / not sampled", peer="record()", target=1.02, note=NOTE)
def sixteen_threads(scale: Scale) -> Measured:
    """Measure sixteen threads that hash, with `record(sample_s=0.002)` against without."""
    return _sampled_against_not(scale, 16)


def _sampled_against_not(scale: Scale, workers: int) -> Measured:
    pieces = scale.pick(PIECES, 160) // workers
    if not is_available():
        raise ImportError("the clocks of threads are read from /proc, which does not have them here")
    sampled, plain = (lambda: _cost_s(workers, pieces, PERIOD_S)), (lambda: _cost_s(workers, pieces, None))
    return alternate(sampled, plain, scale.pick(9, 1))


def _cost_s(workers: int, pieces: int, sample_s: float | None) -> float:
    """Return the CPU time of the work and of the sampling process meanwhile [s]."""
    with kv.record(sample_s=sample_s), kv.get_executor("thread", workers) as executor:
        before = time.process_time() + _of_helpers_s()
        for _ in executor.imap(_hash, [pieces] * workers):
            pass
        return time.process_time() + _of_helpers_s() - before


def _hash(pieces: int) -> None:
    for _ in range(pieces):
        hashlib.sha256(DATA).digest()


def _of_helpers_s() -> float:
    """Return the CPU time of the processes that this one has started [s]."""
    import psutil

    clocks = [Path(f"/proc/{child.pid}/schedstat") for child in psutil.Process().children()]
    return sum(int(clock.read_text().split()[0]) for clock in clocks if clock.exists()) / 1e9
