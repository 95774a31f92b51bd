"""Clocks: the real one, the one in force, and what sleep and work accept."""

from __future__ import annotations

import contextvars
import time

import pytest

from kaygraph_viz.clock import REAL, Clock, compute, cost, current_clock, sleep, use_clock
from kaygraph_viz.errors import OptionError
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import record
from kaygraph_viz.virtual.clock import VirtualClock


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
