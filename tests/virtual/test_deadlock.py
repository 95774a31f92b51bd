"""A deadlock says who waits for whom, with the lines."""

from __future__ import annotations

import pickle
import threading

import pytest

import kaygraph_viz as kv
from kaygraph_viz.errors import DeadlockError
from kaygraph_viz.virtual.clock import VirtualClock

MAKERS = {"kv.Lock": lambda: kv.Lock(), "Lock": lambda: threading.Lock(), "RLock": lambda: threading.RLock()}


def error_of(program):
    """Run a program that ends in a deadlock, in simulated time; return the error."""
    with pytest.raises(DeadlockError) as caught, kv.record(clock=VirtualClock(patience_s=5)):
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
    assert "(item 2 of 'take_two', test_deadlock.py:" in text
    assert "in take_two) waits for a lock that thread 'thread-1' took in test_deadlock.py:" in text
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
    assert "in a circle: the main program (test_deadlock.py:" in text
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
