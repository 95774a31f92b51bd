"""Idle workers: what each of them waited for, in every shape of a run."""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.explain import USEFUL, Idle, idle_time
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting, unit_mask
from tests.analysis.explain.conftest import call, each, parts_of


def test_workers_starve_when_the_input_is_slow():
    assert parts_of(call(3, *each(4, 0, 1), *each(4, 2, 3))) == {USEFUL: 8, "starved": 4}


def test_an_input_that_is_slow_at_first_starves_them_too():
    assert parts_of(call(3, *each(4, 1, 3))) == {USEFUL: 8, "starved": 4}


def test_prep_and_post_are_serial_parts():
    phases = [bar("prep", "main", 0, 1, kind="phase"), call(3, *each(4, 1, 3), start=1),
              bar("post", "main", 3, 4, kind="phase")]  # fmt: skip
    assert parts_of((bar("n", "main", 0, 4, kind="node"), phases)) == {USEFUL: 10, "serial parts": 6}


def test_a_call_with_fewer_workers_than_elsewhere_is_partly_serial():
    wide = call(1, *each(4, 0, 1))
    narrow = call(3, *each(2, 1, 3), start=1, workers=2)
    assert parts_of(wide, narrow) == {USEFUL: 8, "serial parts": 4}


def test_the_end_of_a_pool_after_its_last_branch_is_serial():
    assert parts_of(call(3, *each(4, 0, 2))) == {USEFUL: 8, "serial parts": 4}


def test_a_worker_that_waits_for_the_last_branch_is_in_its_tail():
    assert parts_of(call(5, bar("long", "thread-1", 0, 5), *each(4, 0, 1)[1:])) == {USEFUL: 8, "straggler tail": 12}


def test_workers_without_any_branch_are_in_the_tail_of_a_short_batch():
    assert parts_of(call(2, *each(2, 0, 2))) == {USEFUL: 4, "straggler tail": 4}


def test_workers_that_have_to_start_are_dispatch():
    assert parts_of(call(3, *each(4, 2, 3, "process", queued_s=2), executor="process")) == {USEFUL: 4, "dispatch": 8}


def test_gaps_between_queued_branches_are_dispatch():
    assert parts_of(call(5, *each(4, 0, 2), *each(4, 3, 5, queued_s=3))) == {USEFUL: 16, "dispatch": 4}


def test_no_more_workers_wait_than_there_are_branches_queued():
    tree = call(2, bar("a", "thread-1", 0, 2), bar("b", "thread-2", 1, 2, queued_s=1), workers=4)
    assert parts_of(tree) == {USEFUL: 3, "dispatch": 1, "straggler tail": 4}


def test_threads_that_cannot_begin_beside_code_without_the_gil_are_dispatched_late():
    first, second = bar("a", "thread-1", 0, 2, cpu_s=2), bar("b", "thread-2", 2, 4, cpu_s=2, queued_s=2)
    free = Machine(2, "CPython 3.14", has_gil=False)
    parts = parts_of(call(4, first, second, workers=2), machine=free)
    assert parts == {USEFUL: 4, "dispatch": 2, "straggler tail": 2}


def test_a_thread_that_cannot_even_begin_waits_for_the_gil():
    first, second = bar("a", "thread-1", 0, 2, cpu_s=2), bar("b", "thread-2", 2, 4, cpu_s=2, queued_s=2)
    parts = parts_of(call(4, first, second, workers=2))
    assert parts == {USEFUL: 4, "waiting for the GIL": 2, "straggler tail": 2}


def test_coroutines_that_block_the_loop_keep_the_others_from_beginning():
    first, second = bar("a", "async-1", 0, 2, cpu_s=0), bar("b", "async-2", 2, 4, cpu_s=0, queued_s=2)
    parts = parts_of(call(4, first, second, workers=2, executor="async"))
    assert parts == {USEFUL: 4, "waiting for the loop": 2, "straggler tail": 2}


def test_tasks_of_other_programs_are_coroutines_as_well():
    first, second = bar("a", "task-1", 0, 2, cpu_s=0), bar("b", "task-2", 2, 4, cpu_s=0, queued_s=2)
    assert parts_of(first, second) == {USEFUL: 4, "waiting for the loop": 2, "straggler tail": 2}


def test_coroutines_that_have_not_begun_at_all_are_dispatched_late():
    assert parts_of(call(3, *each(4, 2, 3, "async", queued_s=2), executor="async")) == {USEFUL: 4, "dispatch": 8}


def test_branches_without_a_phase_are_a_call_where_they_overlap():
    load, save = bar("load", "main", 0, 1), bar("save", "main", 4, 5)
    pool = [bar("page", "pool_1-0", 1, 4), bar("page", "pool_1-1", 1, 2), bar("page", "pool_1-1", 3, 4)]
    assert parts_of(load, *pool, save) == {USEFUL: 7, "serial parts": 2 * 2 + 1 + 2, "starved": 1}


def test_stages_with_workers_of_their_own_do_not_take_each_others_items():
    read = [bar("read", "read-1", start, start + 2, queued_s=start) for start in (0, 2)]
    store = [bar("store", "store-1", 2, 3), bar("store", "store-1", 4, 5)]
    parts = parts_of((bar("exec", "main", 0, 5, kind="phase"), [*read, *store]))
    assert "dispatch" not in parts


def test_a_worker_that_waits_for_branches_of_its_own_has_no_free_slot():
    inner = call(4, *[bar("x", f"thread-{n}", 0, 4) for n in (2, 3)], workers=2)
    parts = parts_of(call(4, (bar("outer", "thread-1", 0, 4), [inner]), workers=1))
    assert parts == {USEFUL: 8}


def test_idle_time_and_work_are_the_time_of_all_workers():
    trace = make_trace(call(4, *each(2, 1, 2, queued_s=1), bar("c", "thread-1", 3, 4), workers=3))
    nesting = Nesting.of(trace.columns)
    units = np.flatnonzero(unit_mask(nesting))
    found = idle_time(nesting, units, 3, np.zeros(len(units), bool))
    assert sum(found) == (3 * 4 - 3) * 10**9
    seconds = {name: spent / 1e9 for name, spent in found._asdict().items() if spent}
    assert seconds == {"dispatch": 2, "starved": 5, "tail": 2}


def test_a_busy_interpreter_holds_up_only_its_own_threads():
    nesting = Nesting.of(
        make_trace(call(2, bar("a", "thread-1", 0, 1), bar("b", "thread-2", 1, 2, queued_s=1))).columns
    )
    units = np.flatnonzero(unit_mask(nesting))
    assert idle_time(nesting, units, 2, np.ones(2, bool)) == Idle(10**9, 0, 0, 0, 10**9, 0)
    assert idle_time(nesting, units, 2, np.zeros(2, bool)) == Idle(0, 0, 10**9, 0, 10**9, 0)
