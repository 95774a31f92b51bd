"""Goals about the work of a run: overlapping keeps it, skipping and sleeping change it."""

from __future__ import annotations

import pytest

from kaygraph_viz.lessons.goals import as_much_work_as, does_the_work
from kaygraph_viz.lessons.grade import grade
from kaygraph_viz.testing import bar, make_trace

BEFORE = make_trace(bar("a", "t-1", 0, 2, cpu_s=2), bar("b", "t-1", 2, 5, cpu_s=0))
AT_ONCE = make_trace(bar("a", "t-1", 0, 2, cpu_s=2), bar("b", "t-2", 0, 3, cpu_s=0))
SKIPPED = make_trace(bar("a", "t-1", 0, 2, cpu_s=2), bar("b", "t-2", 0, 1, cpu_s=0))
LONGER = make_trace(bar("a", "t-1", 0, 2, cpu_s=2), bar("b", "t-2", 0, 9, cpu_s=0))
ASLEEP = make_trace(bar("a", "t-1", 0, 2, cpu_s=0), bar("b", "t-2", 0, 3, cpu_s=0))


def test_a_run_that_overlaps_its_work_does_as_much():
    assert grade(AT_ONCE, [as_much_work_as(BEFORE)]).passed


@pytest.mark.parametrize(
    ("other", "would_take"),
    [(SKIPPED, "3.00 s (2.00 s computing)"), (LONGER, "11.0 s (2.00 s computing)"), (ASLEEP, "5.00 s (0 s computing)")],
)
def test_other_work_is_told_with_that_of_both_runs(other, would_take):
    (found,) = grade(other, [as_much_work_as(BEFORE)]).findings
    assert (found.is_met, found.reason) == (
        False,
        f"one after the other, it would take {would_take}; before it was 5.00 s (2.00 s computing)",
    )


LOCKED = make_trace(
    bar("a", "t-1", 0, 1), bar("b", "t-3", 0, 0),
    bar("a", "t-2", 0, 2, blocked_s=1, parts=[("blocked", 1), ("wait", 1)]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("goal", "met", "reason"),
    [
        (does_the_work(2), True, "2 of 3 branches worked"),
        (does_the_work(3), False, "2 of 3 branches worked, expected 3"),
        (does_the_work(1, 1.0), False, "0 of 3 branches worked for more than 1.00 s, expected 1"),
        (does_the_work(1, 0.5, "b"), False, "0 of 1 branch worked for more than 0.500 s, expected 1"),
    ],
)
def test_branches_that_do_nothing_do_not_count(goal, met, reason):
    (found,) = grade(LOCKED, [goal]).findings
    assert (found.is_met, found.reason) == (met, reason)
