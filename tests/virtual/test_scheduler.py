"""Who runs when: the order of ties, waking, ending, interrupts; always one at a time."""

from __future__ import annotations

import threading
from contextlib import suppress
from multiprocessing.pool import ThreadPool

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.clock import REAL, sleep, use_clock
from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.sync import threads
from kaygraph_viz.virtual import user_threads as started
from kaygraph_viz.virtual.clock import VirtualClock
from kaygraph_viz.virtual.fiber import Stopped

GUARD_S = 20.0


def start(function, *args):
    thread = threads().Thread(function, args)
    thread.start()
    return thread


def order_of(seed, sleeps_s):
    """Return in which order threads that sleep so long come back, and when [s]."""
    seen = []

    def run(number, seconds):
        sleep(seconds)
        seen.append((number, clock.now_ns() / 1e9))

    with VirtualClock(seed) as clock:
        started = [start(run, number, seconds) for number, seconds in enumerate(sleeps_s)]
        for thread in started:
            thread.join()
    return seen


# -- order -----------------------------------------------------------------------------------------------------------


def test_time_jumps_from_event_to_event():
    assert order_of(0, [3, 1, 2]) == [(1, 1), (2, 2), (0, 3)]


def test_at_one_instant_those_go_first_who_fell_asleep_first():
    assert order_of(0, [1] * 5) == [(number, 1) for number in range(5)]


def test_another_seed_draws_another_order_of_ties_and_each_seed_its_own():
    orders = {seed: tuple(number for number, _ in order_of(seed, [1] * 6)) for seed in range(1, 6)}
    assert len(set(orders.values())) == 5
    assert all(sorted(order) == list(range(6)) for order in orders.values())
    assert orders[3] == tuple(number for number, _ in order_of(3, [1] * 6))


@given(st.lists(st.integers(0, 3), max_size=6), st.integers(0, 5))
def test_with_any_seed_nobody_comes_back_too_early_or_too_late(sleeps_s, seed):
    seen = order_of(seed, sleeps_s)
    assert sorted(seen) == list(enumerate(sleeps_s))
    assert [when for _, when in seen] == sorted(sleeps_s)


@pytest.mark.parametrize("seed", range(4))
def test_one_whose_time_limit_is_over_goes_last(seed):
    with VirtualClock(seed):
        event = threads().Event()
        found = []
        waiting = [start(lambda: found.append(event.wait(1))) for _ in range(3)]
        setting = start(lambda: (sleep(1), event.set()))
        for thread in (*waiting, setting):
            thread.join()
    assert found == [True] * 3


def test_giving_way_lets_those_go_first_that_are_due(clock):
    seen = []
    thread = start(seen.append, "other")
    seen.append("main")
    sleep(0)
    seen.append("main again")
    thread.join()
    assert seen == ["main", "other", "main again"]
    assert clock.now_ns() == 0


