"""The state of one thread of the schedule, and ending its real thread from outside."""

from __future__ import annotations

import sys
import threading
from time import sleep

import pytest

from kaygraph_viz.virtual.fiber import Fiber, Stopped, end_within, is_running, is_simulated, join_at_most

GUARD_S = 20.0


def started(function):
    """Return a fiber whose thread runs a function."""
    fiber = Fiber("a", None)
    begun = threading.Event()

    def run():
        begun.set()
        try:
            function()
        except Stopped:
            pass
        finally:
            fiber.is_over = True

    fiber.thread = threading.Thread(target=run, daemon=True)
    fiber.thread.start()
    assert begun.wait(GUARD_S)
    return fiber


def test_a_fiber_is_within_itself_and_its_ancestors():
    root = Fiber("root", None)
    child = Fiber("child", None, root)
    grandchild, other = Fiber("grandchild", None, child), Fiber("other", None, root)
    assert [grandchild.is_within(each) for each in (grandchild, child, root, other)] == [True, True, True, False]
    assert not root.is_within(child)


def test_its_turn_has_to_be_given():
    assert not Fiber("a", None).turn.acquire(blocking=False)


def test_it_runs_from_the_start_of_its_thread_to_its_end():
    assert not is_running(Fiber("a", None))
    go = threading.Event()
    fiber = started(lambda: go.wait(GUARD_S))
    assert is_running(fiber)
    go.set()
    join_at_most(fiber, GUARD_S)
    assert not is_running(fiber)


def test_one_that_computes_without_end_is_ended_from_outside():
    def compute():
        while True:
            pass

    fiber = started(compute)
    end_within(fiber, GUARD_S)
    assert fiber.is_over
    join_at_most(fiber, GUARD_S)
    assert not is_running(fiber)


def test_one_that_waits_for_a_lock_leaves_it_free(monkeypatch):
    def compute():
        with lock:
            while True:
                pass

    def step(seconds):
        if locks:
            locks.pop().release()
        sleep(seconds)

    lock = threading.Lock()
    lock.acquire()
    fiber, locks = started(compute), [lock]
    while sys._current_frames()[fiber.thread.ident].f_code is not compute.__code__:
        pass
    monkeypatch.setattr("kaygraph_viz.virtual.fiber.sleep", step)
    end_within(fiber, GUARD_S)
    assert fiber.is_over
    join_at_most(fiber, GUARD_S)
    assert not lock.locked()


def test_the_end_of_one_that_never_began_is_not_waited_for(monkeypatch):
    waits = []
    monkeypatch.setattr("kaygraph_viz.virtual.fiber.sleep", waits.append)
    monkeypatch.setattr("kaygraph_viz.virtual.carriers._join", lambda *given: waits.append(given))
    end_within(Fiber("a", None), GUARD_S)
    join_at_most(Fiber("a", None), GUARD_S)
    assert waits == []


def test_user_code_that_catches_errors_does_not_catch_the_end():
    with pytest.raises(Stopped):
        try:
            raise Stopped("ended")
        except Exception:
            pytest.fail("caught")


def test_only_threads_of_a_schedule_are_simulated(clock):
    inside = threading.Thread(target=int)
    assert not is_simulated(inside)
    inside.start()
    assert is_simulated(inside)
    inside.join()
