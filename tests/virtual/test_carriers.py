"""Which way of carrying fibers is in use."""

from __future__ import annotations

import threading

import pytest

import kaygraph_viz as kv
from kaygraph_viz.virtual import carriers
from kaygraph_viz.virtual.carriers import RealThreads, carried_by, carrier
from kaygraph_viz.virtual.clock import VirtualClock
from tests.virtual.greenlets import Greenlets


def test_where_there_are_threads_they_carry_fibers():
    assert isinstance(carrier(), RealThreads)


def test_where_there_are_none_promises_do(monkeypatch):
    monkeypatch.setattr(carriers, "has_threads", lambda: False)
    monkeypatch.setattr(carriers, "_in_use", [])
    with pytest.raises(ImportError, match="pyodide"):  # which only Python in a browser tab has
        carrier()


def test_another_one_is_in_use_for_a_block():
    with carried_by(mine := Greenlets()):
        assert carrier() is mine
    assert isinstance(carrier(), RealThreads)


def test_a_turn_is_given_once():
    turn = RealThreads().turn()
    assert not turn.acquire(blocking=False)
    turn.release()
    assert turn.acquire(blocking=False)
    assert not turn.acquire(blocking=False)


@pytest.mark.parametrize("carried", [RealThreads, Greenlets])
def test_frames_of_a_fiber_are_known_while_it_waits(carried):
    def wait():
        kv.sleep(1)

    with carried_by(carried()), VirtualClock() as clock:
        thread = clock.threads.Thread(wait)
        thread.start()
        kv.sleep(0.5)
        fiber = thread.fiber
        names = [frame.f_code.co_name for frame in fiber.carrier.frames_of(fiber.thread, fiber.turn)]
    assert names.index("park") < names.index("wait")


@pytest.mark.parametrize("carried", [RealThreads, Greenlets])
def test_it_waits_for_the_end_of_a_thread(carried):
    with carried_by(carried()), VirtualClock():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        assert not thread.is_alive()
    assert not thread.is_alive()
    thread.join()
