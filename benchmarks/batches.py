"""The overhead of an item of a parallel batch, and the gain of processes on items that compute.

Belongs here: whole nodes and executors on many items. Does not belong here: single spans (``recording``).
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import deque
from collections.abc import Iterator, MutableMapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, alternate, benchmark, check_count, per_call
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.coroutines.executor import MAX_SLOTS

THREADS = 4
PEER = "ThreadPoolExecutor(4).map"
PROCESSES = 2
CHUNKED = "ProcessPoolExecutor(2).map(chunksize=64)"
SINGLY = "ProcessPoolExecutor(2).submit, 2 in flight"
SPIN = 60_000  # rounds that take some milliseconds


@benchmark("batch item / ThreadPoolExecutor", peer=PEER, target=0.2, note="nothing recorded; the whole graph run")
def unrecorded(scale: Scale) -> Measured:
    """Measure a `ParallelBatchNode` that is not recorded against the standard library's thread pool."""
    items = _items(scale)
    return alternate(lambda: per_call(lambda: _node(items), len(items)), lambda: _pool(items), scale.pick(11, 1))


@benchmark(
    "batch item, recorded / ThreadPoolExecutor", peer=PEER, target=0.6, note="with CPU time; the pool records nothing"
)
def recorded(scale: Scale) -> Measured:
    """Measure a `ParallelBatchNode` that is recorded with CPU time against the standard library's thread pool."""
    items = _items(scale)
    return alternate(lambda: _recorded(items), lambda: _pool(items), scale.pick(11, 1))


@benchmark("process item, in chunks / ProcessPoolExecutor", peer=CHUNKED, target=1.2, note="processes running already")
def process_chunks(scale: Scale) -> Measured:
    """Measure short items in processes, which are sent in chunks, against chunks of the standard library."""
    return _in_processes(scale, is_recorded=False)


@benchmark(
    "process item, in chunks, recorded", peer=CHUNKED, target=2.5, note="with CPU time; the peer records nothing"
)
def process_chunks_recorded(scale: Scale) -> Measured:
    """Measure the same, recorded with CPU time, against a peer that records nothing."""
    return _in_processes(scale, is_recorded=True)


@benchmark("process item, one by one / ProcessPoolExecutor", peer=SINGLY, target=1.3, note="with as many in flight")
def process_singly(scale: Scale) -> Measured:
    """Measure items that come one by one, with no look-ahead, against submissions of the standard library."""
    items = range(scale.pick(2_000, 50))
    with kv.get_executor("process", PROCESSES) as ours, _process_pool() as pool:
        return alternate(
            lambda: per_call(lambda: _read(ours, iter(items), window=0), len(items)),
            lambda: per_call(lambda: _submitted(pool, items), len(items)),
            scale.pick(7, 1),
        )


@benchmark(
    "computing on 2 processes / serial", peer="the same items one after the other", target=1 / 1.7,
    note="processes running already; needs two free cores",
)  # fmt: skip
def process_speedup(scale: Scale) -> Measured:
    """Measure items that compute on two processes against the same in this process."""
    items = [SPIN] * scale.pick(1_000, 4)
    with kv.get_executor("process", PROCESSES) as ours, kv.get_executor("serial") as serial:
        return alternate(
            lambda: per_call(lambda: _read(ours, items, function=_spin), len(items)),
            lambda: per_call(lambda: _read(serial, items, function=_spin), len(items)),
            scale.pick(5, 1),
        )


@benchmark(
    "async item, all at once / PocketFlow", peer="AsyncParallelBatchNode of PocketFlow", target=0.8,
    note="inside one loop, nothing recorded",
)  # fmt: skip
def async_all_at_once(scale: Scale) -> Measured:
    """Measure an `AsyncParallelBatchNode` without a limit against the one of PocketFlow, which never has one."""
    return _against_pocketflow(scale, None)


@benchmark(
    "async item, max_workers=100 / PocketFlow", peer="the same with an asyncio.Semaphore(100) in exec_async",
    target=0.3, note="inside one loop, nothing recorded; PocketFlow has no limit of its own",
)  # fmt: skip
def async_limited(scale: Scale) -> Measured:
    """Measure an `AsyncParallelBatchNode` with a limit against the one of PocketFlow with a semaphore."""
    return _against_pocketflow(scale, 100)