def meet(patience_s):
    """Start two threads that wait for each other so long in real time, and return whether they met."""
    together, met = threading.Barrier(2), []

    def run():
        with use_clock(REAL), suppress(threading.BrokenBarrierError):
            together.wait(patience_s)
            met.append(True)

    both = [threading.Thread(target=run) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    return bool(met)


def test_exactly_one_runs_at_a_time():
    assert meet(GUARD_S)  # on threads of the system, what is looked for does happen
    with VirtualClock(patience_s=GUARD_S):
        assert not meet(0.1)


def test_a_switch_leaves_nothing_behind(clock):
    for _ in range(1000):
        sleep(1)
    assert len(clock._scheduler.heap) <= 1


def test_time_limits_that_were_not_needed_do_not_pile_up(clock):
    event = threads().Event()

    def set_again_and_again():
        for _ in range(5000):
            sleep(1)
            event.set()

    setting = start(set_again_and_again)
    for _ in range(5000):
        assert event.wait(1e6)
        event.clear()
    setting.join()
    assert clock.now_ns() == 5000 * 10**9
    assert len(clock._scheduler.heap) <= 1001


# -- who takes part --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("wait", [lambda: sleep(1), lambda: threads().Event().wait(), lambda: start(print)])
def test_a_thread_that_a_library_has_started_is_told_that_it_takes_no_part(wait):
    with ThreadPool(1) as pool, pytest.raises(VirtualClockError) as caught:
        pool.apply(wait)
    assert "cannot wait in simulated time, since it was not started by your code" in str(caught.value)


def test_a_thread_that_takes_no_part_can_wake_one_that_does(clock):
    event = threads().Event()

    def wake():
        while not clock._scheduler.root.is_parked:
            pass
        event.set()

    with ThreadPool(1) as pool:
        woken = pool.apply_async(wake)
        assert event.wait()
        woken.wait(GUARD_S)


def test_nobody_waits_outside_the_block():
    clock = VirtualClock()
    with pytest.raises(VirtualClockError, match="passes only inside its block; write: with clock"):
        clock.sleep(1)
    with pytest.raises(VirtualClockError, match="passes only inside its block"):
        clock.compute(1)
    assert (clock.now_ns(), clock.cpu_ns()) == (0, 0)


def test_a_thread_that_the_system_refuses_leaves_the_schedule(clock, monkeypatch):
    thread = threads().Thread(print)

    def refuse(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="can't start new thread"):
        patched.setattr(started, "_start", refuse)
        thread.start()
    sleep(1)
    assert not thread.is_alive()


# -- everybody waits for somebody else -------------------------------------------------------------------------------


def test_a_stalemate_is_told_at_once_with_everybody_in_it():
    def wait_for_a_lock():
        locked.acquire()

    with pytest.raises(VirtualClockError) as caught, VirtualClock(patience_s=5):  # nobody has to look from outside
        locked = threads().Lock()
        locked.acquire()
        threads().Thread(wait_for_a_lock, name="second").start()
        threads().Event().wait()
    text = str(caught.value)
    assert text.startswith("deadlock in simulated time, every thread waits: the main program (test_scheduler.py:")
    assert "waits for an event" in text
    assert "thread 'second' (test_scheduler.py:" in text
    assert "in wait_for_a_lock) waits for a lock" in text


def test_a_stalemate_is_one_error_however_often_the_program_goes_on():
    with VirtualClock():
        with pytest.raises(VirtualClockError, match="deadlock in simulated time") as first:
            threads().Event().wait()
        with pytest.raises(VirtualClockError) as second:
            sleep(1)
    assert first.value is second.value


def wait_quietly(release):
    release.wait(GUARD_S)


def compute_until(release):
    while not release.is_set():
        sum(range(1000))


@pytest.mark.parametrize("meanwhile", [wait_quietly, compute_until])
def test_others_that_could_wake_somebody_are_given_the_patience(meanwhile):
    release = threading.Event()
    other = threading.Thread(target=meanwhile, args=(release,))
    other.start()
    try:
        with pytest.raises(VirtualClockError, match="deadlock in simulated time"), VirtualClock(patience_s=0.05):
            threads().Event().wait()
    finally:
        release.set()
        other.join(GUARD_S)


# -- ending ----------------------------------------------------------------------------------------------------------


def test_the_end_of_the_block_ends_what_still_runs_where_it_waits():
    ended = []

    def run(number):
        try:
            sleep(3600)
        finally:
            ended.append((number, clock.now_ns()))

    with VirtualClock() as clock:
        started = [start(run, number) for number in range(3)]
        start(run, 3)  # which has not even begun
        sleep(1)
    assert ended == [(number, 10**9) for number in range(4)]
    assert not any(thread.is_alive() for thread in started)


def test_one_that_has_not_begun_never_does():
    seen = []
    with VirtualClock():
        thread = start(seen.append, "begun")
    assert not thread.is_alive()
    assert seen == []


def test_cleaning_up_cannot_hold_up_the_end():
    steps = []

    def run():
        try:
            sleep(3600)
        finally:
            steps.append("clean up")
            sleep(1)
            steps.append("never")

    with VirtualClock():
        start(run)
        sleep(1)
    assert steps == ["clean up"]


def swallow_everything():
    while True:
        with suppress(BaseException):
            sleep(1)


@pytest.mark.leaves_threads
def test_one_that_swallows_its_end_is_left_where_it_can_do_nothing():
    with VirtualClock():
        thread = start(swallow_everything)
        sleep(10)
    assert not thread.is_alive()


def test_kill_ends_a_thread_and_what_it_started_at_this_instant(clock):
    ended = []

    def child():
        try:
            sleep(3600)
        finally:
            ended.append(("child", clock.now_ns()))

    def parent():
        try:
            start(child).join()
        finally:
            ended.append(("parent", clock.now_ns()))

    thread = start(parent)
    sleep(2)
    thread.kill()
    thread.join()
    sleep(1)
    assert sorted(ended) == [("child", 2 * 10**9), ("parent", 2 * 10**9)]


@pytest.mark.leaves_threads
def test_killing_one_that_swallows_its_end_works_too(clock):
    thread = start(swallow_everything)
    sleep(1)
    thread.kill()
    thread.join()
    assert clock.now_ns() == 10**9


def test_what_ends_a_thread_is_no_ordinary_error():
    assert not issubclass(Stopped, Exception)


# -- interrupts ------------------------------------------------------------------------------------------------------


def test_an_interrupt_gives_the_main_program_the_next_turn_and_simulated_time_goes_on(clock, press_stop):
    ticks = []

    def tick():
        while True:
            sleep(1)
            ticks.append(clock.now_ns())
            if len(ticks) == 3:
                press_stop()

    start(tick)
    with pytest.raises(KeyboardInterrupt):
        threads().Event().wait()
    seen = len(ticks)
    sleep(10.5)
    assert len(ticks) - seen in (10, 11)


def test_an_interrupt_while_somebody_computes_without_end_does_not_wait_for_it(press_stop):
    def compute():
        press_stop()
        while True:
            pass

    with VirtualClock():
        thread = start(compute)
        with pytest.raises(KeyboardInterrupt):
            threads().Event().wait()
        with pytest.raises(KeyboardInterrupt):  # nobody can wait in simulated time any more
            sleep(1)
    assert not thread.is_alive()
