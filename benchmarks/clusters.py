"""The overhead of an item on a Dask cluster, against bare `client.map` and `client.gather` on the same cluster.

Belongs here: items on workers of a cluster. Does not belong here: threads and processes of this program (``batches``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, alternate, benchmark, check_count, per_call
from kaygraph_viz.base.optional import require
from kaygraph_viz.execute.dask.executor import DaskExecutor

WORKERS = 2
PEER = "client.map(...) and client.gather(...)"
NOTE = "2 worker processes, one cluster for both"


@benchmark("Dask item / client.map", peer=PEER, target=1.2, note=f"{NOTE}; next to no work; nothing recorded")
def short(scale: Scale) -> Measured:
    """Measure items without work, several of which share one Dask task."""
    return _compared(scale, _increment, range(scale.pick(2_000, 40)), is_recorded=False)


@benchmark("Dask item, recorded / client.map", peer=PEER, target=1.2, note=f"{NOTE}; the peer records nothing")
def short_recorded(scale: Scale) -> Measured:
    """Measure the same while recording with CPU time."""
    return _compared(scale, _increment, range(scale.pick(2_000, 40)), is_recorded=True)


@benchmark("Dask item of 30 ms / client.map", peer=PEER, target=1.2, note=f"{NOTE}; each is a Dask task of its own")
def long(scale: Scale) -> Measured:
    """Measure items that are long enough for a task each."""
    return _compared(scale, _wait, [0.03] * scale.pick(100, 4), is_recorded=False)


@benchmark("Dask item of 30 ms, recorded / client.map", peer=PEER, target=1.2, note=f"{NOTE}; the peer records nothing")
def long_recorded(scale: Scale) -> Measured:
    """Measure the same while recording with CPU time."""
    return _compared(scale, _wait, [0.03] * scale.pick(100, 4), is_recorded=True)


def _increment(item: float) -> float:
    return item + 1


def _wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def _compared(
    scale: Scale, function: Callable[[float], float], items: Sequence[float], *, is_recorded: bool
) -> Measured:
    require("distributed")
    with DaskExecutor(WORKERS) as executor:
        client = executor.client

        def ours() -> None:
            check_count(len([outcome.value for outcome in executor.imap(function, items)]), len(items))

        def ours_recorded() -> None:
            with kv.record() as trace:
                ours()
            check_count(trace.counts()["branch"], len(items))

        def bare() -> None:
            check_count(len(client.gather(client.map(function, items, pure=False))), len(items))

        run = ours_recorded if is_recorded else ours
        return alternate(lambda: per_call(run, len(items)), lambda: per_call(bare, len(items)), scale.pick(5, 1))
