"""Clocks: the real one, the one in force, and what sleep and work accept."""

from __future__ import annotations

import asyncio
import contextvars
import time

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.machine import this_machine
from kaygraph_viz.clock.clock import (
    REAL,
    WORKER_KINDS,
    Clock,
    compute,
    cost,
    current_clock,
    sleep,
    sleep_async,
    use_clock,
)
from kaygraph_viz.clock.sync import run_loop, threads
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.execute.retries import default_workers
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock


def test_the_real_clock_is_in_force_by_default():
    assert current_clock() is REAL
    assert isinstance(REAL, Clock)


def test_real_stamps_are_whole_nanoseconds_that_never_go_back():
    stamps = [REAL.now_ns() for _ in range(100)]
    assert stamps == sorted(stamps)
    assert all(type(stamp) is int for stamp in stamps)


def test_real_work_uses_cpu_of_this_thread():
    before = time.thread_time_ns()
    compute(0.002)
    assert time.thread_time_ns() - before >= 2_000_000


def test_sleep_and_work_go_to_the_clock_in_force():
    clock = FakeClock()
    with use_clock(clock):
        sleep(3600)
        compute(60)
    assert clock.now_ns() == 3660 * 10**9
    assert clock.cpu_ns() == 60 * 10**9


def test_use_clock_nests_and_ends():
    outer, inner = FakeClock(), FakeClock()
    with use_clock(outer):
        with use_clock(inner):
            assert current_clock() is inner
        assert current_clock() is outer
    assert current_clock() is REAL


def test_the_clock_travels_with_a_copied_context():
    clock = FakeClock()
    with use_clock(clock):
        context = contextvars.copy_context()
    assert context.run(current_clock) is clock


def test_record_puts_its_clock_in_force():
    clock = FakeClock()
    with record(clock=clock):
        assert current_clock() is clock
    assert current_clock() is REAL


@pytest.mark.parametrize("spend", [sleep, compute])
@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), True, "1", None, 1e300, 10**400])
def test_impossible_durations_are_refused(spend, seconds):
    with pytest.raises(OptionError, match=spend.__name__):
        spend(seconds)


@pytest.mark.parametrize("seconds", [0, 0.0, 1, 1e9])
def test_possible_durations_pass(seconds):
    with use_clock(FakeClock()) as clock:
        sleep(seconds)
    assert clock.now_ns() == seconds * 10**9


def test_cost_is_for_simulated_time_only():
    clock = FakeClock()
    with use_clock(clock):
        cost(5)
    assert clock.now_ns() == 0
    with VirtualClock() as virtual:
        cost(5)
        assert (virtual.now_ns(), virtual.cpu_ns()) == (5_000_000_000, 5_000_000_000)
    with pytest.raises(OptionError, match="cost"):
        cost(-1)


# -- a clock of one's own --------------------------------------------------------------------------------------------


class Own(Clock):
    """A clock with nothing but the four methods that have no default."""

    def __init__(self):
        self.slept_s = 0.0

    def now_ns(self):
        return round(self.slept_s * 1e9)

    def cpu_ns(self):
        return 0

    def sleep(self, seconds):
        self.slept_s += seconds

    def compute(self, seconds):
        self.slept_s += seconds


def test_a_clock_with_four_methods_has_real_threads_loops_and_workers():
    clock = Own()
    with use_clock(clock):
        assert threads() is REAL.threads
        assert default_workers() == default_workers("thread")
        assert not any(clock.simulates(kind) for kind in WORKER_KINDS)
        with get_executor("thread", 2) as executor, record() as trace:
            assert [outcome.value for outcome in executor.imap(str.upper, "ab")] == ["A", "B"]
    assert len(trace) == 2
    assert trace.machine is None


def test_it_sleeps_in_a_thread_where_coroutines_do():
    clock = Own()
    with use_clock(clock):
        asyncio.run(sleep_async(5))
    assert clock.slept_s == 5


def test_it_sleeps_where_it_may_wait_for_an_event():
    clock = Own()
    clock.wait(clock.threads.Event(), 5)
    asyncio.run(clock.wait_async(asyncio.Event(), 2))
    assert clock.slept_s == 7


@pytest.mark.parametrize("clock", [REAL, "virtual"], ids=["real", "virtual"])
def test_a_wait_for_an_event_ends_when_it_is_set(clock):
    async def main():
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        await current_clock().wait_async(event, 3_600)
        return event.is_set()

    with record(clock=clock):
        event = threads().Event()
        event.set()
        current_clock().wait(event, 3_600)
        assert run_loop(main())


def test_a_wait_for_an_event_that_is_not_set_ends_in_time():
    with record(clock="virtual"):
        current_clock().wait(threads().Event(), 3)
        run_loop(current_clock().wait_async(asyncio.Event(), 2))
        assert current_clock().now_ns() == 5 * 10**9


def test_it_waits_for_an_event_of_its_threads_beside_a_loop():
    clock = Own()

    async def main():
        event = clock.threads.Event()
        asyncio.get_running_loop().call_soon(event.set)
        assert clock.is_kept_by(asyncio.get_running_loop())
        await clock.wait_beside(event)
        return event.is_set()

    assert asyncio.run(main())


def test_an_object_with_the_four_methods_that_is_no_clock_is_refused():
    class Duck:
        now_ns, cpu_ns, sleep, compute = Own.now_ns, Own.cpu_ns, Own.sleep, Own.compute

    with pytest.raises(OptionError, match=r"a subclass of kaygraph_viz\.clock\.clock\.Clock"), record(clock=Duck()):
        pass


def test_a_clock_without_one_of_the_four_methods_cannot_be_made():
    class Mute(Clock):
        now_ns, cpu_ns, sleep = Own.now_ns, Own.cpu_ns, Own.sleep

    with pytest.raises(TypeError, match="compute"):
        Mute()


def test_a_clock_says_how_many_workers_there_are_by_default():
    class Seven(Own):
        default_workers = 7

    with use_clock(Seven()):
        assert get_executor("process").workers == default_workers() == 7


def test_a_clock_says_what_a_worker_of_a_stage_costs():
    clock = Own()
    clock.start_up_s, clock.dispatch_s = {"thread": 10.0}, {"thread": 1.0}
    node = kv.PipelineNode([kv.Stage("double", lambda item: 2 * item)])
    node.prep = lambda shared: [1, 2, 3]
    with record(clock=clock):
        node.run({})
    assert clock.slept_s == 13


def test_machines_are_those_of_the_clock():
    assert REAL.machine == this_machine()
    assert VirtualClock(cores=3).machine.cores == 3
    assert FakeClock().machine is None
