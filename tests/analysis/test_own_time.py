"""The own time of branches around others."""

from __future__ import annotations

import numpy as np
import pytest

from kaygraph_viz.analysis.critical_path import critical_path
from kaygraph_viz.analysis.explain import USEFUL, explain
from kaygraph_viz.analysis.own_time import contain_work, recorded_owner, with_own_time
from kaygraph_viz.analysis.per_item import per_worker
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.columns import stretches
from kaygraph_viz.trace.nesting import Nesting, is_own_time

FAN_OUT = (
    bar("main", "task-1", 0, 4, cpu_s=2),
    [bar("job", f"task-{n}", 1, 3, cpu_s=0) for n in range(2, 6)],
)


def own_time(*tree):
    columns = with_own_time(Nesting.of(make_trace(*tree).columns)).columns
    rows = columns.rows[is_own_time(columns)]
    return [(row["started_ns"] / 1e9, row["ended_ns"] / 1e9) for row in rows[np.argsort(rows["started_ns"])]]


def test_it_lies_before_between_and_after_what_a_branch_waits_for():
    jobs = [bar("job", "pool_0", 1, 2), bar("job", "pool_0", 4, 5, queued_s=1)]
    assert own_time((bar("task", "task-1", 0, 6), jobs)) == [(0, 1), (2, 3), (5, 6)]


def test_jobs_that_overlap_are_waited_for_together():
    jobs = [bar("job", "pool_0", 1, 5), bar("job", "pool_1", 2, 3), bar("job", "pool_1", 3, 4)]
    assert own_time((bar("task", "task-1", 0, 6), jobs)) == [(0, 1), (5, 6)]


def test_a_coroutine_does_not_wait_for_another_one_that_its_own_work_keeps_from_beginning():
    jobs = [bar("job", "task-2", 3, 4, queued_s=2)]
    assert own_time((bar("main", "task-1", 0, 4), jobs)) == [(0, 1), (1, 3)]


def test_what_outlives_a_branch_is_cut_to_it():
    assert own_time((bar("task", "task-1", 1, 4), [bar("job", "pool_0", 2, 9, status="abandoned")])) == [(1, 2)]


def test_what_lies_beside_a_step_on_the_same_lane_is_work_of_the_branch():
    assert own_time((bar("outer", "main", 0, 4), [bar("step", "main", 1, 3, kind="phase")])) == [(0, 1), (3, 4)]
    assert own_time((bar("outer", "main", 0, 4), [(bar("inner", "main", 1, 3), [bar("leaf", "main", 2, 3)])])) == [
        (0, 1), (1, 2), (3, 4)
    ]  # fmt: skip


def test_function_calls_of_a_profile_have_none():
    calls = [bar("write", "main", 4, 5)]
    for name in ("print", "run", "main", "<module>"):
        calls = [(bar(name, "main", 3, 6), calls)]
    assert own_time(*calls) == []


def test_the_stretch_around_a_call_of_its_own_lane_is_none_of_a_branch_that_waits_for_others():
    inner = [bar("parse", "thread-1", 1, 2), bar("get", "thread-2", 2, 3)]
    assert own_time((bar("outer", "thread-1", 0, 4), inner)) == [(0, 1), (3, 4)]


def test_what_is_shorter_than_starting_a_branch_is_left_out():
    assert own_time((bar("task", "task-1", 0, 2), [bar("job", "pool_0", 0.00001, 1.99999)])) == []


def test_traces_without_it_are_not_copied():
    nesting = Nesting.of(make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 1)).columns)
    assert with_own_time(nesting) is nesting


def test_cpu_time_falls_into_it_where_only_sums_are_known():
    columns = with_own_time(Nesting.of(make_trace(FAN_OUT).columns)).columns
    assert columns.column("cpu_ns")[is_own_time(columns)].tolist() == [10**9, 10**9]
    assert set(recorded_owner(columns).tolist()) == {1, 2, 3, 4, 5}


def test_its_parts_are_those_that_were_noted():
    parts = [("cpu", 0.5), ("wait", 2.5), ("unknown", 1, 0.25)]
    tree = (bar("main", "task-1", 0, 4, cpu_s=0.75, parts=parts), [bar("job", "task-2", 1, 2)])
    columns = with_own_time(Nesting.of(make_trace(tree).columns)).columns
    first, second = (columns.span(place) for place in np.flatnonzero(is_own_time(columns)))
    assert [(part.kind, part.lasted_ns / 1e9) for part in first.parts] == [("cpu", 0.5), ("wait", 0.5)]
    assert [(part.kind, part.lasted_ns / 1e9) for part in second.parts] == [("wait", 1), ("unknown", 1)]
    assert (first.cpu_ns, second.cpu_ns) == (5 * 10**8, 25 * 10**7)


