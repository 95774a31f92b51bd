"""The hooks in which user code may raise an error: each in a node or graph that can be run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.graph.async_node import AsyncNode
from kaygraph_viz.graph.batch import AsyncBatchNode, AsyncParallelBatchNode, ParallelBatchNode
from kaygraph_viz.graph.fan_out import FanOutNode
from kaygraph_viz.graph.graph import (
    AsyncBatchGraph,
    AsyncGraph,
    AsyncParallelBatchGraph,
    BatchGraph,
    Graph,
    ParallelBatchGraph,
)
from kaygraph_viz.graph.map_reduce import MapReduceNode
from kaygraph_viz.graph.node import BaseNode, Node, ValidatedNode
from kaygraph_viz.graph.pipeline import PipelineNode
from tests.user_errors import Raises


class Input:
    """An input of two items that raises an error when it is opened, or after them."""

    def __init__(self, bad: Raises, *, at_once: bool = False) -> None:
        self.bad, self.at_once = bad, at_once

    def __iter__(self) -> Any:
        return self.bad() if self.at_once else self.items()

    def items(self) -> Any:
        yield 1
        yield 2
        yield self.bad()


class BadKey:
    """A key of map-reduce whose hash raises."""

    def __init__(self, bad: Raises) -> None:
        self.bad = bad

    def __hash__(self) -> int:
        return self.bad()  # type: ignore[no-any-return]


def same(item: Any) -> Any:
    return item


def fails(item: Any) -> Any:
    raise ValueError(item)


def items(_: Any) -> list[int]:
    return [1, 2, 3]


def params(_: Any) -> list[dict[str, int]]:
    return [{"n": 1}, {"n": 2}]


def pairs(item: Any) -> list[tuple[Any, int]]:
    return [(item % 2, 1)]


def first(_: Any, values: list[Any]) -> Any:
    return values[0]


def with_hooks(node: Any, **hooks: Any) -> Any:
    for name, hook in hooks.items():
        setattr(node, name, hook)
    return node


def batch(kind: str, options: dict[str, Any] | None = None, **hooks: Any) -> Any:
    return with_hooks(ParallelBatchNode(2, kind, **options or {}), **{"prep": items, "exec": same} | hooks)


def map_reduce(kind: str, *functions: Any, **options: Any) -> Any:
    return with_hooks(MapReduceNode(*functions, max_workers=2, executor=kind, **options), prep=items)


def pipeline(*stages: Stage, **options: Any) -> Any:
    return with_hooks(PipelineNode(stages, **options), prep=items)


Case = Callable[[Raises, str], BaseNode]  # a node in which a hook raises an error, for a kind of executor


def hook_cases(make: Callable[[], Any], *hooks: str, **others: Any) -> dict[str, Case]:
    """Return a case for each of some plain hooks of what `make` returns."""
    name = type(make()).__name__

    def case(hook: str) -> Case:
        return lambda bad, _: with_hooks(make(), **others | {hook: bad})

    return {f"{name}.{hook}": case(hook) for hook in hooks}


def async_cases(make: Callable[[], Any], *hooks: str, **others: Any) -> dict[str, Case]:
    """Return a case for each of some asynchronous hooks, and for the plain functions in their place."""
    name = type(make()).__name__

    def case(hook: str) -> Case:
        return lambda bad, _: with_hooks(make(), **others | {hook: bad.later})

    return {f"{name}.{hook}": case(hook) for hook in hooks} | hook_cases(make, *hooks, **others)


AROUND = ("before_prep", "prep", "after_exec", "post")
AROUND_ASYNC = tuple(f"{hook}_async" for hook in AROUND)


async def items_async(_: Any) -> list[int]:
    return [1, 2, 3]


async def params_async(_: Any) -> list[dict[str, int]]:
    return [{"n": 1}, {"n": 2}]


def failing() -> Node:
    return with_hooks(Node(), exec=fails)  # type: ignore[no-any-return]


NODES: dict[str, Case] = {
    **hook_cases(Node, *AROUND, "exec"),
    **hook_cases(Node, "exec_fallback", "on_error", exec=fails),
    **hook_cases(ValidatedNode, "validate_input", "validate_output"),
    **hook_cases(lambda: Graph(Node()), *AROUND, "get_next_node"),
    **hook_cases(lambda: BatchGraph(Node()), *AROUND, "get_next_node", prep=params),
    **hook_cases(lambda: ParallelBatchGraph(Node()), *AROUND, "get_next_node", prep=params),
    **hook_cases(lambda: Graph(failing()), "on_error"),
    "a node in a graph": lambda bad, _: Graph(with_hooks(Node(), exec=bad)),
    "a node in a batch graph": lambda bad, _: with_hooks(BatchGraph(with_hooks(Node(), exec=bad)), prep=params),
    "sets of params": lambda bad, _: with_hooks(BatchGraph(Node()), prep=lambda _: Input(bad, at_once=True)),
    "a function of FanOutNode": lambda bad, _: FanOutNode({"bad": bad, "good": same}),
    "an input of FanOutNode": lambda bad, _: FanOutNode({"a": same, "b": same}, inputs={"a": bad}),
    "a node of FanOutNode": lambda bad, _: FanOutNode({"a": with_hooks(Node(), exec=bad)}),
    "PipelineNode.exec": lambda bad, _: with_hooks(pipeline(Stage("a", same)), exec=bad),
}

ASYNC: dict[str, Case] = {
    **async_cases(AsyncNode, *AROUND_ASYNC, "exec_async"),
    **async_cases(AsyncNode, "exec_fallback_async", "on_error_async", exec=fails),
    **async_cases(lambda: AsyncGraph(Node()), *AROUND_ASYNC),
    **async_cases(lambda: AsyncGraph(failing()), "on_error_async"),
    **async_cases(lambda: AsyncBatchGraph(Node()), *AROUND_ASYNC, prep_async=params_async),
    **async_cases(lambda: AsyncParallelBatchGraph(Node()), *AROUND_ASYNC, prep_async=params_async),
    **async_cases(AsyncParallelBatchNode, *AROUND_ASYNC, "exec_async", prep_async=items_async),
    **async_cases(AsyncParallelBatchNode, "exec_fallback_async", prep_async=items_async, exec=fails),
    **async_cases(AsyncBatchNode, "exec_async", prep_async=items_async),
    "a plain node in an AsyncGraph": lambda bad, _: AsyncGraph(with_hooks(Node(), prep=bad)),
    "async input": lambda bad, _: with_hooks(AsyncParallelBatchNode(), prep=lambda _: Input(bad)),
    "async progress": lambda bad, _: with_hooks(AsyncParallelBatchNode(progress=bad), prep=items),
}

BRANCHES: dict[str, Case] = {
    "ParallelBatchNode.exec": lambda bad, kind: batch(kind, exec=bad),
    "exec in static chunks": lambda bad, kind: batch(kind, {"schedule": "static"}, exec=bad),
    "exec, longest first": lambda bad, kind: batch(kind, {"schedule": "longest-first", "cost": same}, exec=bad),
    "ParallelBatchNode.exec_fallback": lambda bad, kind: batch(kind, exec=fails, exec_fallback=bad),
    "exec in time": lambda bad, kind: batch(kind, {"timeout": 1000}, exec=bad),
    "exec in its second attempt": lambda bad, kind: batch(kind, {"max_retries": 2}, exec=bad),
    "collected": lambda bad, kind: batch(
        kind, {"on_error": "collect"}, exec=bad, post=lambda _s, _p, outcomes: outcomes[0].unwrap()
    ),
    "wait between attempts": lambda bad, kind: batch(kind, {"retry": RetryPolicy(2, wait=bad)}, exec=fails),
    "MapReduceNode.mapper": lambda bad, kind: map_reduce(kind, bad, first),
    "MapReduceNode.reducer": lambda bad, kind: map_reduce(kind, pairs, bad),
    "MapReduceNode.combiner": lambda bad, kind: map_reduce(kind, pairs, first, bad),
}

INPUTS: dict[str, Case] = {
    "cost": lambda bad, kind: batch(kind, {"schedule": "longest-first", "cost": bad}),
    "progress": lambda bad, kind: batch(kind, {"progress": bad}),
    "input": lambda bad, kind: batch(kind, prep=lambda _: Input(bad)),
    "input at once": lambda bad, kind: batch(kind, prep=lambda _: Input(bad, at_once=True)),
    "input of MapReduceNode": lambda bad, kind: with_hooks(map_reduce(kind, pairs, first), prep=lambda _: Input(bad)),
    "key of MapReduceNode": lambda bad, kind: map_reduce(kind, lambda _: [(BadKey(bad), 1)], first),
}

STAGES: dict[str, Case] = {
    "stage": lambda bad, kind: pipeline(Stage("a", bad, executor=kind), Stage("b", same), on_error="raise"),
    "second stage": lambda bad, kind: pipeline(Stage("a", same), Stage("b", bad, 2, executor=kind), on_error="raise"),
    "stage in time": lambda bad, kind: pipeline(Stage("a", bad, timeout=1000, executor=kind), on_error="raise"),
    "wait of a stage": lambda bad, kind: pipeline(
        Stage("a", fails, retry=RetryPolicy(2, wait=bad), executor=kind), on_error="raise"
    ),
    "progress of a pipeline": lambda bad, kind: pipeline(Stage("a", same, executor=kind), progress=bad),
    "source": lambda bad, kind: with_hooks(pipeline(Stage("a", same, executor=kind)), prep=lambda _: Input(bad)),
    "source at once": lambda bad, kind: with_hooks(
        pipeline(Stage("a", same, executor=kind)), prep=lambda _: Input(bad, at_once=True)
    ),
}
