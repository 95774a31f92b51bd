"""Asynchronous nodes over many items: the same results as plain ones, in order, with a bound on how many at once."""

from __future__ import annotations

import asyncio
import itertools

import pytest

import kaygraph_viz as kv
from kaygraph_viz.errors import DeadlineExceeded
from kaygraph_viz.execute.core.outcome import Outcomes
from kaygraph_viz.graph.async_batch import AsyncBatchNode, AsyncParallelBatchNode
from kaygraph_viz.recording import record


class Squares:
    inside = most = 0

    async def prep_async(self, shared):
        return shared["numbers"]

    async def exec_async(self, number):
        shared = type(self)
        shared.inside += 1
        shared.most = max(shared.most, shared.inside)
        try:
            for _ in range(number % 3 + 2):  # they end in another order than they begin
                await asyncio.sleep(0)
        finally:
            shared.inside -= 1
        if number < 0:
            raise ValueError(f"{number} is negative")
        return number**2

    async def post_async(self, shared, prep_res, exec_res):
        shared["result"] = exec_res


def made(kind, *args, **options):
    return type(kind.__name__, (Squares, kind), {})(*args, **options)


KINDS = [AsyncBatchNode, AsyncParallelBatchNode]


def result_of(node, numbers):
    shared = {"numbers": numbers}
    node.run(shared)
    return shared["result"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("numbers", [lambda: range(50), list, lambda: None, lambda: iter(range(50))])
def test_results_come_in_the_order_of_the_items(kind, numbers):
    items = numbers()
    expected = [x * x for x in range(50)] if items else []
    assert result_of(made(kind), items) == expected


def test_one_after_the_other_or_at_most_so_many_or_all():
    for node, most in [(made(AsyncBatchNode), 1), (made(AsyncParallelBatchNode, 7), 7)]:
        result_of(node, range(40))
        assert type(node).most == most
    node = made(AsyncParallelBatchNode)
    result_of(node, range(8))
    assert node.most > 1


@pytest.mark.parametrize("kind", KINDS)
def test_collect_keeps_every_item(kind):
    outcomes = result_of(made(kind, on_error="collect"), [1, -2, 3, -4])
    assert isinstance(outcomes, Outcomes)
    assert outcomes.values == [1, 9]
    assert [(o.index, str(o.error)) for o in outcomes.failed] == [(1, "-2 is negative"), (3, "-4 is negative")]


@pytest.mark.parametrize("kind", KINDS)
def test_raise_names_the_item_and_leaves_nothing_running(kind):
    node = made(kind)
    with pytest.raises(ValueError, match="-2 is negative") as caught:
        result_of(node, [1, -2, *range(50)])
    assert caught.value.__notes__[0] == f"in item 1 of '{kind.__name__}'"
    assert node.inside == 0


@pytest.mark.parametrize("kind", KINDS)
def test_each_failing_item_gets_its_attempts_and_the_fallback(kind):
    seen = []

    class Retrying(kind):
        async def prep_async(self, shared):
            return range(4)

        async def exec_async(self, number):
            seen.append((number, self.cur_retry))
            await asyncio.sleep(0)
            raise ValueError(number)

        async def exec_fallback_async(self, number, exc):
            return -number

        async def post_async(self, shared, prep_res, exec_res):
            shared["result"] = exec_res

    Retrying(max_retries=3).run(shared := {})
    assert shared["result"] == [0, -1, -2, -3]
    assert sorted(seen) == list(itertools.product(range(4), range(3)))


def test_a_deadline_and_a_timeout_end_what_would_not_end():
    class Endless(AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return range(3)

        async def exec_async(self, _):
            await asyncio.Event().wait()

        async def post_async(self, shared, prep_res, exec_res):
            shared["result"] = exec_res

    with pytest.raises(DeadlineExceeded, match="the call of 'Endless'"):
        Endless(deadline=0.01).run({})
    with pytest.raises(DeadlineExceeded, match="item 0 of 'Endless'"):
        Endless(1, timeout=0.01).run({})
    Endless(timeout=0.01, on_error="collect").run(shared := {})
    assert [o.status for o in shared["result"]] == ["timeout"] * 3


def test_branches_are_children_of_the_exec_phase():
    with record() as trace:
        result_of(made(AsyncParallelBatchNode, 2), range(6))
    (phase,) = trace.where(name="exec")
    assert (phase.attributes["executor"], phase.attributes["workers"]) == ("async", 2)
    branches = trace.where(kind="branch")
    assert {s.parent_id for s in branches} == {phase.span_id}
    assert {s.lane for s in branches} == {"async-1", "async-2"}


def test_only_the_parallel_one_is_drawn_as_parallel():
    nodes = kv.AsyncGraph(start=(first := AsyncBatchNode())), first >> AsyncParallelBatchNode()
    assert [view.is_parallel for view in nodes[0].structure().nodes] == [False, True]
