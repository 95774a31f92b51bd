"""The live timeline: its overhead in a run that it shows, and the time from a trace to the bytes for the browser.

Belongs here: the kernel's side of the live timeline. Does not belong here: the static chart (``pictures``) and the
browser's side.

Both runs are the same threads with the same work; the messages for the browser are encoded as in a kernel, and dropped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, alternate, benchmark
from benchmarks.pictures import trace_of
from kaygraph_viz.widgets.timeline.packing import pack
from kaygraph_viz.widgets.timeline.timeline import Timeline

WORKERS = 4
Work = Callable[[int], object]
SHORT, TINY = 20_000, 400  # additions for each branch: about 0.2 ms and 5 us of computing; the GIL is always wanted
TINY_NOTE = "over 100,000 branches a second: varies much from run to run"
NOTE = "4 threads that compute, one short branch after the other"


@benchmark("run with a live timeline / without", peer="the same run, not watched", target=1.1, note=NOTE)
def watched_against_alone(scale: Scale) -> Measured:
    """Measure a run of short branches that is watched against the same run alone."""
    return _computing([SHORT] * scale.pick(3_000, 100), scale.pick(9, 1))


@benchmark("run with a live timeline / without, tiny branches", peer="the same run, not watched", note=TINY_NOTE)
def tiny_watched_against_alone(scale: Scale) -> Measured:
    """Measure the same with over 100,000 branches a second, where one thread more that wants the GIL can be felt."""
    return _computing([TINY] * scale.pick(60_000, 300), scale.pick(9, 1))


@benchmark("run with a live timeline / without, waiting", peer="the same run, not watched", target=1.1)
def waiting_against_alone(scale: Scale) -> Measured:
    """Measure a run of branches that wait 5 ms each, as requests to services do."""
    count = scale.pick(1_600, 8)
    return alternate(lambda: _wait(count, is_watched=True), lambda: _wait(count, is_watched=False), scale.pick(7, 1))


@benchmark("packing 1,000,000 bars for the browser", peer="a budget of 5 s", target=1.0, note="the picture takes 3 s")
def packing(scale: Scale) -> Measured:
    """Measure the time from a trace to the bytes that are sent."""
    trace = trace_of(scale.pick(1_000_000, 6_000))
    return alternate(lambda: _packed(trace), lambda: 5.0, scale.pick(3, 1))


class _Encoding(Timeline):
    """A timeline that encodes messages as a kernel does, without sending them."""

    def _send(self, msg: Any, buffers: Sequence[Any] | None = None) -> None:
        json.dumps(msg)
        b"".join(buffers or ())


def _packed(trace: kv.Trace) -> float:
    started = time.perf_counter()
    packed = pack(trace)
    if packed.head["count"] != len(trace):
        raise AssertionError(f"{packed.head['count']:,} of {len(trace):,} bars were packed")
    return time.perf_counter() - started


def _compute(rounds: int) -> int:
    return sum(range(rounds))


def _ask(_item: int) -> None:
    time.sleep(0.005)


def _computing(items: Sequence[int], times: int) -> Measured:
    return alternate(
        lambda: _recorded(_compute, items, is_watched=True), lambda: _recorded(_compute, items, is_watched=False), times
    )


def _wait(count: int, *, is_watched: bool) -> float:
    return _recorded(_ask, range(count), is_watched=is_watched)


def _recorded(work: Work, items: Sequence[int], *, is_watched: bool) -> float:
    """Return the time of a run until its last branch had ended [s]."""
    with kv.record() as trace, kv.get_executor("thread", WORKERS) as executor:
        view = _Encoding(trace) if is_watched else None
        started = time.perf_counter()
        for _ in executor.imap(work, items):
            pass
        took = time.perf_counter() - started
    if view is not None:
        view.wait()
        if view.packed["bars"] != len(items):
            raise AssertionError(f"{view.packed['bars']:,} of {len(items):,} bars were shown")
        view.close()
    return took
