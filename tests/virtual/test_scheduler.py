"""Who runs when: ties, waking, ending, interrupts, deadlocks; always one at a time."""

from __future__ import annotations

import pickle
import threading
from contextlib import suppress
from multiprocessing.pool import ThreadPool

import pytest
from hypothesis import given, strategies as st

import kaygraph_viz as kv
from kaygraph_viz.base.errors import DeadlockError, VirtualClockError
from kaygraph_viz.clock.clock import REAL, sleep, use_clock
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.clock.virtual import user_threads as started
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.clock.virtual.fiber import Fiber, Stopped
from kaygraph_viz.clock.virtual.scheduler import FIRST, LAST, EventQueue

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


def parked(name):
    fiber = Fiber(name, None)
    fiber.is_parked = True
    return fiber


def order_in(queue):
    """Return the names of all fibers that come, with the time of each."""
    found = []
    while (fiber := queue.next()) is not None:
        found.append((fiber.name, queue.now_ns))
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_first_and_last_are_so_with_any_seed(seed):
    queue = EventQueue(seed)
    queue.push(5, parked("limit"), woken=False, tie=LAST)
    for _ in range(5):
        queue.push(5, parked("other"), woken=False)
    queue.push(5, parked("interrupted"), woken=True, tie=FIRST)
    names = [name for name, _ in order_in(queue)]
    assert (names[0], names[-1]) == ("interrupted", "limit")


def test_time_never_goes_back():
    queue = EventQueue(0)
    queue.push(10, parked("a"), woken=False)
    queue.next()
    queue.push(4, parked("b"), woken=True)
    assert order_in(queue) == [("b", 10)]


MAKERS = {"kv.Lock": lambda: kv.Lock(), "Lock": lambda: threading.Lock(), "RLock": lambda: threading.RLock()}


def error_of(program):
    """Run a program that ends in a deadlock, in simulated time; return the error."""
    with pytest.raises(DeadlockError) as caught, kv.record(clock="virtual"):
        program()
    return caught.value


def in_threads(function, arguments):
    started = [threading.Thread(target=function, args=each, name=f"t{number}") for number, each in enumerate(arguments)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_each_thread_of_the_circle_is_told_with_what_it_waits_for_and_who_holds_that(make):
    def program():
        locks = [make() for _ in range(3)]

        def take_two(first):
            with locks[first]:
                kv.sleep(1)
                with locks[(first + 1) % 3]:
                    pass

        with kv.get_executor("thread", 3) as executor:
            list(executor.imap(take_two, range(3)))

    error = error_of(program)
    names = [f"thread 'thread-{number}'" for number in (1, 2, 3)]
    assert [wait.thread for wait in error.circle] == names
    assert [wait.held_by for wait in error.circle] == [*names[1:], names[0]]
    assert {wait.code for wait in error.circle} == {"with locks[(first + 1) % 3]:"}
    assert {wait.held_code for wait in error.circle} == {"with locks[first]:"}
    assert [wait.thread for wait in error.others] == ["the main program"]
    text = str(error)
    assert "threads wait for each other in a circle (take locks in the same order everywhere): thread" in text
    assert "(item 2 of 'take_two', test_scheduler.py:" in text
    assert "in take_two) waits for a lock that thread 'thread-1' took in test_scheduler.py:" in text
    assert "The others wait, too: the main program" in text


@pytest.mark.parametrize("make", [MAKERS["kv.Lock"], MAKERS["Lock"]], ids=["kv.Lock", "Lock"])
def test_a_thread_may_wait_for_itself(make):
    def program():
        lock = make()
        with lock, lock:
            pass

    error = error_of(program)
    assert [(wait.thread, wait.held_by) for wait in error.circle] == [("the main program", "the main program")]
    assert "a thread waits for itself (take a lock once, or use an RLock): the main program" in str(error)


def test_the_end_of_a_thread_is_something_to_wait_for():
    def program():
        lock = threading.Lock()
        thread = threading.Thread(target=lock.acquire, name="child")
        with lock:
            thread.start()
            thread.join()

    text = str(error_of(program))
    assert "in a circle: the main program (test_scheduler.py:" in text
    assert "waits for the end of thread 'child'; thread 'child' waits for a lock that the main program took in" in text
    assert "same order" not in text


def test_a_lock_that_was_handed_on_belongs_to_whom_it_was_handed_to():
    def program():
        first, second = kv.Lock(), kv.Lock()

        def use(number):
            with first:
                kv.sleep(1)
                if number == 1:
                    second.acquire()

        second.acquire()
        in_threads(use, [(0,), (1,), (2,)])

    error = error_of(program)
    assert [wait.held_by for wait in error.others if wait.thread == "thread 't2'"] == ["thread 't1'"]


def test_a_thread_that_ended_with_a_lock_is_told():
    def program():
        lock = threading.Lock()

        def take():
            lock.acquire()

        in_threads(take, [(), ()])

    error = error_of(program)
    assert error.circle == ()
    assert "waits for a lock that thread 't0', which has ended, took" in str(error)


def test_the_main_program_that_waits_for_a_circle_is_not_in_it():
    def program():
        locks = [kv.Lock(), kv.Lock()]

        def take_both(first):
            with locks[first]:
                kv.sleep(1)
                with locks[1 - first]:
                    pass

        in_threads(take_both, [(0,), (1,)])

    error = error_of(program)
    assert [wait.thread for wait in error.circle] == ["thread 't0'", "thread 't1'"]
    assert [wait.waits_for for wait in error.others] == ["the end of thread 't0'"]


def test_the_error_comes_home_from_another_process():
    error = error_of(lambda: kv.Lock().acquire() and threading.Event().wait())
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.circle, again.others) == (str(error), error.circle, error.others)
