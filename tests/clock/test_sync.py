"""What threads wait with, in the world of the clock in force; and the lock that is at home in both."""

from __future__ import annotations

import asyncio
import copy
import pickle
import queue
import sys
import threading

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base import threads as threads_module
from kaygraph_viz.clock.clock import current_clock, sleep, use_clock
from kaygraph_viz.clock.sync import Lock, new_event_loop, run_loop, threads
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.clock.virtual.loop import VirtualLoop
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.testing import FakeClock

GUARD_S = 20.0
NAMES = ("Condition", "Event", "Lock", "SimpleQueue", "Thread", "Timer", "Future", "following", "is_over", "slices")


def test_under_the_real_clock_it_is_like_the_standard_library():
    real = threads()
    assert real.Lock is threads_module.Lock
    assert real.SimpleQueue is queue.SimpleQueue
    for name in ("Condition", "Thread", "Timer"):
        assert issubclass(getattr(real, name), getattr(threading, name))
    assert not current_clock().is_exact


def test_both_worlds_have_the_same_names():
    real = threads()
    with VirtualClock():
        assert current_clock().is_exact
        assert threads() is not real
        assert all(hasattr(world, name) for world in (real, threads()) for name in NAMES)


def test_a_clock_that_only_tests_have_leaves_threads_real():
    real = threads()
    with use_clock(FakeClock()):
        assert threads() is real
        assert not current_clock().is_exact


def test_loops_are_those_of_the_clock():
    async def kind():
        return type(asyncio.get_running_loop())

    assert run_loop(kind()) is not VirtualLoop
    with VirtualClock():
        assert run_loop(kind()) is VirtualLoop
        loop = new_event_loop()
        assert type(loop) is VirtualLoop
        loop.close()


# -- the lock --------------------------------------------------------------------------------------------------------


def test_it_keeps_out_other_threads():
    lock, counter = Lock(), {"value": 0}

    def add():
        for _ in range(2000):
            with lock:
                counter["value"] += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        running = [threading.Thread(target=add) for _ in range(4)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(GUARD_S)
    finally:
        sys.setswitchinterval(interval)
    assert counter["value"] == 8000


def test_used_first_by_many_at_once_it_is_one_lock():
    for _ in range(50):
        lock, together, inside = Lock(), threading.Barrier(4), []

        def enter(lock=lock, together=together, inside=inside):
            together.wait(GUARD_S)
            if lock.acquire(blocking=False):
                inside.append(1)

        running = [threading.Thread(target=enter) for _ in range(4)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(GUARD_S)
        assert len(inside) == 1


def test_in_simulated_time_it_is_waited_for_in_simulated_time():
    lock, seen = Lock(), []

    def enter(_):
        with lock:
            sleep(1)
            seen.append(current_clock().now_ns())

    for _ in range(2):  # made outside of both blocks
        with VirtualClock(), get_executor("thread", 3) as executor:
            list(executor.imap(enter, range(3)))
    assert seen == [10**9, 2 * 10**9, 3 * 10**9] * 2


def test_it_gives_up_in_time_and_without_waiting():
    lock = Lock()
    with VirtualClock() as clock:
        assert lock.acquire()
        assert lock.locked()
        assert not lock.acquire(blocking=False)
        assert not lock.acquire(timeout=2)
        assert clock.now_ns() == 2 * 10**9
        lock.release()
        assert not lock.locked()


def test_one_that_is_held_stays_where_it_is():
    lock = Lock()
    with lock:
        with VirtualClock():
            assert lock.locked()
            assert not lock.acquire(blocking=False)
    assert not lock.locked()


def test_one_that_was_held_when_its_block_ended_is_free_again():
    lock = Lock()
    with VirtualClock():
        lock.acquire()
    with VirtualClock():
        assert lock.acquire(blocking=False)
    assert lock.acquire(blocking=False)
    lock.release()


def test_releasing_one_that_nobody_holds_is_an_error():
    with pytest.raises(RuntimeError):
        Lock().release()
    with VirtualClock(), pytest.raises(RuntimeError):
        Lock().release()


@pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_cannot_be_sent_or_copied(send):
    with pytest.raises(TypeError, match="a lock cannot be sent to another process"):
        send(kv.Lock())
