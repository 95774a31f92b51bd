"""Workers: those that ran, those that stayed idle, the calls that had them, and loops that took items from a queue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis.calls import Calls
from kaygraph_viz.analysis.critical_path import critical_path
from kaygraph_viz.analysis.explain import USEFUL, explain
from kaygraph_viz.analysis.per_item import NameLoad, WorkerLoad, per_name, per_worker
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.analysis.worker_loops import finished_ns, input_waits, loops_as_items
from kaygraph_viz.analysis.workers import (
    count_workers,
    idle_lanes,
    kind_of_lane,
    noted_workers,
    process_of_lane,
)
from kaygraph_viz.base.checks import MAX_WORKERS
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.intervals import union_length_ns
from kaygraph_viz.trace.nesting import Nesting, unit_mask


def test_a_file_may_claim_any_number_of_workers():
    assert noted_workers({"executor": "thread", "workers": 10**12}) == MAX_WORKERS
    assert noted_workers({"executor": "thread", "workers": -1}) == 0
    assert noted_workers({"executor": 5, "workers": 2}) is None
    assert noted_workers({"executor": "thread", "workers": "many"}) is None


def noted(workers, *bars, executor="thread"):
    return make_trace((bar("exec", "main", 0, 9, kind="phase", executor=executor, workers=workers), list(bars)))


def counted(trace):
    nesting = Nesting.of(trace.columns)
    return count_workers(nesting, unit_mask(nesting))


def test_idle_workers_have_the_lowest_numbers_that_are_free():
    assert idle_lanes(noted(4, bar("a", "thread-2", 0, 1)).columns) == ["thread-1", "thread-3", "thread-4"]
    assert idle_lanes(noted(1, bar("a", "thread-2", 0, 1)).columns) == []


def test_where_no_worker_ran_anything_no_lane_is_invented():
    assert idle_lanes(noted(4).columns) == []


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_idle_workers_are_counted(workers):
    assert counted(noted(workers, bar("a", "thread-1", 0, 1))) == workers


def test_there_are_as_many_workers_as_units_at_once():
    assert counted(make_trace(bar("a", "t-1", 0, 2), bar("b", "t-2", 1, 3), bar("c", "t-1", 2, 3))) == 2
    assert counted(make_trace(bar("prep", "main", 0, 1, kind="phase"))) == 1


def test_lanes_tell_kind_and_process():
    assert [kind_of_lane(lane) for lane in ("thread-12", "process-1/thread-2", "main")] == [
        "thread",
        "process-1/thread",
        "",
    ]
    assert [process_of_lane(lane) for lane in ("async-1", "dask-3", "dask-3/thread-1")] == ["", "dask-3", "dask-3"]


def calls_of(*trees):
    return Calls.of(Nesting.of(make_trace(*trees).columns))


def test_a_phase_that_started_workers_is_one_call_until_its_last_branch_ends():
    phase = bar("exec", "main", 0, 9, kind="phase", executor="thread", workers=3)
    found = calls_of((phase, [bar("a", "thread-1", 1, 2), bar("b", "thread-1", 5, 7)]))
    assert (found.begins.tolist(), found.ends.tolist(), found.workers.tolist()) == ([0], [7 * 10**9], [3])


def test_a_branch_that_outlives_its_phase_counts_until_its_end():
    phase = bar("exec", "main", 0, 3, kind="phase", executor="thread", workers=1)
    found = calls_of((phase, [bar("a", "thread-1", 1, 8, status="abandoned")]))
    assert (found.ended.tolist(), found.ends.tolist()) == ([3 * 10**9], [3 * 10**9])


def test_without_notes_what_overlaps_or_queues_belongs_together():
    found = calls_of(bar("a", "t-1", 0, 2), bar("b", "t-1", 2, 3, queued_s=1), bar("c", "t-1", 4, 5))
    assert found.call.tolist() == [0, 0, 1]
    assert found.workers.tolist() == [1, 1]


def test_without_notes_each_kind_of_lane_is_a_call_of_its_own():
    found = calls_of(bar("a", "read-1", 0, 2), bar("b", "store-1", 0, 2), bar("c", "store-2", 1, 3))
    assert sorted(zip(found.lanes, found.workers.tolist(), strict=True)) == [("read-1", 1), ("store-1", 2)]


def test_a_trace_without_branches_has_no_calls():
    assert len(calls_of(bar("prep", "main", 0, 1, kind="phase")).workers) == 0


def test_counts_and_times_of_each_worker_by_number():
    trace = make_trace(
        bar("a", "thread-10", 1, 3, cpu_s=1),
        bar("b", "thread-2", 1, 2, cpu_s=0.5, queued_s=1),
        bar("c", "thread-2", 2, 6, status="error", error="ValueError: bad"),
        bar("prep", "main", 0, 9, kind="phase"),
    )
    assert per_worker(trace) == [
        WorkerLoad("thread-2", 2, 1, 5.0, 0.5, 6.0),
        WorkerLoad("thread-10", 1, 0, 2.0, 1.0, 3.0),
    ]


def test_a_branch_that_contains_others_is_not_counted_twice():
    trace = make_trace((bar("chunk", "t-1", 0, 3), [bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 3)]))
    assert per_worker(trace) == [WorkerLoad("t-1", 2, 0, 3.0, None, 3.0)]


def test_workers_that_got_nothing_to_do_are_there():
    phase = bar("exec", "main", 0, 1, kind="phase", executor="thread", workers=2)
    assert per_worker(make_trace((phase, [bar("a", "thread-1", 0, 1)])))[1] == WorkerLoad("thread-2")


def test_nothing_recorded_nobody_worked():
    assert per_worker(make_trace()) == []


def test_names_come_by_their_work_and_what_failed_is_counted():
    trace = make_trace(
        bar("search", "t-1", 0, 2), bar("ask", "t-2", 0, 2), bar("ask", "t-3", 1, 3, status="error", error="no"),
        bar("ask", "t-1", 5, 6), bar("prep", "main", 0, 9, kind="phase"),
    )  # fmt: skip
    assert per_name(trace) == [NameLoad("ask", 3, 1, 5.0, 4.0), NameLoad("search", 1, 0, 2.0, 2.0)]


def test_a_branch_around_others_is_not_counted_beside_them():
    assert per_name(make_trace((bar("chunk", "t", 0, 3), [bar("a", "t", 0, 1)]))) == [NameLoad("a", 1, 0, 1.0, 1.0)]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.integers(0, 9)), min_size=1, max_size=12))
def test_the_time_in_which_any_ran_is_the_union(drawn):
    trace = make_trace(*(bar(name, f"t-{at}", start, start + long) for at, (name, start, long) in enumerate(drawn)))
    for load in per_name(trace):
        times = np.array([(start, start + long) for name, start, long in drawn if name == load.name]) * 10**9
        assert load.busy_s == union_length_ns(times[:, 0], times[:, 1]) / 1e9
        assert load.work_s == (times[:, 1] - times[:, 0]).sum() / 1e9


def loop(lane, end, *waits, status="cancelled", name="worker", **facts):
    """Return a loop that ended at `end`, with its waits for items: pairs of times."""
    blocked_s = sum(until - since for since, until in waits)
    gets = [bar("Queue.get", lane, *wait, kind="wait", blocked_s=wait[1] - wait[0]) for wait in waits]
    return bar(name, lane, 0, end, status=status, blocked_s=blocked_s, **facts), gets


def nesting_of(*tree):
    return Nesting.of(make_trace(*tree).columns)


def parts_of(*tree):
    found = explain(make_trace(*tree))
    assert sum(found.parts_ns.values()) == found.workers * found.makespan_ns
    return {name: spent for name, spent in found.parts.items() if spent}


POOL = loop("task-2", 10, (1, 2), (9, 10)), loop("task-3", 10, (8, 10)), loop("task-4", 10, (3, 4), (7, 10))


def test_waits_for_items_are_those_in_get():
    other = bar("Lock.acquire", "task-2", 3, 4, kind="wait", blocked_s=1)
    branch, waits = POOL[0]
    assert input_waits(nesting_of((branch, [*waits, other]))).started.tolist() == [10**9, 9 * 10**9]


def test_a_loop_that_is_cancelled_while_it_waits_has_finished_its_work():
    assert parts_of(*POOL) == {USEFUL: 8 + 8 + 6, "starved": 2, "straggler tail": 1 + 2 + 3}


def test_what_followed_the_last_wait_is_lost_if_no_loop_waited_when_all_were_cancelled():
    assert parts_of(loop("task-2", 10, (1, 2)), loop("task-3", 10, (5, 6))) == {
        USEFUL: 1 + 5, "repeated work": 8 + 4, "starved": 2,
    }  # fmt: skip


def test_a_last_wait_that_was_too_short_to_be_noted_loses_nothing():
    assert parts_of(loop("task-2", 10, (9, 10)), loop("task-3", 10))[USEFUL] == 9 + 10


def test_a_cancelled_branch_that_waited_for_a_lock_is_lost():
    wait = bar("Lock.acquire", "task-1", 3, 4, kind="wait", blocked_s=1)
    assert parts_of((bar("loser", "task-1", 0, 4, status="cancelled", blocked_s=1), [wait])) == {
        "repeated work": 3, "blocked": 1,
    }  # fmt: skip


def test_a_loop_that_goes_on_until_the_recording_ends_has_lost_nothing():
    assert finished_ns(nesting_of(loop("thread-1", 10, (1, 2), status="abandoned"))).tolist()[0] == 10**10


@pytest.mark.parametrize(("status", "wasted"), [("lost", 4), ("abandoned", 0), ("cancelled", 10), ("error", 10)])
def test_what_ended_well_in_a_process_that_the_program_ends_was_useful(status, wasted):
    jobs = [bar("job", "process-1/thread-1", 1, 3), bar("job", "process-1/thread-1", 4, 6)]
    killed = bar("loop", "process-1", 0, 10, status=status)
    assert parts_of((killed, jobs)).get("repeated work", 0) == wasted


def test_an_item_that_was_given_up_is_lost_with_all_that_it_did():
    killed = bar("item", "process-1", 0, 10, status="lost", index=3)
    assert parts_of((killed, [bar("job", "process-1/thread-1", 1, 3)]))["repeated work"] == 10


def test_what_a_loop_runs_elsewhere_counts_as_its_own_work_does():
    branch, waits = loop("task-1", 10, (0, 1), (5, 6))
    jobs = [bar("job", "pool_0", 2, 3), bar("job", "pool_0", 7, 9)]
    assert parts_of((branch, [*waits, *jobs]))["repeated work"] == 4  # from 6 to 10


@pytest.mark.parametrize("status", ["ok", "cancelled"])
def test_the_work_between_two_waits_is_an_item(status):
    columns = loops_as_items(nesting_of(loop("task-1", 6, (1, 2), (5, 6), status=status, cpu_s=0.4))).columns
    spans = [columns.span(place) for place in range(len(columns))]
    assert spans[0].started_ns == 0
    assert spans[-1].ended_ns == 5 * 10**9
    assert sum(span.service_s for span in spans) == pytest.approx(4)
    assert len(spans) == 16
    assert {span.status for span in spans} == {"ok"}


def test_items_have_the_parts_of_their_loop():
    parts = [("cpu", 1), ("blocked", 1), ("wait", 14)]
    tree = loop("task-1", 16, (1, 2), cpu_s=1, parts=parts)
    columns = loops_as_items(nesting_of(tree)).columns
    assert [[part.kind for part in columns.span(place).parts] for place in range(3)] == [["cpu"], ["cpu"], ["wait"]]


def test_the_speedup_of_loops_is_that_of_their_work():
    summary = summarize(make_trace(*POOL))
    assert summary.workers == 3
    assert summary.serial_s == pytest.approx(22, rel=0.02)


def test_other_numbers_of_loops_share_the_work():
    found = what_if(make_trace(*POOL), [1, 2, 3, 22])
    assert found.recorded_workers == 3
    assert found.makespan_s[1] == pytest.approx(22, rel=0.1)
    assert found.makespan_s[2] == pytest.approx(11, rel=0.15)
    assert found.makespan_s[22] < 6  # of which the waits for items are three
    assert "workers themselves" in " ".join(found.remarks)
    assert summarize(found.trace(2).validate()).workers == 2


def test_loops_that_were_stopped_with_nothing_left_to_do_are_no_problem():
    summary = summarize(make_trace(*POOL, bar("loser", "task-9", 0, 1, status="cancelled")))
    assert (summary.counts["cancelled"], summary.counts["cancelled_loops"]) == (4, 3)
    assert summary.sentence.endswith("; problems: 1 cancelled.")
    assert "3 loops stopped when all items were done" in str(summary)
    assert "problems" not in summarize(make_trace(*POOL)).sentence


def test_loops_that_are_cancelled_after_all_items_were_done_need_no_noted_wait():
    join = bar("Queue.join", "task-1", 1, 9, kind="wait", blocked_s=8)
    late = bar("late", "task-3", 9.2, 9.4, status="cancelled")
    main = bar("main", "task-1", 0, 10, blocked_s=8), [join, loop("task-2", 9.1), late]
    assert finished_ns(nesting_of(main)).tolist() == [10**10, int(9.1e9), 9 * 10**9, int(9.2e9)]


def test_where_the_waits_show_the_items_they_are_not_cut():
    waits = [(n, n + 0.5) for n in range(1, 6)]
    columns = loops_as_items(nesting_of(loop("task-1", 6, *waits), loop("task-2", 9, *waits))).columns
    assert len(columns) == 2 * (2 + 4) + 1 + 7  # of half a second each: 1 s before the first wait, 3.5 s after the last


def test_more_workers_would_have_shared_the_items_of_a_loop():
    waits = [(n, n + 0.5) for n in range(1, 6)]
    tree = loop("task-1", 6, *waits), loop("task-2", 6, *waits), bar("other", "task-3", 0, 2)
    assert summarize(make_trace(*tree)).critical_path_s == 2
    path = critical_path(make_trace(*tree[:2]))
    assert (path.dependency_s, len(path.dependency_ids)) == (0.5, 1)
    assert path.sentence.endswith("with one worker for each branch it would still take 0.500 s.")


def task(lane, *parts, status="cancelled", name="worker"):
    """Return a task of which parts say when it was blocked."""
    blocked_s = sum(lasts_s for kind, lasts_s in parts if kind == "blocked")
    lasts_s = sum(lasts_s for _, lasts_s in parts)
    return bar(name, lane, 0, lasts_s, status=status, blocked_s=blocked_s, parts=list(parts))


TASKS = (
    task("task-2", ("wait", 1), ("blocked", 1), ("wait", 7), ("blocked", 1)),
    task("task-3", ("wait", 8), ("blocked", 2)),
    task("task-4", ("wait", 3), ("blocked", 1), ("wait", 6)),
)


def test_tasks_that_were_blocked_when_they_were_cancelled_are_loops():
    assert parts_of(*TASKS) == {USEFUL: 8 + 8 + 9, "starved": 2, "straggler tail": 1 + 2}
    assert "problems" not in summarize(make_trace(*TASKS)).sentence
    assert what_if(make_trace(*TASKS), [1]).makespan_s[1] == pytest.approx(25, rel=0.15)


@pytest.mark.parametrize("lane", ["async-1", "thread-1"])
def test_other_branches_that_were_blocked_when_they_were_cancelled_are_lost(lane):
    assert parts_of(task(lane, ("wait", 3), ("blocked", 1))) == {"repeated work": 3, "blocked": 1}


def test_tasks_that_were_blocked_only_before_are_lost():
    assert parts_of(task("task-1", ("wait", 1), ("blocked", 1), ("wait", 2))) == {"repeated work": 3, "blocked": 1}


def test_tasks_that_ended_by_themselves_are_no_loops():
    assert not len(input_waits(nesting_of(task("task-1", ("wait", 3), ("blocked", 1), status="ok"))).owner)


def test_of_loops_that_contain_other_branches_it_is_said_that_more_would_have_nothing_to_do():
    branch, waits = loop("task-2", 10, (0, 1), (9, 10))
    tree = (
        bar("main", "task-1", 0, 10),
        [(branch, [*waits, bar("job", "pool_0", 2, 3)]), loop("task-3", 10, (9, 10))[0]],
    )
    assert "get nothing to do" in " ".join(what_if(make_trace(tree), [2]).remarks)
