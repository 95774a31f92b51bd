"""Bands and limits of predictions."""

from __future__ import annotations

import pytest

from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.testing import bar, make_trace
from tests.analysis.what_if.runs import COUNTS, call

LIMITED = [
    ("the longest branch", [bar("b", "thread-1", 0, 5), bar("b", "thread-2", 0, 1)], 2, {}),
    ("the number of workers", [bar("b", "thread-1", n, n + 1, queued_s=n) for n in range(9)], 2, {}),
    ("the GIL", [bar("b", "thread-1", n, n + 1, queued_s=n, cpu_s=1) for n in range(9)], 4, {}),
    ("the event loop", [bar("b", "thread-1", n, n + 1, queued_s=n, cpu_s=1) for n in range(9)], 4,
     {"executor": "async"}),
    ("the cores", [bar("b", "thread-1", n, n + 1, queued_s=n, cpu_s=1) for n in range(9)], 4,
     {"executor": "process", "cores": 2}),
    ("starting and ending the workers", [bar("b", f"process-{n}", 5, 6, queued_s=5) for n in (1, 2)], 2, {}),
    ("the input", [bar("b", "thread-1", 2 * n + 1, 2 * n + 2) for n in range(9)], 4, {}),
    ("serial parts", [bar("b", "thread-1", 0, 1)], 1, {}),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "bars", "workers", "options"), LIMITED)
def test_what_limits_a_run_is_named(limit, bars, workers, options):
    before = bar("prep", "main", -30 if limit == "serial parts" else -1, 0, kind="phase")
    end = max(span.ended_ns for span in bars) / 1e9
    found = what_if(make_trace(before, call(end, *bars)), workers, **options)
    assert found.limits[workers].startswith(limit)


def test_the_band_is_always_the_same_and_holds_what_is_predicted():
    bars, at = [], 0
    for number in range(40):
        bars.append(bar("b", "thread-1", at, at + 1 + number % 7, queued_s=at))
        at += 1 + number % 7
    found, again = (what_if(make_trace(call(at, *bars)), COUNTS) for _ in range(2))
    assert (found.low_s, found.high_s) == (again.low_s, again.high_s)
    assert found == again
    for workers in COUNTS:
        assert found.low_s[workers] < found.makespan_s[workers] < found.high_s[workers]


def test_the_band_reaches_as_far_as_the_replay_misses_the_run():
    held_up = [bar("b", "thread-1", 0, 1), bar("b", "thread-2", 0, 1), bar("b", "thread-1", 3, 4, queued_s=3)]
    trace = make_trace(call(4, *held_up, bar("b", "thread-2", 1.1, 2.1, queued_s=1.1), workers=2))
    found = what_if(trace, 2)
    assert found.replayed_s < found.recorded_s == 4
    assert found.high_s[2] == pytest.approx(found.makespan_s[2] * 4 / found.replayed_s)


def predictions_of(trace):
    return what_if(trace)._predictions


def test_makespans_of_a_replay_and_of_the_run_are_whole_nanoseconds():
    found = predictions_of(make_trace(call(4, *[bar("b", "thread-1", n, n + 1, queued_s=n) for n in range(4)])))
    assert (found.recorded_ns, found.replayed_ns) == (4 * 10**9, 4 * 10**9)
    assert [found.makespan_ns(workers) for workers in (None, 1, 2, 4)] == [4 * 10**9, 4 * 10**9, 2 * 10**9, 10**9]


def test_the_trace_has_the_predicted_makespan():
    found = predictions_of(make_trace(call(4, *[bar("b", "thread-1", n, n + 1, queued_s=n) for n in range(4)])))
    assert round(found.trace(2).makespan_s * 1e9) == found.makespan_ns(2)


def test_where_there_is_no_doubt_about_the_code_there_is_no_other_makespan():
    found = predictions_of(make_trace(call(1, bar("b", "thread-1", 0, 1, cpu_s=0))))
    assert (found.otherwise, found.otherwise_ns(2, 7)) == (None, 7)


def test_equal_branches_leave_no_band():
    found = predictions_of(make_trace(call(9, *[bar("b", "thread-1", n, n + 1, queued_s=n) for n in range(9)])))
    assert found.band_ns(1, 9 * 10**9, 9 * 10**9) == (9e9, 9e9)
