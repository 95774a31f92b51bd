"""Real waits: an interrupt is noticed whenever it comes, and leaves nothing locked."""

from __future__ import annotations

import _thread
import sys
import threading
import time
from concurrent import futures
from contextlib import ExitStack
from functools import partial

import pytest

from kaygraph_viz.base.threads import (  # fmt: skip
    REAL_THREADS,
    SLICE_S,
    Condition,
    Event,
    Future,
    InnerMethod,
    Lock,
    RLock,
    SteadyLock,
    SteadyRLock,
    Thread,
    end_as,
    sleep as real_sleep,
    slices,
)
from kaygraph_viz.clock.clock import REAL, sleep
from kaygraph_viz.clock.sync import Lock as LockOfClock
from tests.interrupts import interrupted_everywhere

GUARD_S = 20.0


@pytest.fixture
def interrupting():
    """Return a function that waits until the main thread is in a wait, then interrupts it as one that was missed.

    `interrupt_main` tells Python of an interrupt and ends no wait in the system: it is as if it had come before that.
    """
    threads = []

    def interrupt_in(function):
        def run():
            frame_is_there(function)
            _thread.interrupt_main()

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield interrupt_in
    for thread in threads:
        thread.join(GUARD_S)


def frame_is_there(function):
    """Wait until the main thread runs a function."""
    main = threading.main_thread().ident
    while True:
        frame = sys._current_frames()[main]
        while frame is not None:
            if frame.f_code is function.__code__:
                return
            frame = frame.f_back


def test_an_event_works_as_that_of_threading():
    event = Event()
    assert not event.is_set()
    assert not event.wait(0)
    event.set()
    event.set()
    assert event.is_set()
    assert event.wait()
    event.clear()
    assert not event.wait(1e-3)


def test_an_event_wakes_all_that_wait_and_those_that_come_later():
    event, woken = Event(), []
    threads = [threading.Thread(target=lambda: woken.append(event.wait(GUARD_S))) for _ in range(20)]
    for thread in threads:
        thread.start()
    event.set()
    for thread in threads:
        thread.join(GUARD_S)
    assert woken == [True] * 20
    assert not event._turns


def test_a_wait_is_many_short_ones_except_in_threads_of_this_package():
    found = []
    Thread(target=lambda: found.append(list(slices(1.0)))).start()
    limits = slices()
    assert [next(limits) for _ in range(3)] == [SLICE_S] * 3
    assert 0.0 <= next(iter(slices(SLICE_S / 2))) <= SLICE_S / 2
    assert list(slices(0)) == [0.0]
    while not found:
        pass
    assert len(found[0]) == 1


def joined(thread):
    thread.start()
    thread.join()


def again(lock, timeout=-1):
    lock.acquire(timeout=timeout)


def locked_twice(lock, timeout=-1):
    lock.acquire()
    again(lock, timeout)


WAITS = {
    "event": (Event.wait, lambda _: Event().wait()),
    "event with a limit": (Event.wait, lambda _: Event().wait(GUARD_S)),
    "join": (Thread.join, lambda hangs: joined(Thread(target=hangs.wait))),
    "join of a timer": (REAL_THREADS.Timer.join, lambda hangs: joined(REAL_THREADS.Timer(0, hangs.wait))),
    "result": (Future.result, lambda _: Future().result()),
    "error": (Future.exception, lambda _: Future().exception(GUARD_S)),
    "sleep": (real_sleep, lambda _: REAL.sleep(GUARD_S)),
    "sleep of a branch": (real_sleep, lambda _: sleep(GUARD_S)),
    "lock": (again, lambda _: locked_twice(LockOfClock())),
    "lock with a limit": (again, lambda _: locked_twice(LockOfClock(), GUARD_S)),
}


@pytest.mark.parametrize("name", WAITS)
def test_an_interrupt_that_came_as_a_wait_began_is_noticed(interrupting, name):
    (function, wait), hangs = WAITS[name], threading.Event()
    interrupting(function)
    try:
        with pytest.raises(KeyboardInterrupt):
            wait(hangs)
    finally:
        hangs.set()


def test_a_future_ends_once_and_as_another_one():
    source, follower = futures.Future(), Future()
    source.set_result(42)
    end_as(follower, source)
    end_as(follower, source)
    assert follower.result() == 42
    assert follower.exception() is None
    follower, source = Future(), futures.Future()
    source.set_exception(KeyError("x"))
    end_as(follower, source)
    with pytest.raises(KeyError):
        follower.result()


def test_a_future_that_is_waited_for_too_long_says_so():
    with pytest.raises(TimeoutError):
        Future().result(0)


def test_cancelling_a_follower_cancels_both():
    source = futures.Future()
    follower = REAL_THREADS.following(source)
    assert follower.cancel()
    assert source.cancelled()
    source = futures.Future()
    follower = REAL_THREADS.following(source)
    source.cancel()
    assert follower.cancelled()


def test_a_condition_is_entered_and_left_by_methods_of_its_lock():
    condition = Condition()
    assert condition.__enter__ == condition._lock.__enter__
    with ExitStack() as stack:
        stack.enter_context(condition)
        assert condition._is_owned()
    assert not condition._is_owned()
    assert isinstance(Condition.__enter__, InnerMethod)


def enter_and_leave():
    """Return a function that does so with a lock; interrupts come in code of ours only, and by its name it is."""
    names = {"__name__": "kaygraph_viz.example"}
    exec("def act(lock):\n    with lock:\n        str()", names)
    return names["act"]


@pytest.mark.parametrize("kind", [Lock, RLock, SteadyLock, SteadyRLock, Condition])
def test_an_interrupt_at_any_moment_leaves_no_lock_taken(kind):
    lock, hits = kind(), []
    is_taken = lock._is_owned if hasattr(lock, "_is_owned") else lock.locked
    for hit in interrupted_everywhere(partial(enter_and_leave(), lock)):
        hits.append(hit)
        assert not is_taken(), hit
    assert ("c_return", "act") in hits


@pytest.mark.parametrize("kind", [SteadyLock, SteadyRLock])
def test_a_steady_lock_works_as_that_of_threading(kind):
    lock = kind()
    with futures.ThreadPoolExecutor(1) as other:
        with ExitStack() as stack:
            assert stack.enter_context(lock) is True
            assert other.submit(lock.acquire, timeout=0).result() is False
        assert other.submit(lock.acquire, False).result() is True
        assert lock.acquire(blocking=False) is False
        other.submit(lock.release).result()
    with pytest.raises(RuntimeError):
        lock.release()


def test_sleep_takes_the_time_that_it_is_given():
    began = time.monotonic()
    REAL.sleep(2.5 * SLICE_S)
    assert time.monotonic() - began >= 2.5 * SLICE_S
