"""Pools of `multiprocessing`."""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.pool import MaybeEncodingError, Pool, ThreadPool

import pytest

import kaygraph_viz as kv

HANDED_OVER = Pool.apply_async


def double(number: int) -> int:
    return 2 * number


def fail(number: int) -> int:
    raise ValueError(number)


def unsendable(number: int) -> object:
    return lambda: number


def all_ways(pool: Pool) -> list[object]:
    return [
        pool.map(double, range(4)), pool.starmap(pow, [(2, 3)]), list(pool.imap(double, range(2))),
        sorted(pool.imap_unordered(double, range(3))), pool.apply(double, (5,)),
        pool.map_async(double, [1]).get(), pool.map(double, range(6), chunksize=3),
    ]  # fmt: skip


def counted(trace: kv.Trace) -> int:
    trace.validate()
    return sum(each.attributes.get("items", 1) for each in trace)


def test_every_item_of_a_pool_of_threads_is_recorded():
    with ThreadPool(2) as pool:
        plain = all_ways(pool)
        with kv.record(capture="multiprocessing") as trace:
            assert all_ways(pool) == plain
    assert counted(trace) == 18
    assert {each.name for each in trace} == {"double", "pow"}
    assert Pool.apply_async is HANDED_OVER


@pytest.mark.processes
@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_every_item_of_a_pool_of_processes_is_recorded(how: str):
    with get_context(how).Pool(2) as pool:
        plain = all_ways(pool)
        with kv.record(capture="multiprocessing") as trace, kv.span("outer"):
            assert all_ways(pool) == plain
    assert counted(trace) == 19
    assert {each.lane for each in trace} <= {"main", "process-1", "process-2"}


@pytest.mark.processes
def test_errors_are_those_without_a_recording():
    def seen(pool: Pool) -> list[str]:
        texts = []
        for function in (fail, unsendable):
            with pytest.raises((ValueError, MaybeEncodingError)) as caught:
                pool.apply(function, (7,))
            texts.append(f"{type(caught.value).__name__} {caught.value}".partition(" at 0x")[0])
        return texts

    with get_context("fork").Pool(1) as pool:
        plain = seen(pool)
        with kv.record(capture="multiprocessing") as trace:
            assert seen(pool) == plain
    assert [(each.name, each.status) for each in trace] == [("fail", "error")]
