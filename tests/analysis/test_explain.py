"""How the time of the workers was used: each cause alone, and the sum for any run."""

from __future__ import annotations

import asyncio
import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis.blocked_loop import blocked_loop_sentence, blocked_loops
from kaygraph_viz.analysis.explain import CAUSES, USEFUL, blocked_ns, explain, repeated_ns
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.clock.clock import sleep_async
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, bar, make_trace
from kaygraph_viz.trace.nesting import Nesting
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.trace import Trace
from tests.analysis.explain.conftest import call, each, parts_of, simulated


@given(st.data())
def test_the_parts_add_up_to_the_nanosecond(any_run, data):
    trace = data.draw(any_run)
    found, summary = explain(trace), summarize(trace)
    assert sum(found.parts_ns.values()) == found.workers * found.makespan_ns
    assert all(spent >= 0 for spent in found.parts_ns.values())
    assert found.workers == summary.workers
    assert found.makespan_s == summary.makespan_s
    assert found.useful_workers * found.makespan_s <= summary.work_s + 1e-6


@given(st.data())
def test_an_explanation_can_be_read(any_run, data):
    found = explain(data.draw(any_run))
    assert found.sentence.endswith(".")
    assert "\n" not in found.sentence
    assert str(found).startswith(found.sentence)


def test_workers_that_are_always_busy_do_useful_work():
    found = explain(make_trace(call(2, *each(4, 0, 1), *each(4, 1, 2, queued_s=1))))
    assert found.parts == {name: 8 if name == USEFUL else 0 for name in CAUSES}
    assert (found.useful_workers, found.losses) == (4, {})
    assert found.sentence == "On average 4.0 of 4 workers did useful work, which took nearly all of the worker time."
    assert "To reduce" not in str(found)


def test_threads_that_compute_wait_for_the_gil():
    found = explain(make_trace(call(4, *each(4, 0, 4, cpu_s=1))))
    assert (found.parts[USEFUL], found.parts["waiting for the GIL"]) == (4, 12)
    said = "On average 1.0 of 4 workers did useful work; waiting for the GIL took 75% of the worker time."
    assert found.sentence == said


def test_one_worker_is_told_that_it_does_one_thing_at_a_time():
    tree = call(3, bar("a", "main", 0, 1), bar("b", "main", 2, 3, queued_s=2), workers=1, executor="serial")
    found = explain(make_trace(tree))
    assert found.sentence == (
        "One worker runs one branch at a time; useful work took 67% of the worker time and dispatch 33%."
    )


def test_the_largest_losses_are_named_in_their_order():
    phases = [bar("prep", "main", 0, 2, kind="phase"),
              call(6, bar("long", "thread-1", 2, 6), *each(4, 2, 3)[1:], start=2)]  # fmt: skip
    found = explain(make_trace((bar("n", "main", 0, 6, kind="node"), phases)))
    assert list(found.losses) == ["straggler tail", "serial parts"]
    assert found.sentence == (
        "On average 1.5 of 4 workers did useful work; the straggler tail took 38% of the worker time and "
        "serial parts 25%."
    )
    assert str(found).endswith("start the longest items first, or split them into smaller ones.")
    assert sum(found.shares.values()) == pytest.approx(1)


def test_the_table_is_sorted_and_has_the_causes_that_occurred():
    lines = str(explain(make_trace(call(5, bar("long", "thread-1", 0, 5), *each(4, 0, 1)[1:])))).splitlines()
    table = lines[2:-2]
    assert table[1].split()[:3] == ["straggler", "tail", "60%"]
    assert table[2].startswith(USEFUL)
    assert [name for name in CAUSES if any(line.startswith(name) for line in table)] == [USEFUL, "straggler tail"]
    assert table[-1].startswith("total")


def test_the_html_says_what_would_help():
    made = explain(make_trace(call(5, bar("long", "thread-1", 0, 5), *each(4, 0, 1)[1:])))._repr_html_()
    assert "start the longest items first" in made
    assert made.startswith("<p>On average 1.6 of 4 workers")


