"""The pieces of bars: attempts, and the pauses between them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.timeline.pieces import pieces_of


def pieces(*bars, check=True):
    return pieces_of(Chart.of(make_trace(*bars, check=check)).runs[0])


def attempt(start, end, number, **options):
    return bar("a", "t-1", start, end, kind="attempt", attempt=number, **options)


def tried(end=6, **options):
    """Return a bar with attempts from 1 to 2 s and from 4 to 5 s."""
    attempts = [attempt(1, 2, 1, status="error", error="e"), attempt(4, 5, 2)]
    return bar("a", "t-1", 0, end, attempt=2, **options), attempts


def seconds(values):
    return [round(value / 1e9, 6) for value in values.tolist()]


def test_attempts_and_pauses_fill_the_bar():
    found = pieces(tried())
    assert seconds(found.start_ns) == [0, 1, 2, 4, 5]
    assert seconds(found.end_ns) == [1, 2, 4, 5, 6]
    assert found.is_pause.tolist() == [True, False, True, False, True]
    assert found.is_first.tolist() == [True, False, False, False, False]
    assert found.is_piecewise.all()
    assert found.tries.tolist() == [2] * 5


def test_a_bar_with_one_attempt_is_one_piece():
    found = pieces((bar("a", "t-1", 0, 6), [attempt(1, 5, 1)]))
    assert (seconds(found.start_ns), seconds(found.end_ns)) == ([0], [6])
    assert not (found.is_piecewise | found.is_pause).any()


def test_cpu_time_that_is_only_known_of_the_bar_is_divided_by_the_lengths_of_the_attempts():
    found = pieces(tried(cpu_s=1.0, blocked_s=0.5))
    assert seconds(found.cpu_ns) == [0, 0.5, 0, 0.5, 0]
    assert seconds(found.blocked_ns) == [0, 0.25, 0, 0.25, 0]


def test_cpu_time_of_an_attempt_is_its_own():
    own = [attempt(0, 1, 1, cpu_s=0.75, status="error", error="e"), attempt(1, 2, 2, cpu_s=0.25)]
    assert seconds(pieces((bar("a", "t-1", 0, 2, cpu_s=1.0, attempt=2), own)).cpu_ns) == [0.75, 0.25]


def test_cpu_time_that_is_not_known_stays_unknown():
    assert pieces(bar("a", "t-1", 0, 1)).cpu_ns.tolist() == [-1]


@pytest.mark.parametrize(
    ("bars", "check"),
    [
        ([], True),
        ([tried(), bar("b", "t-1", 6, 7), bar("c", "t-2", 0, 3)], True),
        ([bar("c", "t-1", at, at + 3) for at in range(4)], False),
    ],
    ids=["nothing", "rows", "overlapping"],
)
def test_pieces_are_sorted_and_do_not_overlap_within_a_row(bars, check):
    found = pieces(*bars, check=check)
    stretches = [*zip(found.row.tolist(), found.start_ns.tolist(), found.end_ns.tolist(), strict=True)]
    assert stretches == sorted(stretches)
    assert all(after >= end for (row, _, end), (next_row, after, _) in pairwise(stretches) if row == next_row)
