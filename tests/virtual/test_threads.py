"""Threads, what they wait with, pools and futures: in simulated time they mean what they really mean, for user code."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import VirtualClockError
from kaygraph_viz.clock.clock import REAL, sleep, use_clock
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.clock.virtual import carriers, patches as ordinary
from kaygraph_viz.clock.virtual.carriers import RealThreads, carried_by, carrier
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.clock.virtual.fiber import Fiber, Stopped, end_within, is_simulated, join_at_most
from kaygraph_viz.clock.virtual.threads import here, is_called_by_user, is_made_for_user
from kaygraph_viz.testing import FakeClock
from tests.virtual.greenlets import Greenlets
from tests.virtual.running import branches, now_s, threads_of


def start(function, *args, **options):
    thread = threads().Thread(function, args, **options)
    thread.start()
    return thread


def after(seconds, function):
    return start(lambda: (sleep(seconds), function()))


@pytest.mark.usefixtures("clock")
def test_a_thread_that_was_never_named_gets_the_same_name_in_every_run():
    names = []
    for _ in range(2):
        with VirtualClock():
            names.append([threads().Thread(print).name for _ in range(3)])
    assert names[0] == names[1] == ["Thread-1", "Thread-2", "Thread-3"]


# -- events ----------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("clock")
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


@pytest.mark.usefixtures("clock")
def test_a_wait_for_an_event_ends_in_time():
    event = threads().Event()
    assert not event.wait(3)
    assert now_s() == 3
    assert not event.wait(-1)
    assert now_s() == 3


@pytest.mark.usefixtures("clock")
def test_who_was_woken_by_an_event_knows_it_though_it_is_cleared_at_once():
    event = threads().Event()
    after(1, lambda: (event.set(), event.clear()))
    assert event.wait(5)
    assert not event.is_set()


# -- locks -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clock")
def test_a_lock_may_be_released_by_another_thread():
    lock = threads().Lock()
    lock.acquire()
    start(lock.release).join()
    assert not lock.locked()


@pytest.mark.usefixtures("clock")
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
@pytest.mark.usefixtures("clock")
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


@pytest.mark.usefixtures("clock")
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


@pytest.mark.usefixtures("clock")
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


@pytest.mark.usefixtures("clock")
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
@pytest.mark.usefixtures("clock")
def test_a_queue_hands_out_in_order_and_waits_for_what_comes():
    line = threads().SimpleQueue()
    after(3, lambda: (line.put("a"), line.put("b")))
    assert (line.get(), now_s(), line.qsize()) == ("a", 3, 1)
    assert (line.get_nowait(), line.empty()) == ("b", True)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("options", [{"block": False}, {"timeout": 0}, {"timeout": 2}], ids=str)
def test_an_empty_queue_says_so(options):
    with pytest.raises(queue.Empty):
        threads().SimpleQueue().get(**options)
    assert now_s() == options.get("timeout", 0)


@pytest.mark.usefixtures("clock")
def test_a_timer_that_is_cancelled_at_the_very_instant_does_not_call():
    seen = []
    timer = threads().Timer(2, seen.append, ("called",))
    timer.start()
    sleep(2)
    timer.cancel()
    timer.join()
    assert (seen, now_s()) == ([], 2)


GUARD_S = 20.0


def test_threads_of_user_code_take_part_and_compute_one_at_a_time():
    def one():
        with kv.span("one"):
            kv.sleep(1)
            kv.compute(1)

    with kv.record(clock="virtual") as trace:
        threads_of(one, one)
    assert sorted((s.lane, s.started_ns, s.ended_ns) for s in trace) == [
        ("Thread-1 (one)", 0, 2_995_000_000), ("Thread-2 (one)", 0, 3_000_000_000),
    ]  # fmt: skip


@pytest.mark.usefixtures("clock")
class TestThreads:
    def test_join_gives_up_in_time_and_who_has_ended_is_not_alive(self):
        thread = threading.Thread(target=time.sleep, args=(5,))
        thread.start()
        thread.join(2)
        assert (thread.is_alive(), now_s()) == (True, 2)
        thread.join()
        assert (thread.is_alive(), now_s()) == (False, 5)

    def test_a_class_of_threads_of_its_own(self):
        class Mine(threading.Thread):
            def run(self):
                time.sleep(2)
                self.found = now_s()

        mine = Mine()
        mine.start()
        while mine.is_alive():
            time.sleep(0.5)
        assert (mine.found, now_s()) == (2, 2)

    def test_a_thread_is_started_once_joined_after_that_and_never_by_itself(self):
        thread = threading.Thread(target=int)
        with pytest.raises(RuntimeError, match="before it is started"):
            thread.join()
        thread.start()
        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()
        with pytest.raises(RuntimeError, match="current thread"):
            threading.current_thread().join()

    def test_an_error_in_a_thread_is_shown_as_in_any(self, monkeypatch):
        shown = []
        monkeypatch.setattr(threading, "excepthook", lambda found: shown.append(found.exc_type))
        threads_of(lambda: 1 / 0)
        assert shown == [ZeroDivisionError]

    def test_a_pool_takes_part(self):
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda n: (time.sleep(1), n)[1], range(6))) == list(range(6))
            assert now_s() == 3
            futures = [pool.submit(time.sleep, seconds) for seconds in (3, 1, 1)]
            found = [(futures.index(future), now_s()) for future in concurrent.futures.as_completed(futures)]
            assert found == [(1, 4), (2, 5), (0, 6)]
            with pytest.raises(TimeoutError):
                pool.submit(time.sleep, 9).result(timeout=2)
            assert now_s() == 8
        assert now_s() == 15

    def test_a_pool_of_a_loop_takes_part(self):
        async def main():
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(2) as pool:
                await asyncio.gather(*(loop.run_in_executor(pool, time.sleep, 1) for _ in range(4)))

        asyncio.run(main())
        assert now_s() == 2


def test_a_pool_that_was_made_before_is_refused_at_once():
    with ThreadPoolExecutor(1) as pool:
        with VirtualClock(), pytest.raises(VirtualClockError, match=r'use kv\.get_executor\("thread", n\)'):
            pool.submit(time.sleep, 1)
        assert pool.submit(pow, 2, 3).result(GUARD_S) == 8


def test_a_pool_that_nobody_shut_down_ends_with_its_block(caplog):
    with VirtualClock():
        pool = ThreadPoolExecutor(2)
        running, waiting = pool.submit(time.sleep, 5), [pool.submit(time.sleep, 5) for _ in range(2)]
        time.sleep(1)
        of_pool = set(pool._threads)
    assert len(of_pool) == 2
    assert not of_pool & set(threading.enumerate())
    with pytest.raises(concurrent.futures.CancelledError):
        running.result(GUARD_S)
    assert waiting[1].cancelled()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(int)
    assert not caplog.records


@pytest.mark.parametrize("cores", [1, 64])
def test_a_pool_without_a_number_has_the_same_threads_on_every_machine(monkeypatch, cores):
    for name in ("cpu_count", "process_cpu_count"):
        monkeypatch.setattr(os, name, lambda: cores, raising=False)
    with VirtualClock():
        with ThreadPoolExecutor() as pool, ThreadPoolExecutor(3) as other:
            assert (pool._max_workers, other._max_workers) == (8, 3)
    with ThreadPoolExecutor() as pool:
        assert pool._max_workers == min(32, cores + 4)


def test_logging_in_branches_works_and_goes_on_after_the_block():
    lines, handler = [], []

    class Lines(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    log = logging.getLogger("ordinary")
    log.setLevel(logging.INFO)

    def tell(number):
        time.sleep(1)
        log.info("item %d", number)

    with VirtualClock():
        log.addHandler(handler.append(Lines()) or handler[0])
        branches(tell)
        assert not isinstance(handler[0].lock, ordinary.locks.RLock)  # of a library: a real one
    log.info("after")
    log.removeHandler(handler[0])
    assert lines == ["item 0", "item 1", "item 2", "item 3", "after"]


def test_what_a_library_makes_and_waits_for_is_real(monkeypatch):
    """As a notebook does that flushes what was printed: it makes an event that a thread of its own sets."""
    library = {"threading": threading, "__name__": "somebody"}
    source = (
        "def flush(thread):\n"
        "    event = threading.Event()\n"
        "    thread.put(event.set)\n"
        "    return event.wait(20), type(threading.Lock()), type(threading.Semaphore()._cond._lock)\n"
    )
    exec(compile(source, threading.__file__.replace("threading.py", "library.py"), "exec"), library)
    line, lock = queue.Queue(), threading.Lock()
    outsider = threading.Thread(target=lambda: line.get(timeout=GUARD_S)())
    outsider.start()
    with VirtualClock():
        found = branches(lambda _: library["flush"](line), 1)
        assert now_s() == 0
    outsider.join(GUARD_S)
    assert found == [(True, type(lock), type(lock))]


# -- which threads are simulated, and whose calls they make -----------------------------------------------------------
def test_threads_of_the_schedule_are_found_and_no_others(clock):
    found, outside = [here()], []
    outsider = ThreadPool(1)
    outside.append(outsider.apply(here))
    outsider.close()
    thread = clock.threads.Thread(lambda: found.append(here()))
    thread.start()
    thread.join()
    assert found == [clock.threads] * 2
    assert outside == [None]


def test_outside_of_a_block_and_under_another_clock_no_thread_is_simulated(clock):
    with use_clock(FakeClock()):
        assert here() is None
    with use_clock(REAL):
        assert here() is None
    assert here() is clock.threads


def code_of(module, source, **names):
    """Return what the code of a module calls `made`, which it makes when its file is that of the standard library."""
    names |= {"__name__": module, "sys": sys}
    exec(compile(source, threading.__file__, "exec"), names)
    return names["made"]


def test_a_call_by_way_of_the_standard_library_is_for_user_code():
    made = code_of("queue", "def made(ask): return ask(sys._getframe(0))")
    assert made(is_made_for_user)
    assert made(is_called_by_user)


def test_a_wait_of_this_package_counts_but_what_it_makes_does_not():
    made = code_of("kaygraph_viz.execute", "def made(ask): return ask(sys._getframe(0))")
    assert made(is_called_by_user)
    assert not made(is_made_for_user)


def test_what_a_new_thread_tells_its_starter_with_is_not_made_for_user_code():
    seen = []

    class Mine(threading.Thread):
        pass

    event = threading.Event
    threading.Event = lambda: seen.append(is_made_for_user(sys._getframe(1))) or event()
    try:
        Mine(target=int)
    finally:
        threading.Event = event
    assert seen == [False]


def test_where_there_are_none_promises_do(monkeypatch):
    monkeypatch.setattr(carriers, "has_threads", lambda: False)
    monkeypatch.setattr(carriers, "_in_use", [])
    with pytest.raises(ImportError, match="pyodide"):  # which only Python in a browser tab has
        carrier()


def test_another_one_is_in_use_for_a_block():
    with carried_by(mine := Greenlets()):
        assert carrier() is mine
    assert isinstance(carrier(), RealThreads)


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


def made(count):
    return [threads().Future() for _ in range(count)]


@pytest.mark.usefixtures("clock")
def test_the_result_of_a_future_is_waited_for_in_simulated_time():
    (future,) = made(1)
    after(7, lambda: future.set_result(42))
    with pytest.raises(TimeoutError):
        future.result(timeout=2)
    assert now_s() == 2
    assert (future.result(), now_s()) == (42, 7)


@pytest.mark.usefixtures("clock")
def test_as_completed_waits_in_simulated_time():
    futures = made(4)
    for number, future in enumerate(futures):
        after(4 - number, lambda future=future, number=number: future.set_result(number))
    assert [(future.result(), now_s()) for future in concurrent.futures.as_completed(futures, timeout=4)] == [
        (3, 1), (2, 2), (1, 3), (0, 4),
    ]  # fmt: skip


@pytest.mark.usefixtures("clock")
def test_as_completed_gives_up_in_simulated_time():
    futures = made(2)
    after(1, lambda: futures[1].set_result("in time"))
    seen = []
    with pytest.raises(TimeoutError):
        seen.extend(future.result() for future in concurrent.futures.as_completed(futures, timeout=3))
    assert now_s() == 3


@pytest.mark.usefixtures("clock")
def test_those_that_are_done_already_come_in_an_order_that_does_not_depend_on_their_addresses():
    futures = made(50)
    for number, future in enumerate(futures):
        future.set_result(number)
    assert [future.result() for future in concurrent.futures.as_completed(futures)] == list(range(50))[::-1]


@pytest.mark.usefixtures("clock")
def test_wait_waits_in_simulated_time():
    futures = made(3)
    for number, future in enumerate(futures):
        after(1 + number, lambda future=future: future.set_result(None))
    found = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)
    assert (len(found.done), now_s()) == (1, 1)
    assert (len(concurrent.futures.wait(futures, timeout=1.5).done), now_s()) == (2, 2.5)
    assert (len(concurrent.futures.wait(futures).done), now_s()) == (3, 3)


@pytest.mark.usefixtures("clock")
def test_real_futures_are_waited_for_as_ever():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(pow, 2, number) for number in range(4)]
        assert sorted(future.result() for future in concurrent.futures.as_completed(futures, timeout=20)) == [
            1,
            2,
            4,
            8,
        ]
    assert now_s() == 0


# -- the end of a future ---------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("clock")
def test_a_follower_ends_as_the_other_one_does():
    value, error, cancelled = (concurrent.futures.Future() for _ in range(3))
    followers = [threads().following(future) for future in (value, error, cancelled)]
    after(1, lambda: value.set_result(42))
    after(2, lambda: error.set_exception(KeyError("a")))
    after(3, cancelled.cancel)
    assert (followers[0].result(), now_s()) == (42, 1)
    assert (type(followers[1].exception()), now_s()) == (KeyError, 2)
    with pytest.raises(concurrent.futures.CancelledError):
        followers[2].result()
    assert now_s() == 3


@pytest.mark.usefixtures("clock")
def test_cancelling_a_follower_cancels_the_other_one():
    future = concurrent.futures.Future()
    assert threads().following(future).cancel()
    assert future.cancelled()


@pytest.mark.usefixtures("clock")
def test_a_call_that_runs_cannot_be_cancelled_and_one_that_waits_can():
    with ThreadPoolExecutor(1) as pool:
        running, waiting = pool.submit(time.sleep, 5), pool.submit(time.sleep, 5)
        time.sleep(1)
        assert running.running()
        assert (running.cancel(), waiting.cancel()) == (False, True)
    assert (waiting.cancelled(), now_s()) == (True, 5)


@pytest.mark.usefixtures("clock")
def test_calls_of_a_pool_whose_threads_cannot_begin_end_with_its_error():
    def begin():
        raise OSError("no licence")

    with ThreadPoolExecutor(1, initializer=begin) as pool:
        future = pool.submit(int)
        assert type(future.exception()).__name__ == "BrokenThreadPool"


def started_fiber(function):
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
    fiber, locks = started_fiber(compute), [lock]
    while sys._current_frames()[fiber.thread.ident].f_code is not compute.__code__:
        pass
    monkeypatch.setattr("kaygraph_viz.clock.virtual.fiber.sleep", step)
    end_within(fiber, GUARD_S)
    assert fiber.is_over
    join_at_most(fiber, GUARD_S)
    assert not lock.locked()


def test_the_end_of_one_that_never_began_is_not_waited_for(monkeypatch):
    waits = []
    monkeypatch.setattr("kaygraph_viz.clock.virtual.fiber.sleep", waits.append)
    monkeypatch.setattr("kaygraph_viz.clock.virtual.carriers._join", lambda *given: waits.append(given))
    end_within(Fiber("a", None), GUARD_S)
    join_at_most(Fiber("a", None), GUARD_S)
    assert waits == []


def test_only_threads_of_a_schedule_are_simulated(clock):
    inside = threading.Thread(target=int)
    assert not is_simulated(inside)
    inside.start()
    assert is_simulated(inside)
    inside.join()