@pytest.mark.parametrize("trace", [make_trace(), make_trace(bar("g", "main", 0, 1, kind="graph"))], ids=["no", "graph"])
def test_without_any_work_there_is_nothing_to_explain(trace):
    found = explain(trace)
    assert str(found) == found.sentence == "Nothing was recorded."
    assert found._repr_html_() == "<p>Nothing was recorded.</p>"
    assert set(found.parts.values()) == {0}
    assert found.useful_workers == 0


def test_a_live_trace_is_explained_as_far_as_it_goes():
    clock = FakeClock()
    with record(clock=clock) as trace:
        with span("a"):
            clock.sleep(1)
        with span("still running"):
            assert explain(trace).parts[USEFUL] == 1


def test_a_note_that_no_call_can_have_left_does_no_harm():
    phase = bar("exec", "main", 0, 2, kind="phase", executor="thread", workers=-5)
    assert parts_of((phase, [bar("a", "thread-1", 0, 2)])) == {USEFUL: 2}


def test_an_explanation_can_be_sent_to_another_process():
    found = explain(make_trace(call(2, *each(2, 0, 2))))
    assert pickle.loads(pickle.dumps(found)) == found


def test_what_is_known_is_not_called_an_upper_bound():
    turns = [("cpu", 1), ("gil", 1), ("cpu", 1)], [("gil", 1), ("cpu", 1), ("gil", 1), ("cpu", 1)]
    known = make_trace(bar("a", "thread-1", 0, 3, cpu_s=2, parts=turns[0]), bar("b", "thread-2", 0, 4, cpu_s=2, parts=turns[1]))  # noqa: E501  # fmt: skip
    guessed = make_trace(bar("a", "thread-1", 0, 3, cpu_s=2), bar("b", "thread-2", 0, 4, cpu_s=2))
    assert "upper limit" not in str(explain(known))
    assert "upper limit" in str(explain(guessed))
    assert explain(guessed).estimated == {"waiting for the GIL"}


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


def test_failed_attempts_and_the_waits_after_them_are_repeated_work():
    details = [bar("attempt 1", "thread-1", 0, 1, kind="attempt", status="error"),
               bar("wait 1", "thread-1", 1, 3, kind="wait"),
               bar("attempt 2", "thread-1", 3, 4, kind="attempt", attempt=2)]  # fmt: skip
    tree = call(4, (bar("b", "thread-1", 0, 4, attempt=2), details), bar("c", "thread-2", 0, 4), workers=2)
    assert parts_of(tree) == {USEFUL: 5, "repeated work": 3}


def test_a_fallback_after_the_last_attempt_is_useful():
    details = [bar(f"attempt {n}", "thread-1", n - 1, n, kind="attempt", status="error", attempt=n) for n in (1, 2)]
    assert parts_of(call(3, (bar("b", "thread-1", 0, 3, attempt=2), details), workers=1)) == {
        USEFUL: 1, "repeated work": 2,
    }  # fmt: skip


def test_attempts_that_were_only_counted_are_taken_to_be_equally_long():
    assert parts_of(call(4, bar("b", "thread-1", 0, 4, attempt=4), workers=1)) == {USEFUL: 1, "repeated work": 3}


@pytest.mark.parametrize("status", ["error", "timeout", "cancelled", "lost", "abandoned"])
def test_a_branch_without_result_is_no_useful_work(status):
    tree = call(2, bar("a", "thread-1", 0, 2, status=status), bar("b", "thread-2", 0, 2), workers=2)
    assert parts_of(tree) == {USEFUL: 2, "repeated work": 2}


def test_what_runs_within_a_failed_attempt_is_repeated_too():
    inner = [call(2, bar("x", "thread-2", 0, 2), workers=1), call(4, bar("x", "thread-2", 2, 4), start=2, workers=1)]
    details = [bar("attempt 1", "thread-1", 0, 2, kind="attempt", status="error"),
               bar("attempt 2", "thread-1", 2, 4, kind="attempt", attempt=2)]  # fmt: skip
    parts = parts_of(call(4, (bar("outer", "thread-1", 0, 4, attempt=2), [*details, *inner]), workers=1))
    assert (parts[USEFUL], parts["repeated work"]) == (2, 2)


