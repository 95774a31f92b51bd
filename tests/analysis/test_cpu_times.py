"""The stretches in which spans computed: known ones, shares of unknown ones, and none without CPU time."""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.waits import computing
from kaygraph_viz.testing import bar, make_trace


def found(*bars):
    made = computing(make_trace(*bars).columns, np.arange(len(bars)))
    rows = zip(
        made.owner.tolist(), made.started / 1e9, made.ended / 1e9, made.cpu / 1e9, made.is_open.tolist(), strict=True
    )
    return list(rows)


def test_known_stretches_are_all_cpu_time():
    parts = [("cpu", 1), ("wait", 2), ("cpu", 1), ("gil", 1)]
    assert found(bar("a", "t", 0, 5, cpu_s=2, parts=parts)) == [(0, 0, 1, 1, False), (0, 3, 4, 1, False)]


def test_unknown_stretches_count_by_their_share():
    parts = [("wait", 1), ("unknown", 2, 0.25)]
    assert found(bar("a", "t", 0, 3, cpu_s=0.5, parts=parts)) == [(0, 1, 3, 0.5, True)]


def test_a_span_without_parts_is_one_stretch():
    assert found(bar("a", "t", 0, 2, cpu_s=0.5), bar("b", "u", 0, 2, cpu_s=2)) == [
        (0, 0, 2, 0.5, True),
        (1, 0, 2, 2, False),
    ]


def test_what_did_not_compute_or_was_not_measured_has_none():
    assert found(bar("a", "t", 0, 2, cpu_s=0), bar("b", "u", 0, 2), bar("c", "v", 0, 2, cpu_s=1)) == [
        (2, 0, 2, 1, True)
    ]


def test_only_the_spans_that_are_asked_for_count_and_by_their_order():
    columns = make_trace(*(bar("a", f"t-{n}", 0, n + 1, cpu_s=n + 1) for n in range(3))).columns
    made = computing(columns, np.array([2, 0]))
    assert (made.owner.tolist(), (made.cpu / 1e9).tolist()) == ([0, 1], [3, 1])
