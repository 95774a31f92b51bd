"""An input whose length lies, or whose truth raises: all of its items, in every kind of node (several modules)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kaygraph_viz.execute.call import all_of, count_of
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.execute.progress import ProgressCallback
from kaygraph_viz.execute.registry import KINDS, get_executor
from kaygraph_viz.graph.batch import AsyncBatchNode, AsyncParallelBatchNode, BatchNode, ParallelBatchNode
from kaygraph_viz.graph.graph import AsyncParallelBatchGraph, BatchGraph, Graph, ParallelBatchGraph
from kaygraph_viz.graph.map_reduce import MapReduceNode
from kaygraph_viz.graph.node import Node
from kaygraph_viz.graph.pipeline import PipelineNode
from kaygraph_viz.recording import record
from tests.graph.hooks import with_hooks

ITEMS = [3, 1, 4, 1, 5]


class Five:
    """Five items and a length that says something else."""

    def __init__(self, length: Any, items: list[Any] = ITEMS) -> None:
        self.length, self.items = length, items

    def __iter__(self) -> Any:
        return iter(self.items)

    def __len__(self) -> int:
        if isinstance(self.length, BaseException):
            raise self.length
        return self.length  # type: ignore[no-any-return]

    def __bool__(self) -> bool:
        raise ValueError("the truth of this is ambiguous")


class LyingIterator:
    """An iterator with a wrong hint of its length."""

    def __init__(self, hint: Any) -> None:
        self.hint, self.items = hint, iter(ITEMS)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return next(self.items)

    def __length_hint__(self) -> int:
        if isinstance(self.hint, BaseException):
            raise self.hint
        return self.hint  # type: ignore[no-any-return]


LENGTHS = [0, 1, 1 << 62, -1, ValueError("no length"), SystemExit(2), StopIteration()]
HINTS = [0, 1 << 62, ValueError("no hint")]
LIARS: dict[str, Callable[[], Any]] = {
    **{f"length {length!r}": lambda length=length: Five(length) for length in LENGTHS},  # type: ignore[misc]
    **{f"hint {hint!r}": lambda hint=hint: LyingIterator(hint) for hint in HINTS},  # type: ignore[misc]
    "array": lambda: np.array(ITEMS),
}


def same(item: Any) -> Any:
    return item


def pairs(item: Any) -> Any:
    yield int(item), 1


def count(_: Any, ones: Any) -> int:
    return len(ones)


def result_of(node: Any, items: Any) -> Any:
    """Run a node on items and return what its `exec` gave."""
    shared: dict[str, Any] = {}
    with_hooks(node, prep=lambda _: items, post=lambda shared, _, found: shared.update(found=found))
    node.run(shared)
    return shared["found"]


@pytest.mark.parametrize("liar", LIARS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("process", "dask")])
@pytest.mark.parametrize("clock", [None, "virtual"])
def test_branches(liar, kind, clock):
    with record(clock=clock) as trace:
        assert result_of(with_hooks(ParallelBatchNode(3, kind), exec=same), LIARS[liar]()) == ITEMS
    assert len(trace.where(kind="branch")) == 5


@pytest.mark.processes
def test_branches_in_other_processes(processes):
    for make in LIARS.values():
        assert result_of(with_hooks(ParallelBatchNode(executor=processes(1)), exec=same), make()) == ITEMS


@pytest.mark.parametrize("kind", ["process", "dask"])
def test_branches_in_simulated_processes(kind):
    for make in LIARS.values():
        with record(clock="virtual"):
            assert result_of(with_hooks(ParallelBatchNode(2, kind), exec=same), make()) == ITEMS


@pytest.mark.processes
@pytest.mark.thorough
def test_branches_on_a_cluster():
    with get_executor("dask", 2) as executor:
        for make in LIARS.values():
            assert result_of(with_hooks(ParallelBatchNode(executor=executor), exec=same), make()) == ITEMS


@pytest.mark.parametrize("liar", LIARS)
@pytest.mark.parametrize("make", [BatchNode, AsyncBatchNode, AsyncParallelBatchNode])
def test_other_nodes_with_items(liar, make):
    assert result_of(with_hooks(make(), exec=same), LIARS[liar]()) == ITEMS


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("schedule", ["static", "longest-first"])
def test_schedules(length, schedule):
    node = ParallelBatchNode(2, schedule=schedule, cost=same)
    assert result_of(with_hooks(node, exec=same), Five(length)) == ITEMS


@pytest.mark.parametrize("liar", LIARS)
def test_map_reduce(liar):
    assert result_of(MapReduceNode(pairs, count, max_workers=2), LIARS[liar]()) == {3: 1, 1: 2, 4: 1, 5: 1}


@pytest.mark.parametrize("liar", LIARS)
@pytest.mark.parametrize("kind", ["serial", "thread", "async"])
def test_pipelines(liar, kind):
    assert result_of(PipelineNode([Stage("same", same, executor=kind)]), LIARS[liar]()).values == ITEMS


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("make", [BatchGraph, ParallelBatchGraph, AsyncParallelBatchGraph])
def test_sets_of_params(length, make):
    shared: dict[str, Any] = {"seen": []}
    node = with_hooks(Node(), prep=lambda shared: shared["seen"].append(1))
    with_hooks(make(node), prep=lambda _: Five(length, [{"n": 1}, {"n": 2}])).run(shared)
    assert shared["seen"] == [1, 1]


@pytest.mark.parametrize("liar", LIARS)
@pytest.mark.parametrize("make", [ParallelBatchNode, AsyncParallelBatchNode])
def test_progress(liar, make, capsys):
    told = []
    reports = [lambda done, _total: told.append(done), ProgressCallback(lambda info: told.append(info.done)), True]
    for report in reports:
        assert result_of(with_hooks(make(progress=report), exec=same), LIARS[liar]()) == ITEMS
    assert told == [1, 2, 3, 4, 5] * 2


def test_a_table_without_rows_yields_its_columns():
    import pandas as pd

    for table in (pd.DataFrame(columns=list("abc")), pd.DataFrame({"a": [1], "b": [2], "c": [3]})):
        assert result_of(with_hooks(ParallelBatchNode(2), exec=same), table) == ["a", "b", "c"]


def test_a_function_of_progress_may_look_false():
    class Report(list):  # type: ignore[type-arg]
        def __call__(self, done: int, total: int | None) -> None:
            self.append((done, total))

    report = Report()
    result_of(with_hooks(ParallelBatchNode(2, progress=report), exec=same), ITEMS)
    assert report == [(done, 5) for done in range(1, 6)]


@pytest.mark.parametrize("value", [np.array([1, 2]), np.array([]), Five(0), {}, [], 0, False])
def test_values_whose_truth_raises_or_is_false_come_as_they_are(value):
    class Give(Node):
        def exec(self, _):
            return value

        def post(self, shared, _, given):
            shared["given"] = given

    shared: dict[str, Any] = {}
    Graph(start=Give()).run(shared)
    assert shared["given"] is value
    for kind in ("serial", "thread", "async"):
        given = result_of(with_hooks(ParallelBatchNode(2, kind), exec=lambda _: value), ITEMS)
        assert all(each is value for each in given)
    given = result_of(PipelineNode([Stage("give", lambda _: value), Stage("same", same)]), ITEMS).values
    assert all(each is value for each in given)
    assert result_of(MapReduceNode(pairs, lambda *_: value, lambda *_: value), ITEMS)[3] is value


def test_how_many_items_there_are():
    assert [count_of(items) for items in ([], (), "", {}, range(3), np.arange(4), Five(7))] == [0, 0, 0, 0, 3, 4, 7]
    assert [count_of(items) for items in (iter([]), Five(0), Five(-1), np.array([]), range(1 << 70))] == [None] * 5
    assert all_of(Five(1 << 62), "items") == ITEMS


def test_a_running_loop_makes_no_difference():
    async def main() -> Any:
        return result_of(with_hooks(AsyncParallelBatchNode(), exec=same), Five(0))

    assert asyncio.run(main()) == ITEMS
