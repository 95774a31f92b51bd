"""What one item of a parallel batch costs when its work is next to nothing.

Belongs here: whole nodes on many trivial items. Does not belong here: single spans (``recording``).
"""

from __future__ import annotations

from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, alternate, benchmark, per_call

THREADS = 4
PEER = "ThreadPoolExecutor(4).map"


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


class Increments(kv.ParallelBatchNode):
    """The least work that an item can have."""

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
    _check(len(shared["results"]), len(items))


def _recorded(items: range) -> float:
    with kv.record() as trace:
        cost = per_call(lambda: _node(items), len(items))
    _check(trace.counts()["branch"], len(items))
    return cost


def _pool(items: range) -> float:
    def run() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            _check(len(list(pool.map(_increment, items))), len(items))

    return per_call(run, len(items))


def _check(found: int, expected: int) -> None:
    if found != expected:
        raise AssertionError(f"there were {expected:,} items, {found:,} came back: the comparison means nothing")
