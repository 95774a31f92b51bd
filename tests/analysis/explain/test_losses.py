"""Repeated work and blocked time: failed attempts, lost results, limits."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from kaygraph_viz.analysis.explain import USEFUL, blocked_ns, repeated_ns
from kaygraph_viz.clock.clock import sleep_async
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting
from tests.analysis.explain.conftest import call, each, parts_of, simulated


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
