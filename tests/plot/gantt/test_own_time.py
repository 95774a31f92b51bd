"""Which branches around others have rows: all of one name, or none of them."""

from __future__ import annotations

import pytest

from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.layout import make_layout
from kaygraph_viz.testing import bar, make_trace


def task(lane, start, before_s, *, name="task", took_s=10.0):
    """Return a branch that works by itself for some time, and then waits for a job on another lane to its end."""
    return bar(name, lane, start, start + took_s), [
        bar("job", f"inner-{lane}", start + before_s, start + took_s, queued_s=0)
    ]


def rows_of(*bars):
    return [row.text for row in Chart.of(make_trace(*bars), has_own_time=True).rows]


HANDED_OVER = ["inner-t-1", "inner-t-2"]


def test_branches_that_only_hand_over_have_no_rows():
    assert rows_of(task("t-1", 0, 0.0), task("t-2", 0, 0.0)) == HANDED_OVER


def test_one_that_was_slow_to_hand_over_has_no_row_either():
    assert rows_of(task("t-1", 0, 0.09), task("t-2", 0, 0.0)) == HANDED_OVER


def test_many_short_stretches_are_drawn_as_well_as_a_single_long_one():
    tasks = [task("t-1", 0.5 * number, 0.3, took_s=0.5) for number in range(100)]
    assert rows_of(*tasks) == ["inner-t-1", "t-1"]


def test_where_some_worked_notably_all_of_that_name_have_rows():
    assert rows_of(task("t-1", 0, 4.0), task("t-2", 0, 0.0)) == [*HANDED_OVER, "t-1", "t-2"]


def test_those_of_another_name_do_not_count():
    assert rows_of(task("t-1", 0, 4.0), task("t-2", 0, 0.0, name="other")) == [*HANDED_OVER, "t-1"]


def test_a_worker_that_did_other_things_is_not_shown_to_be_free_while_it_waits():
    assert rows_of(bar("first", "t-1", 0, 1), task("t-1", 1, 0.0)) == ["inner-t-1", "t-1"]


def test_each_branch_that_is_drawn_has_a_bar():
    run = Chart.of(make_trace(task("t-1", 0, 4.0), task("t-2", 0, 0.0)), has_own_time=True).runs[0]
    assert set(run.ids.tolist()) == {1, 2, 3, 4}


def statuses_at_ends(*bars):
    """Return time [s] and status of the bars of branches around others that did not end well."""
    run = Chart.of(make_trace(*bars), has_own_time=True).runs[0]
    spans = map(run.nesting.columns.span, run.units.tolist())
    return [(span.ended_ns / 1e9, span.status) for span in spans if span.span_id < 0 and span.status != "ok"]


def test_one_that_failed_after_all_within_it_went_well_is_drawn_and_marked_at_its_end():
    failed = bar("task", "t-1", 0, 9, status="error", error="E"), [bar("job", "t-2", 0, 9)]
    assert rows_of(failed) == ["t-1", "t-2"]
    assert statuses_at_ends(failed) == [(9, "error")]


def test_one_that_failed_with_a_branch_in_it_is_not_marked_again():
    failed = bar("task", "t-1", 0, 9, status="error", error="E"), [bar("job", "t-2", 0, 9, status="error", error="E")]
    assert rows_of(failed) == ["t-2"]
    assert statuses_at_ends((failed[0], [*failed[1], bar("job", "t-2", 9, 9)])) == []


@pytest.mark.parametrize("started", [0, 4])
def test_what_held_up_a_loop_is_drawn_even_if_a_branch_ran_meanwhile(started):
    blocked = bar("loop blocked", "task-1", started, started + 1, kind="wait")
    rows = rows_of((bar("main", "task-1", 0, 9), [blocked, bar("job", "thread-1", 0, 9)]))
    assert rows == ["thread-1", "task-1"]


def test_a_branch_whose_own_steps_keep_its_worker_has_no_bar_beside_them():
    steps = [bar("order", "p-1", 0, 1), bar("order", "p-1", 1, 2)]
    run = Chart.of(make_trace((bar("chunk", "p-1", 0, 2), steps)), has_own_time=True).runs[0]
    assert set(run.ids.tolist()) == {2, 3}


def test_a_branch_around_others_was_queued_until_it_began():
    outer = bar("task", "t-1", 2, 9, queued_s=2), [bar("job", "t-2", 4, 8, queued_s=1)]
    rects = make_layout(Chart.of(make_trace(outer), has_own_time=True)).rects
    queued = [(rect.row, rect.x0_s, rect.x1_s) for rect in rects if rect.fill == "queued"]
    assert sorted(queued) == [(0, 0.0, 2.0), (1, 3.0, 4.0)]


def test_one_that_waited_from_its_begin_on_is_not_queued_until_its_work_comes():
    outer = bar("task", "t-1", 2, 9, queued_s=2), [bar("job", "t-2", 2, 5, queued_s=0)]
    rects = make_layout(Chart.of(make_trace(outer), has_own_time=True)).rects
    assert not [rect for rect in rects if rect.fill == "queued" and rect.x1_s > 2]
