"""The time of all analyses of a long run, one after the other.

It is CPU time: nothing here waits, and other programs on the machine should not count.

Belongs here: time of all analyses together. Does not belong here: whether they are right (the tests, ``what_if``) and
drawing what they find (``pictures``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, benchmark
from kaygraph_viz.trace.columns import Spans
from kaygraph_viz.trace.row import RowTuple

SPANS, BUDGET_S = 100_000, 2.0
PEER, NOTE = "a budget of 2 s", "summarize, explain, critical_path, what_if, compare, conflicts"


@benchmark("all analyses of 100,000 branches", peer=PEER, target=1.0, note=NOTE)
def of_branches(scale: Scale) -> Measured:
    """Measure the analyses of a run of eight threads."""
    return _all_analyses(branches(scale.pick(SPANS, 2_000)))


@benchmark("all analyses of 100,000 stage spans", peer=PEER, target=1.0, note=NOTE)
def of_stages(scale: Scale) -> Measured:
    """Measure the analyses of a pipeline, in which each item has a link to itself in the stage before."""
    return _all_analyses(pipeline(scale.pick(SPANS, 2_000)))


@benchmark(
    "summarize 1,000,000 branches", peer="a budget of 2 s", target=1.0,
    note="without the estimate of the speedup, which is made when it is asked for",
)  # fmt: skip
def of_a_summary(scale: Scale) -> Measured:
    """Measure the numbers of a run that has very many branches."""
    trace = branches(scale.pick(10 * SPANS, 2_000))
    return Measured(_cpu_s(lambda: kv.summarize(trace)), BUDGET_S)


@benchmark("print(summarize) of 100,000 branches", peer="what_if of them", target=0.8, note="with that estimate")
def of_a_printed_summary(scale: Scale) -> Measured:
    """Measure the text of a summary, which estimates the speedup, too."""
    return _printed(branches(scale.pick(SPANS, 2_000)))


@benchmark("print(summarize) of 100,000 stage spans", peer="what_if of them", target=0.8, note="with that estimate")
def of_a_printed_summary_of_stages(scale: Scale) -> Measured:
    """Measure the same for a pipeline."""
    return _printed(pipeline(scale.pick(SPANS, 2_000)))


def _printed(trace: kv.Trace) -> Measured:
    return Measured(_cpu_s(lambda: str(kv.summarize(trace))), _cpu_s(lambda: str(kv.what_if(trace))))


def _cpu_s(call: Callable[[], object]) -> float:
    """Return the CPU time of a call, the least of three [s]."""
    took_s = []
    for _ in range(3):
        began = time.process_time()
        call()
        took_s.append(time.process_time() - began)
    return min(took_s)


def _all_analyses(trace: kv.Trace) -> Measured:
    """Print the time of each analysis; return that of all of them, and the budget [s]."""
    took_s = {}
    for analyse in (kv.summarize, kv.explain, kv.critical_path, kv.what_if, kv.conflicts):
        began = time.process_time()
        str(analyse(trace))
        took_s[analyse.__name__] = time.process_time() - began
    began = time.process_time()
    str(kv.compare(trace, trace))
    took_s["compare"] = time.process_time() - began
    print("  " + ", ".join(f"{name} {took:.2f} s" for name, took in took_s.items()), flush=True)
    return Measured(sum(took_s.values()), BUDGET_S)


def branches(count: int) -> kv.Trace:
    """Return a run of eight threads that waited, and computed for a twelfth of the time.

    Parameters
    ----------
    count
        The number of branches, 8 or more.
    """
    workers, rng = 8, np.random.default_rng(0)
    lasts = rng.integers(1_000_000, 5_000_000, (count // workers, workers))
    ends = np.cumsum(lasts + rng.integers(2_000, 9_000, lasts.shape), axis=0)
    rows = (
        _branch(number + 2, 1, number, f"thread-{number % workers + 1}", 0, ended - lasted, ended)
        for number, (ended, lasted) in enumerate(zip(ends.ravel().tolist(), lasts.ravel().tolist(), strict=True))
    )
    return _trace([_around(1, 0, "exec", int(ends.max()), workers), *rows])


def pipeline(count: int) -> kv.Trace:
    """Return a run of a pipeline of three stages with one thread each, of which the last is the slowest.

    Parameters
    ----------
    count
        The number of branches in all stages together, 3 or more.
    """
    stages, rng, room = 3, np.random.default_rng(0), 8
    items = count // stages
    lasts = rng.integers(1_000_000, 2_000_000, (items, stages)) * np.array([1, 1, 2])
    queueing = rng.integers(2_000, 9_000, (items, stages))
    starts, ends, leaves = (np.zeros((items, stages), np.int64) for _ in range(3))
    for item in range(items):
        for stage in range(stages):
            ready = leaves[item, stage - 1] if stage else 0
            free = leaves[item - 1, stage] if item else 0
            starts[item, stage] = max(ready, free) + queueing[item, stage]
            ends[item, stage] = starts[item, stage] + lasts[item, stage]
            full = starts[item - room, stage + 1] if stage + 1 < stages and item >= room else 0
            leaves[item, stage] = max(ends[item, stage], full)
    last = int(leaves.max())
    around = [_around(2 + stage, 1, f"stage {stage}", last, 1, buffer=room) for stage in range(stages)]
    return _trace([_around(1, 0, "pipeline", last, stages), *around, *_stage_rows(starts, ends, leaves)])


def _stage_rows(starts: np.ndarray, ends: np.ndarray, leaves: np.ndarray) -> Iterator[RowTuple]:
    items, stages = starts.shape
    for item in range(items):
        for stage in range(stages):
            number = 10 + item * stages + stage
            ready = int(leaves[item, stage - 1]) if stage else int(starts[item, 0])
            times = ready, int(starts[item, stage]), int(leaves[item, stage])
            blocked = int(leaves[item, stage] - ends[item, stage])
            link = (number - 1,) if stage else None
            yield _branch(number, 2 + stage, item, f"thread-{stage + 1}", *times, blocked, link)


def _branch(
    number: int, parent: int, index: int, lane: str, submitted: int, started: int, ended: int,
    blocked: int = 0, links: tuple[int, ...] | None = None,
) -> RowTuple:  # fmt: skip
    times = submitted, started, ended, (ended - started - blocked) // 12, blocked
    return number, parent, index, "b", "branch", lane, *times, "ok", 1, None, None, links, None


def _around(number: int, parent: int, name: str, ended: int, workers: int, **facts: int) -> RowTuple:
    noted = {"executor": "thread", "workers": workers, **facts}
    return number, parent, -1, name, "node", "main", 0, 0, ended, 0, 0, "ok", 1, None, noted, None, None


def _trace(rows: list[RowTuple]) -> kv.Trace:
    spans = Spans()
    for row in rows:
        spans.append(row)
    return kv.Trace(spans.columns())
