"""Several modules together: the parts of coroutines and of waits of this package are known under a real clock."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.columns import stretches
from kaygraph_viz.trace.lanes import Lane

MS = 1_000_000
HOLD_S = 0.03  # so long that what a busy machine adds is little beside it
DOES = [PART_CODE["cpu"], PART_CODE["unknown"]]


def kinds(span):
    return [part.kind for part in span.parts if part.lasted_ns >= MS]


def held_up(span):
    """Return the kinds of its longer parts, but for what a busy machine adds."""
    return [kind for kind in kinds(span) if kind not in ("gil", "cpu", "unknown")]


def recorded(kind, function, items, workers=4, **options):
    with kv.record(**options) as trace, kv.get_executor(kind, workers) as executor:
        list(executor.imap(function, items))
    return trace.validate()


def test_a_sleep_of_ours_is_exact_in_a_thread():
    def work(_):
        kv.compute(0.002)
        kv.sleep(0.003)
        kv.compute(0.002)

    (branch,) = recorded("thread", work, [0]).where(kind="branch")
    before, *_, after = [part for part in branch.parts if part.lasted_ns >= MS]
    (wait,) = [part for part in branch.parts if part.kind == "wait"]
    assert wait.lasted_ns >= 3 * MS
    assert {before.kind, after.kind} <= {"cpu", "unknown"}
    assert (branch.parts[0].started_ns, branch.parts[-1].ended_ns) == (branch.started_ns, branch.ended_ns)


@pytest.mark.processes
def test_what_a_process_waited_for_comes_home():
    (branch,) = recorded("process", lambda _: kv.sleep(0.005), [0]).where(kind="branch")
    assert "wait" in kinds(branch)


def test_a_clock_of_tests_is_noted_too():
    clock = FakeClock()
    (branch,) = recorded("serial", lambda _: (clock.compute(0.5), kv.sleep(1)), [0], clock=clock).where(kind="branch")
    assert [(part.kind, part.lasted_ns) for part in branch.parts] == [("cpu", 500 * MS), ("wait", 1000 * MS)]


def test_no_two_coroutines_of_a_loop_compute_at_once():
    async def work(number):
        kv.compute(0.001 * number)
        await asyncio.sleep(0.002)
        kv.compute(0.001)
        await asyncio.sleep(0)
        kv.compute(0.001)

    trace = recorded("async", work, range(1, 7), 6)
    found = stretches(trace.columns, np.flatnonzero(trace.columns.is_kind("branch")))
    does = np.isin(found.kind, DOES)
    order = np.argsort(found.started_ns[does], kind="stable")
    assert (found.started_ns[does][order][1:] >= found.ended_ns[does][order][:-1]).all()
    assert {"wait"} <= {kind for span in trace.where(kind="branch") for kind in kinds(span)}


def test_a_limit_blocks_a_thread_where_it_did():
    limit, is_there = kv.RateLimit(in_flight=1), threading.Event()

    def limited(number):
        if number:
            is_held.wait()
            is_there.set()
        with limit:
            is_held.set()
            is_there.wait()
            kv.sleep(HOLD_S)

    is_held = threading.Event()
    (second,) = [span for span in recorded("thread", limited, range(2), 2).where(kind="branch") if span.index == 1]
    assert held_up(second) == ["blocked", "wait"]
    assert second.blocked_ns == sum(part.lasted_ns for part in second.parts if part.kind == "blocked")


def test_a_limit_blocks_a_coroutine_where_it_did():
    limit = kv.RateLimit(in_flight=1)

    async def limited(_):
        async with limit:
            await kv.sleep_async(HOLD_S)

    first, second = sorted(recorded("async", limited, range(2), 2).where(kind="branch"), key=lambda span: span.ended_ns)
    assert held_up(first) == ["wait"]
    assert held_up(second) == ["blocked", "wait"]


def test_a_limit_blocks_a_task_of_the_user():
    limit = kv.RateLimit(in_flight=1)

    async def call(number):
        with kv.span(f"call {number}"):
            async with limit:
                await asyncio.sleep(HOLD_S)

    async def main():
        await asyncio.gather(call(0), call(1))

    with kv.record() as trace:
        asyncio.run(main())
    (second,) = trace.where(name="call 1", kind="branch")
    assert held_up(second)[0] == "blocked"


@pytest.mark.parametrize("clock", ["virtual", None])
def test_a_limit_blocks_who_waits_for_a_coroutine(clock):
    limit = kv.RateLimit(per_second=1)

    async def ask():
        async with limit:
            pass

    def call(_):
        limit.pause(0.02)
        kv.run(ask())

    (branch,) = recorded("thread", call, [0], clock=clock).where(kind="branch")
    assert "blocked" in kinds(branch)
    assert branch.blocked_ns == sum(part.lasted_ns for part in branch.parts if part.kind == "blocked")


def test_a_lock_of_ours_blocks():
    lock, is_held, is_there = kv.Lock(), threading.Event(), threading.Event()

    def work(number):
        if number:
            is_held.wait()
            is_there.set()
        with lock:
            is_held.set()
            is_there.wait()
            kv.sleep(HOLD_S)

    (second,) = [span for span in recorded("thread", work, range(2), 2).where(kind="branch") if span.index == 1]
    assert held_up(second)[-2:] == ["blocked", "wait"]
    assert second.blocked_ns == sum(part.lasted_ns for part in second.parts if part.kind == "blocked")


def test_the_pause_before_a_retry_is_a_part():
    def fail(number):
        raise ValueError(number)

    policy = kv.RetryPolicy(2, wait=0.003)
    with kv.record() as trace, kv.get_executor("thread", 1) as executor:
        list(executor.imap(fail, [0], retry=policy, on_error="collect"))
    assert held_up(trace.where(kind="branch")[0]) == ["pause"]


def test_the_cpu_time_of_a_task_is_not_that_of_others():
    async def waits():
        with kv.span("waits"):
            await asyncio.sleep(0.004)

    async def computes():
        kv.compute(0.003)

    async def main():
        await asyncio.gather(waits(), computes())

    with kv.record() as trace:
        asyncio.run(main())
    (span,) = trace.where(name="waits")
    assert span.cpu_ns is None


def test_a_span_in_a_coroutine_has_its_own_cpu_time():
    async def work(number):
        with kv.span("inner"):
            await asyncio.sleep(0.002)
            if number:
                kv.compute(0.004)

    trace = recorded("async", work, range(2), 2)
    cpu_ns = sorted(span.cpu_ns for span in trace.where(name="inner"))
    assert cpu_ns[0] < 2 * MS < cpu_ns[1]


def test_without_cpu_time_what_we_wait_for_is_known_all_the_same():
    (branch,) = recorded("thread", lambda _: kv.sleep(0.003), [0], cpu_time=False).where(kind="branch")
    assert "wait" in kinds(branch)
    assert branch.cpu_ns is None


@pytest.mark.parametrize("kind", ["thread", "serial"])
def test_tiny_branches_note_nothing(kind):
    trace = recorded(kind, lambda item: item, range(100))
    assert [span for span in trace.where(kind="branch") if span.noted_parts is not None] == []


def test_a_coroutine_that_only_computed_notes_nothing():
    lane = Lane("async-1", REAL.cpu_ns)
    lane.log.add("cpu", 100, 200)
    assert lane.stepped(100, 200) == (100, 0, None)


def test_a_coroutine_that_could_go_on_waits_for_its_loop():
    async def work(number):
        if number == 0:
            await asyncio.sleep(0.001)
            return
        await asyncio.sleep(0)
        kv.compute(0.02)

    trace = recorded("async", work, range(2), 2)
    (sleeper,) = [span for span in trace.where(kind="branch") if span.index == 0]
    assert "gil" in kinds(sleeper)


def test_who_only_gives_way_is_ready_at_once():
    async def work(_):
        await asyncio.sleep(0)
        kv.compute(0.003)

    trace = recorded("async", work, range(2), 2)
    assert {kind for span in trace.where(kind="branch") for kind in kinds(span)} <= {"cpu", "unknown", "gil"}


def test_asyncios_own_locks_block_under_the_real_clock_too():
    places = asyncio.Semaphore(1)

    async def work(_):
        async with places:
            await asyncio.sleep(HOLD_S)

    found = recorded("async", work, range(2), 2).where(kind="branch")
    assert sorted(held_up(span) for span in found) == [["blocked", "wait"], ["wait"]]
