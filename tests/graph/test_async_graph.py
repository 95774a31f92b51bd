"""Asynchronous graphs: plain and asynchronous nodes mixed, nested, run for sets of params, from anywhere."""

from __future__ import annotations

import asyncio
import warnings

import pytest

import kaygraph_viz as kv
from kaygraph_viz.errors import GraphError, NodeError, StepLimitExceeded
from kaygraph_viz.execute.core.outcome import Outcomes
from kaygraph_viz.graph.async_graph import AsyncBatchGraph, AsyncGraph, AsyncParallelBatchGraph
from kaygraph_viz.graph.async_node import AsyncNode
from kaygraph_viz.recording import record

GUARD_S = 20.0


class Say(AsyncNode):
    def __init__(self, word, action=None):
        super().__init__(node_id=word)
        self.action = action

    async def post_async(self, shared, prep_res, exec_res):
        await asyncio.sleep(0)
        shared["said"].append((self.node_id, self.params.get("name")))
        return self.action


class SayPlainly(kv.Node):
    def post(self, shared, prep_res, exec_res):
        shared["said"].append((self.node_id, self.params.get("name")))


def inside(coroutine):
    async def guarded():
        async with asyncio.timeout(GUARD_S):
            return await coroutine

    return asyncio.run(guarded())


def run_plainly(graph, shared):
    return graph.run(shared)


def run_awaited(graph, shared):
    return inside(graph.run_async(shared))


def run_within_a_loop(graph, shared):
    async def main():
        return graph.run(shared)

    return inside(main())


ways = pytest.mark.parametrize("run", [run_plainly, run_awaited, run_within_a_loop])


def said_by(run, graph):
    shared = {"said": []}
    action = run(graph, shared)
    return shared["said"], action


@ways
def test_plain_and_asynchronous_nodes_follow_each_other(run):
    first = Say("a", "on")
    first - "on" >> SayPlainly(node_id="b") >> Say("c", "end")
    assert said_by(run, AsyncGraph(start=first)) == ([("a", None), ("b", None), ("c", None)], "end")


@ways
def test_graphs_inside_graphs(run):
    inner, plain = AsyncGraph(start=Say("inner"), node_id="i"), kv.Graph(start=SayPlainly(node_id="plain"), node_id="p")
    inner >> plain >> Say("last")
    graph = AsyncGraph(start=inner)
    graph.set_params({"name": "Ada"})
    with record() as trace:
        assert said_by(run, graph)[0] == [("inner", "Ada"), ("plain", "Ada"), ("last", "Ada")]
    assert trace.counts()["graph"] == 3


def test_an_asynchronous_graph_in_a_plain_one_is_a_clear_error():
    with pytest.raises(NodeError, match="asynchronous and cannot run in a plain graph"):
        kv.Graph(start=AsyncGraph(start=Say("a"))).run({"said": []})


@ways
def test_an_action_without_successor_ends_it_with_one_warning(run):
    first = Say("a", "nowhere")
    first - "on" >> Say("b")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert said_by(run, AsyncGraph(start=first))[0] == [("a", None)]
    assert [str(w.message) for w in caught] == ["Graph ends: 'nowhere' not found in ['on']"]


@ways
def test_a_loop_without_exit_ends_at_max_steps(run):
    first = Say("a")
    with record() as trace:
        first >> first
        with pytest.raises(StepLimitExceeded, match="took 5 steps"):
            run(AsyncGraph(start=first, max_steps=5), {"said": []})
    assert trace.counts()["node"] == 5


def test_a_graph_without_start():
    with pytest.raises(GraphError, match="has no start"):
        AsyncGraph().run({})


@ways
def test_prep_and_post_of_the_graph_and_on_error(run):
    class Outer(AsyncGraph):
        async def prep_async(self, shared):
            shared["said"].append("prep")

        async def post_async(self, shared, prep_res, exec_res):
            shared["said"].append(exec_res)
            return "done"

        async def on_error_async(self, shared, error):
            shared["said"].append(str(error))
            return True

    assert said_by(run, Outer(start=Say("a", "last"))) == (["prep", ("a", None), "last"], "done")

    class Bad(AsyncNode):
        async def exec_async(self, prep_res):
            raise ValueError("bad")

    assert said_by(run, Outer(start=Bad())) == (["prep", "bad"], None)


class Names:
    async def prep_async(self, shared):
        await asyncio.sleep(0)
        return [{"name": name} for name in shared.get("names", "abc")]

    async def post_async(self, shared, prep_res, exec_res):
        shared["result"] = exec_res


class OneByOne(Names, AsyncBatchGraph):
    pass


class AtOnce(Names, AsyncParallelBatchGraph):
    pass


@ways
@pytest.mark.parametrize("kind", [OneByOne, AtOnce])
def test_each_set_of_params_runs_the_whole_graph(run, kind):
    (first := Say("x")) >> SayPlainly(node_id="y")
    said, _ = said_by(run, kind(start=first))
    assert sorted(said) == [(word, name) for word in "xy" for name in "abc"]
    if kind is OneByOne:
        assert said == [(word, name) for name in "abc" for word in "xy"]


def test_parallel_runs_meet_and_no_more_than_max_concurrency():
    inside_now = most = 0

    class Busy(AsyncNode):
        async def exec_async(self, prep_res):
            nonlocal inside_now, most
            inside_now += 1
            most = max(most, inside_now)
            for _ in range(3):
                await asyncio.sleep(0)
            inside_now -= 1

    AtOnce(start=Busy(), max_workers=2).run({"names": "abcdefgh"})
    assert most == 2
    most = 0
    with record() as trace:
        AtOnce(start=Busy()).run({"names": "abcdefgh"})
    assert most > 2
    assert trace.counts()["branch"] == 8


@pytest.mark.parametrize("on_error", ["raise", "collect"])
def test_errors_of_parallel_runs(on_error):
    class Picky(AsyncNode):
        async def exec_async(self, prep_res):
            await asyncio.sleep(0)
            if self.params["name"] == "b":
                raise ValueError("no b")

    graph, shared = AtOnce(start=Picky(), on_error=on_error), {}
    if on_error == "raise":
        with pytest.raises(ValueError, match="no b"):
            graph.run(shared)
        return
    graph.run(shared)
    assert isinstance(shared["result"], Outcomes)
    assert [o.ok for o in shared["result"]] == [True, False, True]


@pytest.mark.parametrize("kind", [OneByOne, AtOnce])
def test_params_that_are_no_dict(kind):
    class Wrong(kind):
        async def prep_async(self, shared):
            return [1]

    with pytest.raises(GraphError, match="expected a dict of params"):
        Wrong(start=Say("a")).run({})


def test_the_diagram_has_all_nodes():
    (first := Say("x")) >> AtOnce(start=Say("in"), node_id="batch")
    views = AsyncGraph(start=first).structure().nodes
    assert [(view.node_id, view.is_parallel) for view in views] == [("x", False), ("batch", True)]
