"""Threads of pools have rows that count from 1."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest

import kaygraph_viz as kv
from kaygraph_viz.trace.lanes import lane_name, pool_of


def together(count, **options):
    """Record a pool all of whose threads work at once, twice."""
    barrier = threading.Barrier(count, timeout=30)
    with kv.record(capture="futures") as trace:
        for _ in range(2):
            with ThreadPoolExecutor(count, **options) as pool:
                list(pool.map(lambda _: barrier.wait(), range(count)))
    return trace.validate()


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("", ["thread-1", "thread-2", "thread-3"]), ("thread", ["thread-1", "thread-2", "thread-3"]),
     ("fetch", ["fetch-1", "fetch-2", "fetch-3"])],
)  # fmt: skip
def test_the_rows_of_a_pool_count_from_1_and_those_of_the_next_pool_too(prefix, expected):
    assert sorted(together(3, thread_name_prefix=prefix).lanes) == expected


def test_threads_of_two_pools_that_live_at_once_have_rows_of_their_own():
    barrier = threading.Barrier(2, timeout=30)
    with kv.record(capture="futures") as trace, ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        for future in [pool.submit(barrier.wait) for pool in (one, other)]:
            future.result()
    assert sorted(trace.validate().lanes) == ["thread-1", "thread-2"]


def test_a_pool_and_our_own_workers_share_no_row():
    barrier = threading.Barrier(2, timeout=30)
    with kv.record(capture="futures") as trace, ThreadPoolExecutor(1) as pool, kv.get_executor("thread", 1) as ours:
        future = pool.submit(barrier.wait)
        list(ours.imap(lambda _: barrier.wait(), [0]))
        future.result()
    assert sorted(trace.validate().lanes) == ["thread-1", "thread-2"]


def test_threads_of_a_pool_of_multiprocessing_count_from_1():
    barrier = threading.Barrier(2, timeout=30)
    with kv.record(capture="multiprocessing") as trace, ThreadPool(2) as pool:
        pool.map(lambda _: barrier.wait(), range(2), chunksize=1)
    assert sorted(trace.validate().lanes) == ["thread-1", "thread-2"]


def test_threads_without_a_name_count_from_1_in_each_recording():
    def work():
        with kv.span("work"):
            pass

    for _ in range(2):
        with kv.record() as trace:
            for _ in range(2):
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
        assert trace.validate().lanes == ("Thread-1 (work)", "Thread-2 (work)")


def test_other_threads_keep_their_names():
    thread = threading.Thread(name="mine_0", target=lambda: None)
    assert (pool_of(thread), lane_name(thread)) == (None, "mine_0")