def test_it_is_work_but_its_branch_is_no_worker():
    summary = summarize(make_trace(FAN_OUT))
    assert (summary.work_s, summary.workers, summary.peak_concurrency) == (10, 4, 4)
    assert (summary.counts["branches"], summary.counts["units"], summary.counts["spans"]) == (4, 5, 5)
    assert summary.serial_s == pytest.approx(10)
    assert [load.worker for load in per_worker(make_trace(FAN_OUT))] == ["task-2", "task-3", "task-4", "task-5"]


def test_the_parts_of_an_explanation_add_up_with_it():
    found = explain(make_trace(FAN_OUT))
    assert sum(found.parts_ns.values()) == 4 * 4 * 10**9
    assert found.parts[USEFUL] == 10


def test_the_critical_path_leads_through_it_in_sequence_with_what_was_waited_for():
    path = critical_path(make_trace(FAN_OUT))
    assert [step.name for step in path.steps] == ["main", "job", "main"]
    assert [path.steps[0].span_id, path.steps[2].span_id] == [1, 1]
    assert path.dependency_s == 4
    assert path.dependency_ids[0] == 1
    assert path.span_ids.tolist() == [1, 2, 3, 4, 5]
    assert len(path.slack_ns) == 5


def test_jobs_that_a_branch_awaits_in_turn_depend_on_each_other():
    jobs = [bar("job", "pool_0", n, n + 1) for n in range(1, 4)]
    assert critical_path(make_trace((bar("task", "task-1", 0, 5), jobs))).dependency_s == 5


def test_other_numbers_of_workers_are_for_what_the_main_coroutine_waits_for():
    found = what_if(make_trace(FAN_OUT), [1, 2, 4])
    assert found.recorded_workers == 4
    assert dict(found.makespan_s) == {1: 10, 2: 6, 4: 4}
    assert {span.span_id for span in found.trace(2).validate()} == {1, 2, 3, 4, 5}


def test_pool_jobs_that_gather_tasks_keep_their_own_work():
    jobs = [
        (bar("job", f"pool_{n}", 0, 3, cpu_s=2), [bar("get", f"task-{2 * n + k}", 1, 2, cpu_s=0) for k in (1, 2)])
        for n in range(2)
    ]
    summary = summarize(make_trace(*jobs))
    assert (summary.work_s, summary.workers) == (8, 4)
    assert sum(explain(make_trace(*jobs)).parts_ns.values()) == 4 * 3 * 10**9


def test_a_generator_works_while_it_is_asked_for_items_and_is_no_worker_beside_its_consumer():
    parts = [("wait", 1), ("blocked", 2), ("cpu", 1), ("blocked", 2)]
    generator = bar("pages", "generator-1", 0, 6, cpu_s=1, blocked_s=4, parts=parts)
    tree = generator, bar("use", "main", 1, 3), bar("use", "main", 4, 6)
    assert own_time(*tree) == [(0, 1), (3, 4)]
    summary = summarize(make_trace(*tree))
    assert (summary.workers, summary.work_s, summary.counts["units"]) == (1, 6, 3)
    assert explain(make_trace(*tree)).parts[USEFUL] == 6
    assert [(load.worker, load.busy_s) for load in per_worker(make_trace(*tree))] == [("main", 4), ("generator-1", 2)]
    assert not any("rate limit" in remark for remark in what_if(make_trace(*tree)).remarks)


def test_what_a_generator_records_is_no_own_time_of_it():
    parts = [("cpu", 3), ("blocked", 3)]
    generator = bar("pages", "generator-1", 0, 6, blocked_s=3, parts=parts), [bar("get", "main", 1, 2)]
    assert own_time(generator) == [(0, 1), (2, 3)]


def test_a_generator_that_always_ran_is_a_branch_like_any():
    assert own_time(bar("pages", "generator-1", 0, 6)) == []
    assert summarize(make_trace(bar("pages", "generator-1", 0, 6))).workers == 1


def test_each_stretch_of_own_time_has_parts_even_where_nobody_noted_any():
    trace = make_trace((bar("task", "t-1", 0, 4, cpu_s=1), [bar("job", "t-2", 1, 3)]))
    columns = with_own_time(Nesting.of(trace.columns)).columns
    found = stretches(columns, np.flatnonzero(is_own_time(columns)))
    assert found.owner.tolist() == [0, 1]
    assert found.cpu_share.tolist() == [0.5, 0.5]


def test_of_some_branches_each_has_a_stretch_at_its_end_even_of_no_time():
    tasks = [(bar("task", f"t-{lane}", 0, 4), [bar("job", f"u-{lane}", lane, 4)]) for lane in (0, 1, 2)]
    nesting = Nesting.of(make_trace(*tasks).columns)
    rows = with_own_time(nesting, of=contain_work(nesting) & (nesting.columns.rows["span_id"] < 5)).columns.rows
    own = np.sort(rows[rows["span_id"] < 0], order=["parent_id", "started_ns"])
    times = [(row["parent_id"], row["started_ns"] / 1e9, row["ended_ns"] / 1e9) for row in own]
    assert times == [(1, 4, 4), (3, 0, 1), (3, 4, 4)]