def test_a_node_that_fails_leaves_the_work_of_its_branches_useful():
    phase = bar("exec", "main", 0, 2, kind="phase", status="error", executor="thread", workers=2)
    branches = [bar("a", "thread-1", 0, 2), bar("b", "thread-2", 0, 2, status="error")]
    assert parts_of((bar("n", "main", 0, 2, kind="node", status="error"), [(phase, branches)])) == {
        USEFUL: 2, "repeated work": 2,
    }  # fmt: skip


def test_branches_that_are_held_up_are_blocked():
    assert parts_of(call(2, *each(4, 0, 2, blocked_s=1.5))) == {USEFUL: 2, "blocked": 6}


def test_a_limit_within_a_failed_attempt_is_counted_once():
    held = bar("rate limit", "thread-1", 0, 1, kind="wait", blocked_s=1)
    details = [held, bar("attempt 1", "thread-1", 0, 2, kind="attempt", status="error"),
               bar("attempt 2", "thread-1", 2, 6, kind="attempt", attempt=2)]  # fmt: skip
    tree = call(6, (bar("b", "thread-1", 0, 6, attempt=2, blocked_s=1), details), workers=1)
    assert parts_of(tree) == {USEFUL: 4, "repeated work": 1, "blocked": 1}


def test_a_lock_blocks():
    async def locked(_):
        async with lock:
            await sleep_async(1)

    lock = asyncio.Lock()
    assert simulated(locked, "async", 3) == {USEFUL: 3, "blocked": 3, "straggler tail": 3}


def test_known_waits_for_a_turn_within_a_failed_attempt_are_repeated_work():
    failed = each(2, 0, 4, cpu_s=2, status="error", parts=(("cpu", 2), ("gil", 2)))
    assert parts_of(call(4, *failed, workers=2)) == {"repeated work": 8}


def test_blocked_and_repeated_time_never_exceed_the_service_time():
    bars = bar("a", "t-1", 0, 2, blocked_s=2, attempt=3), bar("b", "t-2", 0, 2, status="error", blocked_s=0.5)
    nesting = Nesting.of(make_trace(*bars).columns)
    units = np.arange(2)
    assert (blocked_ns(nesting, units) / 1e9).tolist() == [2, 0.5]
    assert (repeated_ns(nesting, units) / 1e9).tolist() == [0, 1.5]


def held_up(*names: str) -> Trace:
    """Return a trace in which each task held up the loop, each for longer than the one before."""
    return make_trace(*(
        (bar(name, f"task-{at}", 0, 9), [bar("loop blocked", f"task-{at}", 1, 1 + at, kind="wait")])
        for at, name in enumerate(names, 1)
    ))  # fmt: skip


def test_the_worst_one_comes_first_and_calls_of_a_function_are_taken_together():
    found = blocked_loops(held_up("fetch", "parse", "fetch").columns)
    assert [(each.name, each.times, each.longest_ns, each.total_ns) for each in found] == [
        ("fetch", 2, 3_000_000_000, 4_000_000_000), ("parse", 1, 2_000_000_000, 2_000_000_000),
    ]  # fmt: skip


def test_the_sentence_names_the_worst_three():
    assert blocked_loop_sentence(held_up("fetch", "parse", "fetch").columns) == (
        "The loop was held up, so that no other coroutine could go on: in fetch 2 times, for 3.00 s at most and in "
        "parse for 2.00 s."
    )
    assert blocked_loop_sentence(held_up(*"abcde").columns).endswith("in c for 3.00 s and in 2 more.")


def test_an_explanation_tells_it():
    found = explain(held_up("fetch<b>", "parse"))
    assert found.blocked_loop in str(found)
    assert "in fetch&lt;b&gt; for 1.00 s" in found._repr_html_()
    assert explain(make_trace(bar("a", "task-1", 0, 1))).blocked_loop == ""
