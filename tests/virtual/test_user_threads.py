"""Threads, timers and pools that user code starts mean in simulated time what they really mean."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import kaygraph_viz as kv
from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.virtual.clock import VirtualClock
from tests.virtual.running import now_s, threads_of

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

    def test_a_timer_calls_in_time_unless_it_is_cancelled(self):
        seen = []
        timer, cancelled = (threading.Timer(3, lambda: seen.append(now_s())) for _ in range(2))
        timer.start()
        cancelled.start()
        time.sleep(1)
        cancelled.cancel()
        timer.join()
        cancelled.join()
        assert seen == [3]

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

    def test_a_future_that_user_code_makes_is_waited_for_in_simulated_time(self):
        future = concurrent.futures.Future()
        threading.Timer(3, future.set_result, (42,)).start()
        assert [each.result() for each in concurrent.futures.as_completed([future], timeout=5)] == [42]
        assert now_s() == 3

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