def _against_pocketflow(scale: Scale, limit: int | None) -> Measured:
    import pocketflow

    slots = asyncio.Semaphore(limit or 1)

    async def increment(_: Any, item: int) -> int:
        return item + 1

    async def increment_limited(_: Any, item: int) -> int:
        async with slots:
            return item + 1

    class Theirs(_AsyncPhases, pocketflow.AsyncParallelBatchNode):  # type: ignore[misc]
        exec_async = increment if limit is None else increment_limited

    class Ours(_AsyncPhases, kv.AsyncParallelBatchNode):
        exec_async = increment  # type: ignore[assignment]

    ours, items = Ours(limit or MAX_SLOTS, progress=False), range(scale.pick(10_000, 200))
    return alternate(lambda: _awaited(ours, items), lambda: _awaited(Theirs(), items), scale.pick(11, 1))


class _AsyncPhases:
    async def prep_async(self, shared: MutableMapping[str, Any]) -> Any:
        return shared["items"]

    async def post_async(self, shared: MutableMapping[str, Any], prep_res: Any, exec_res: Any) -> None:
        shared["results"] = exec_res


def _awaited(node: Any, items: range) -> float:
    async def main() -> float:
        shared: dict[str, Any] = {"items": items}
        started = time.perf_counter()
        await node.run_async(shared)
        cost = (time.perf_counter() - started) / len(items)
        check_count(len(shared["results"]), len(items))
        return cost

    return asyncio.run(main())


def _in_processes(scale: Scale, *, is_recorded: bool) -> Measured:
    items = range(scale.pick(20_000, 200))

    def ours() -> float:
        if not is_recorded:
            return per_call(lambda: _read(executor, items), len(items))
        with kv.record():
            return per_call(lambda: _read(executor, items), len(items))

    with kv.get_executor("process", PROCESSES) as executor, _process_pool() as pool:
        return alternate(
            ours,
            lambda: per_call(lambda: list(pool.map(_increment, items, chunksize=64)), len(items)),
            scale.pick(11, 1),
        )


@contextmanager
def _process_pool() -> Iterator[ProcessPoolExecutor]:
    """Yield a pool whose processes start as ours do: with a fresh interpreter."""
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def _read(executor: Executor, items: Any, *, function: Any = None, **options: Any) -> None:
    for _ in executor.imap(function or _increment, items, **options):
        pass


def _submitted(pool: ProcessPoolExecutor, items: range) -> None:
    in_flight: deque[Any] = deque()
    for item in items:
        if len(in_flight) == PROCESSES:
            in_flight.popleft().result()
        in_flight.append(pool.submit(_increment, item))
    while in_flight:
        in_flight.popleft().result()


def _spin(rounds: int) -> int:
    total = 0
    for number in range(rounds):
        total += number
    return total


class Increments(kv.ParallelBatchNode):
    """Items with next to no work."""

    def prep(self, shared: MutableMapping[str, Any]) -> range:
        """Return the items."""
        items: range = shared["items"]
        return items

    def exec(self, item: int) -> int:
        """Return the next number."""
        return _increment(item)

    def post(self, shared: MutableMapping[str, Any], prep_res: range, exec_res: list[int]) -> None:
        """Keep the results."""
        shared["results"] = exec_res


def _increment(item: int) -> int:
    return item + 1


def _items(scale: Scale) -> range:
    return range(scale.pick(20_000, 200))


def _node(items: range) -> None:
    shared: dict[str, Any] = {"items": items}
    kv.Graph(start=Increments(max_workers=THREADS, progress=False)).run(shared)  # a pool shows no progress either
    check_count(len(shared["results"]), len(items))


def _recorded(items: range) -> float:
    with kv.record() as trace:
        cost = per_call(lambda: _node(items), len(items))
    check_count(trace.counts()["branch"], len(items))
    return cost


def _pool(items: range) -> float:
    def run() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            check_count(len(list(pool.map(_increment, items))), len(items))

    return per_call(run, len(items))
