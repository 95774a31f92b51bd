"""Clocks: the real one, the one in force, and what sleep and work accept."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.machine import this_machine
from kaygraph_viz.clock.clock import (
    REAL,
    WORKER_KINDS,
    Clock,
    InForce,
    compute,
    cost,
    current_clock,
    due_in_s,
    frames_of,
    innermost_frame,
    kind_of_wait,
    sleep,
    sleep_async,
    use_clock,
)
from kaygraph_viz.clock.sync import run_loop, threads
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.base import default_workers
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock


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


# -- in force ------------------------------------------------------------------------------------------------------


@pytest.fixture
def colour():
    return InForce("colour", "grey")


def test_blocks_nest_and_end(colour):
    with colour.set_to("red"), colour.set_to("blue"):
        assert colour.get() == "blue"
    assert colour.get() == "grey"


def test_a_value_ends_with_an_error_too(colour):
    with pytest.raises(OSError, match="gone"), colour.set_to("red"):
        raise OSError("gone")
    assert colour.get() == "grey"


def test_a_value_travels_with_a_copied_context(colour):
    with colour.set_to("red"):
        context = contextvars.copy_context()
    assert context.run(colour.get) == "red"


def test_a_block_that_is_left_in_another_context_is_over_in_both(colour):
    block, here, there = colour.set_to("red"), contextvars.copy_context(), contextvars.copy_context()
    here.run(block.__enter__)
    there.run(block.__exit__, None, None, None)
    assert (here.run(colour.get), there.run(colour.get), colour.get()) == ("grey", "grey", "grey")


def test_what_is_around_a_block_that_is_left_in_another_thread_is_in_force_again(colour):
    block = colour.set_to("red")
    with colour.set_to("blue"):
        block.__enter__()
        thread = threading.Thread(target=block.__exit__, args=(None, None, None))
        thread.start()
        thread.join()
        assert colour.get() == "blue"
    assert colour.get() == "grey"


def test_blocks_may_be_left_elsewhere_in_any_order(colour):
    outer, inner, there = colour.set_to("red"), colour.set_to("blue"), contextvars.copy_context()
    outer.__enter__()
    inner.__enter__()
    there.run(outer.__exit__, None, None, None)
    assert colour.get() == "blue"
    there.run(inner.__exit__, None, None, None)
    assert colour.get() == "grey"


@pytest.mark.parametrize("first", ["outer", "inner"])
def test_blocks_may_overlap(colour, first):
    blocks = {"outer": colour.set_to("red"), "inner": colour.set_to("blue")}
    blocks["outer"].__enter__()
    blocks["inner"].__enter__()
    blocks.pop(first).__exit__(None, None, None)
    assert colour.get() == ("blue" if first == "outer" else "red")
    blocks.popitem()[1].__exit__(None, None, None)
    assert colour.get() == "grey"


def test_of_three_that_overlap_the_one_that_goes_on_is_in_force(colour):
    first, second, third = (colour.set_to(name) for name in ("red", "blue", "green"))
    for block in (first, second, third):
        block.__enter__()
    second.__exit__(None, None, None)
    assert colour.get() == "green"
    third.__exit__(None, None, None)
    assert colour.get() == "red"
    first.__exit__(None, None, None)
    assert colour.get() == "grey"


# -- awaited -------------------------------------------------------------------------------------------------------


def suspended(main):
    """Return what is known of a coroutine at its first wait."""
    found = []

    async def run():
        task = asyncio.ensure_future(main())
        await asyncio.sleep(0)
        frame = innermost_frame(task.get_coro())
        found.extend([kind_of_wait(frame), due_in_s(frame)])
        task.cancel()

    asyncio.run(run())
    return found


def test_who_sleeps_is_due_after_that_long():
    kind, due = suspended(lambda: asyncio.sleep(1000))
    assert kind == "wait"
    assert 0 < due <= 1000


def test_locks_and_queues_of_asyncio_hold_up():
    assert suspended(lambda: asyncio.Queue().get()) == ["blocked", None]


def test_an_event_may_stand_for_anything_such_as_an_answer_from_the_network():
    assert suspended(lambda: asyncio.Event().wait()) == ["wait", None]


def test_what_is_no_coroutine_is_suspended_nowhere():
    assert innermost_frame(None) is None
    assert frames_of(3) == []
    assert (kind_of_wait(None), due_in_s(None)) == ("wait", None)


def test_a_loop_whose_timers_do_not_tell_when_leaves_that_open(monkeypatch):
    monkeypatch.setattr(asyncio.BaseEventLoop, "call_later", without_a_time)
    assert suspended(lambda: asyncio.sleep(0.01)) == ["wait", None]


def without_a_time(self, delay, callback, *args):
    self.call_at(self.time() + delay, callback, *args)
    return asyncio.Handle(callback, args, self)
