"""The chart to move about in: what watching a run costs it, and the time from a trace to the bytes for the browser.

Belongs here: the kernel's side of the live timeline. Does not belong here: the static chart (``pictures``) and what the
browser does.

The watched run and the other are the same threads with the same work, which computes and waits; what the chart would
send to a browser is encoded as the kernel would do it, and dropped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, alternate, benchmark
from benchmarks.pictures import trace_of
from kaygraph_viz.widgets.packing import pack
from kaygraph_viz.widgets.timeline import Timeline

WORKERS = 4
Work = Callable[[int], object]
ROUNDS = 400  # additions for each branch: about 20 us of computing, so that the GIL is always wanted
NOTE = "4 threads that compute, one branch of 20 us after the other"


@benchmark("run with a live timeline / without", peer="the same run, not watched", target=1.1, note=NOTE)
def watched_against_alone(scale: Scale) -> Measured:
    """Measure a run of many short branches that is watched against the same run alone."""
    count = scale.pick(60_000, 300)
    return alternate(lambda: _run(count, is_watched=True), lambda: _run(count, is_watched=False), scale.pick(9, 1))


@benchmark("run with a live timeline / without, waiting", peer="the same run, not watched", target=1.1)
def waiting_against_alone(scale: Scale) -> Measured:
    """Measure a run of branches that wait 5 ms each, as those do that ask services."""
    count = scale.pick(1_600, 8)
    return alternate(lambda: _wait(count, is_watched=True), lambda: _wait(count, is_watched=False), scale.pick(7, 1))


@benchmark("packing 1,000,000 bars for the browser", peer="a budget of 5 s", target=1.0, note="the picture takes 3 s")
def packing(scale: Scale) -> Measured:
    """Measure the time from a trace to the bytes that are sent."""
    trace = trace_of(scale.pick(1_000_000, 6_000))
    return alternate(lambda: _packed(trace), lambda: 5.0, scale.pick(3, 1))


class _Encoding(Timeline):
    """Does what a kernel does with a message, but for the network."""

    def _send(self, msg: Any, buffers: Sequence[Any] | None = None) -> None:
        json.dumps(msg)
        b"".join(buffers or ())


def _packed(trace: kv.Trace) -> float:
    started = time.perf_counter()
    packed = pack(trace)
    if packed.head["count"] != len(trace):
        raise AssertionError(f"{packed.head['count']:,} of {len(trace):,} bars were packed")
    return time.perf_counter() - started


def _compute(_item: int) -> int:
    return sum(range(ROUNDS))


def _ask(_item: int) -> None:
    time.sleep(0.005)


def _run(count: int, *, is_watched: bool) -> float:
    return _recorded(_compute, count, is_watched=is_watched)


def _wait(count: int, *, is_watched: bool) -> float:
    return _recorded(_ask, count, is_watched=is_watched)


def _recorded(work: Work, count: int, *, is_watched: bool) -> float:
    """Run, and return how long that took until the last branch had ended [s]."""
    with kv.record() as trace, kv.get_executor("thread", WORKERS) as executor:
        view = _Encoding(trace) if is_watched else None
        started = time.perf_counter()
        for _ in executor.imap(work, range(count)):
            pass
        took = time.perf_counter() - started
    if view is not None:
        view.wait()
        if view.packed["bars"] != count:
            raise AssertionError(f"{view.packed['bars']:,} of {count:,} bars were shown")
        view.close()
    return took
