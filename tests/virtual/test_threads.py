"""Locks, events, conditions, queues, timers, threads and futures mean what they mean in `threading`."""

from __future__ import annotations

import queue
import threading

import pytest

from kaygraph_viz.clock import sleep
from kaygraph_viz.sync import threads
from kaygraph_viz.virtual.clock import VirtualClock

pytestmark = pytest.mark.usefixtures("clock")


def now_s():
    from kaygraph_viz.clock import current_clock

    return current_clock().now_ns() / 1e9


def start(function, *args, **options):
    thread = threads().Thread(function, args, **options)
    thread.start()
    return thread


def after(seconds, function):
    return start(lambda: (sleep(seconds), function()))


# -- threads ---------------------------------------------------------------------------------------------------------


def test_join_waits_until_the_end_or_for_so_long():
    thread = start(sleep, 5)
    thread.join(2)
    assert (thread.is_alive(), now_s()) == (True, 2)
    thread.join()
    assert (thread.is_alive(), now_s()) == (False, 5)
    thread.join()


def test_a_thread_that_was_never_named_gets_the_same_name_in_every_run():
    names = []
    for _ in range(2):
        with VirtualClock():
            names.append([threads().Thread(print).name for _ in range(3)])
    assert names[0] == names[1] == ["Thread-1", "Thread-2", "Thread-3"]


def test_an_error_in_a_thread_is_shown_as_in_any_and_holds_nobody_up(monkeypatch):
    shown = []
    monkeypatch.setattr(threading, "excepthook", lambda found: shown.append(found.exc_value))
    start(int, "x").join()
    assert [type(error) for error in shown] == [ValueError]
    sleep(1)


# -- events ----------------------------------------------------------------------------------------------------------


def test_an_event_wakes_all_who_wait_and_lets_those_through_who_come_later():
    event, seen = threads().Event(), []
    waiting = [start(lambda: seen.append((event.wait(), now_s()))) for _ in range(3)]
    sleep(2)
    event.set()
    for thread in waiting:
        thread.join()
    assert event.wait(0)
    assert event.is_set()
    assert seen == [(True, 2)] * 3


def test_a_wait_for_an_event_ends_in_time():
    event = threads().Event()
    assert not event.wait(3)
    assert now_s() == 3
    assert not event.wait(-1)
    assert now_s() == 3


def test_who_was_woken_by_an_event_knows_it_though_it_is_cleared_at_once():
    event = threads().Event()
    after(1, lambda: (event.set(), event.clear()))
    assert event.wait(5)
    assert not event.is_set()


# -- locks -----------------------------------------------------------------------------------------------------------


def test_a_lock_lets_one_in_at_a_time_in_the_order_in_which_they_came():
    lock, seen = threads().Lock(), []

    def enter(number):
        with lock:
            seen.append((number, now_s()))
            sleep(1)

    for thread in [start(enter, number) for number in range(4)]:
        thread.join()
    assert seen == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert not lock.locked()


def test_a_lock_that_is_held_is_not_taken_without_waiting_nor_after_the_time_limit():
    lock = threads().Lock()
    assert lock.acquire()
    assert not lock.acquire(blocking=False)
    assert not lock.acquire(timeout=2)
    assert now_s() == 2
    assert lock.locked()
    lock.release()
    assert lock.acquire(timeout=0)


def test_releasing_a_lock_that_nobody_holds_is_an_error():
    with pytest.raises(RuntimeError, match="release unlocked lock"):
        threads().Lock().release()


def test_a_lock_may_be_released_by_another_thread():
    lock = threads().Lock()
    lock.acquire()
    start(lock.release).join()
    assert not lock.locked()


def test_one_that_is_killed_when_it_has_just_been_given_the_lock_passes_it_on():
    lock, seen = threads().Lock(), []

    def enter(name):
        with lock:
            seen.append(name)

    lock.acquire()
    second, third = start(enter, "second"), start(enter, "third")
    sleep(1)
    lock.release()  # to the second one, which has no chance to run
    second.kill()
    third.join()
    assert seen == ["third"]
    assert not lock.locked()


def test_one_that_is_killed_while_it_waits_for_a_lock_leaves_the_queue():
    lock = threads().Lock()
    lock.acquire()
    second = start(lock.acquire)
    sleep(1)
    second.kill()
    second.join()
    lock.release()
    assert not lock.locked()


# -- conditions ------------------------------------------------------------------------------------------------------


def test_a_condition_wakes_as_many_as_it_is_told_to():
    condition, seen = threads().Condition(), []

    def wait(number):
        with condition:
            condition.wait()
            seen.append(number)

    for number in range(3):
        start(wait, number)
    sleep(1)
    with condition:
        condition.notify()
    sleep(1)
    assert seen == [0]
    with condition:
        condition.notify_all()
    sleep(1)
    assert seen == [0, 1, 2]


def test_a_condition_holds_its_lock_again_after_the_wait():
    condition = threads().Condition()
    with condition:
        assert not condition.wait(1)
        assert not condition.acquire(blocking=False)


def test_wait_for_looks_again_whenever_it_is_woken_and_gives_up_in_time():
    condition, seen = threads().Condition(), []

    def add():
        with condition:
            seen.append(now_s())
            condition.notify()

    after(1, add)
    after(2, add)
    with condition:
        assert condition.wait_for(lambda: len(seen) == 2)
        assert now_s() == 2
        assert not condition.wait_for(lambda: len(seen) == 3, timeout=4)
    assert now_s() == 6


def test_one_that_is_killed_in_a_condition_does_not_release_the_lock_of_somebody_else():
    condition = threads().Condition()

    def wait():
        with condition:
            condition.wait()

    thread = start(wait)
    sleep(1)
    with condition:
        thread.kill()
        thread.join()
        assert not condition.acquire(blocking=False)


def test_a_wake_up_that_a_killed_thread_got_goes_to_the_next():
    condition, seen = threads().Condition(), []

    def wait(number):
        with condition:
            condition.wait()
            seen.append(number)

    first, _ = start(wait, 1), start(wait, 2)
    sleep(1)
    with condition:
        condition.notify()
    first.kill()
    sleep(1)
    assert seen == [2]


# -- queues and timers -----------------------------------------------------------------------------------------------


def test_a_queue_hands_out_in_order_and_waits_for_what_comes():
    line = threads().SimpleQueue()
    after(3, lambda: (line.put("a"), line.put("b")))
    assert (line.get(), now_s(), line.qsize()) == ("a", 3, 1)
    assert (line.get_nowait(), line.empty()) == ("b", True)


@pytest.mark.parametrize("options", [{"block": False}, {"timeout": 0}, {"timeout": 2}], ids=str)
def test_an_empty_queue_says_so(options):
    with pytest.raises(queue.Empty):
        threads().SimpleQueue().get(**options)
    assert now_s() == options.get("timeout", 0)


def test_a_timer_calls_in_time_unless_it_is_cancelled():
    seen = []
    timer = threads().Timer(3, seen.append, ("called",))
    cancelled = threads().Timer(3, seen.append, ("never",))
    timer.start()
    cancelled.start()
    sleep(1)
    cancelled.cancel()
    cancelled.join()
    assert (seen, now_s()) == ([], 1)
    timer.join()
    assert (seen, now_s()) == (["called"], 3)


def test_a_timer_that_is_cancelled_at_the_very_instant_does_not_call():
    seen = []
    timer = threads().Timer(2, seen.append, ("called",))
    timer.start()
    sleep(2)
    timer.cancel()
    timer.join()
    assert (seen, now_s()) == ([], 2)
