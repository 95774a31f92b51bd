"""One asynchronous node, and graphs of them: phases, hooks and their twins, retries, running it from anywhere."""

from __future__ import annotations

import asyncio
import warnings

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import BranchError, GraphError, NodeError, StepLimitExceeded
from kaygraph_viz.execute.outcome import Outcomes
from kaygraph_viz.graph.async_node import AsyncNode
from kaygraph_viz.graph.graph import AsyncBatchGraph, AsyncGraph, AsyncParallelBatchGraph
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock

GUARD_S = 20.0


def inside(coroutine):
    async def guarded():
        async with asyncio.timeout(GUARD_S):
            return await coroutine

    return asyncio.run(guarded())


def run_plainly(node, shared):
    return node.run(shared)


def run_awaited(node, shared):
    return inside(node.run_async(shared))


def run_within_a_loop(node, shared):
    async def main():
        return node.run(shared)

    return inside(main())


ways = pytest.mark.parametrize("run", [run_plainly, run_awaited, run_within_a_loop])


class Loud(AsyncNode):
    async def before_prep_async(self, shared):
        shared["said"].append("before")

    async def prep_async(self, shared):
        await asyncio.sleep(0)
        shared["said"].append("prep")
        return 20

    async def exec_async(self, prep_res):
        await asyncio.sleep(0)
        return prep_res + 1

    async def after_exec_async(self, shared, prep_res, exec_res):
        shared["said"].append(("after", prep_res, exec_res))

    async def post_async(self, shared, prep_res, exec_res):
        await asyncio.sleep(0)
        shared["said"].append(("post", prep_res, exec_res))
        return "done"


class Quiet(AsyncNode):
    """The same with plain methods only."""

    def before_prep(self, shared):
        shared["said"].append("before")

    def prep(self, shared):
        shared["said"].append("prep")
        return 20

    def exec(self, prep_res):
        return prep_res + 1

    def after_exec(self, shared, prep_res, exec_res):
        shared["said"].append(("after", prep_res, exec_res))

    def post(self, shared, prep_res, exec_res):
        shared["said"].append(("post", prep_res, exec_res))
        return "done"


@ways
@pytest.mark.parametrize("kind", [Loud, Quiet])
def test_phases_and_hooks_come_in_order(run, kind):
    shared = {"said": []}
    assert run(kind(), shared) == "done"
    assert shared["said"] == ["before", "prep", ("after", 20, 21), ("post", 20, 21)]


@ways
def test_spans_of_the_phases(run):
    with record() as trace:
        run(Loud(), {"said": []})
    assert [(s.kind, s.name) for s in trace] == [
        ("node", "Loud"),
        ("phase", "prep"),
        ("phase", "exec"),
        ("phase", "post"),
    ]
    assert len({s.lane for s in trace}) == 1
    trace.validate()


class Flaky(AsyncNode):
    async def exec_async(self, prep_res):
        await asyncio.sleep(0)
        self.seen.append(self.cur_retry)
        if self.cur_retry < 2:
            raise ValueError("again")
        return "fine"

    async def post_async(self, shared, prep_res, exec_res):
        shared["result"] = exec_res


@ways
def test_exec_is_tried_again(run):
    node, shared = Flaky(max_retries=5, wait=3), {}
    node.seen = []
    with record(clock=FakeClock()) as trace:
        run(node, shared)
    assert (node.seen, shared) == ([0, 1, 2], {"result": "fine"})
    assert [s.service_s for s in trace.where(kind="wait")] == [3, 3]
    assert trace.counts()["attempt"] == 3


@ways
def test_the_attempts_end_with_the_error(run):
    node = Flaky(max_retries=2)
    node.seen = []
    with pytest.raises(ValueError, match="again") as caught:
        run(node, {})
    assert caught.value.__notes__ == ["in exec of node 'Flaky', after 2 attempts"]


@ways
@pytest.mark.parametrize("is_async", [True, False])
def test_a_fallback_gives_the_value(run, is_async):
    class Falling(Flaky):
        pass

    async def replace_async(self, prep_res, exc):
        await asyncio.sleep(0)
        return f"instead of {exc}"

    if is_async:
        Falling.exec_fallback_async = replace_async
    else:
        Falling.exec_fallback = lambda self, prep_res, exc: f"instead of {exc}"
    node, shared = Falling(), {}
    node.seen = []
    run(node, shared)
    assert shared == {"result": "instead of again"}


@ways
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("phase", ["prep", "exec", "post"])
def test_on_error_decides(run, is_async, phase):
    class Failing(AsyncNode):
        pass

    async def fail(self, *args):
        raise LookupError("no")

    setattr(Failing, f"{phase}_async", fail)
    with pytest.raises(LookupError):
        run(Failing(), {})

    async def swallow_async(self, shared, error):
        shared["error"] = str(error)
        return True

    def swallow(self, shared, error):
        shared["error"] = str(error)
        return True

    if is_async:
        Failing.on_error_async = swallow_async
    else:
        Failing.on_error = swallow
    assert run(Failing(), shared := {}) is None
    assert shared == {"error": "no"}


@ways
def test_what_exec_awaited_and_was_cancelled_is_an_error_of_the_node(run):
    class Failing(AsyncNode):
        async def exec_async(self, prep_res):
            raise asyncio.CancelledError

    with pytest.raises(BranchError, match="exec of node 'Failing' was cancelled by itself"):
        run(Failing(), {})


def test_cancelling_the_task_around_it_is_passed_on():
    cleaned = []

    class Endless(AsyncNode):
        async def exec_async(self, prep_res):
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.append(True)

    async def main():
        task = asyncio.create_task(Endless(max_retries=3).run_async({}))
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()} or len(asyncio.all_tasks()) == 2  # the ticker ends next

    inside(main())
    assert cleaned == [True]


@pytest.mark.parametrize("name", ["prep", "exec", "post", "before_prep", "after_exec"])
def test_a_coroutine_function_under_a_plain_name_is_a_clear_error(name):
    class Misnamed(AsyncNode):
        pass

    async def misnamed(self, *args):
        pass

    setattr(Misnamed, name, misnamed)
    with pytest.raises(NodeError, match=f"{name} of node 'Misnamed' returned a coroutine; call it {name}_async"):
        Misnamed().run({})


def test_an_async_node_in_a_plain_graph_is_a_clear_error():
    with pytest.raises(NodeError, match=r"<Loud> is asynchronous .* write: AsyncGraph\(start=...\)"):
        kv.Graph(start=Loud()).run({"said": []})


def test_methods_assigned_to_an_instance_are_used():
    node = Loud()
    node.exec_async = lambda prep_res: "plain"
    node.post_async = lambda shared, prep_res, exec_res: exec_res
    assert inside(node.run_async({"said": []})) == "plain"


@ways
def test_successors_do_not_run_and_a_warning_says_so(run):
    node = Loud()
    node >> Quiet()
    with pytest.warns(UserWarning, match="'Loud' runs alone"):
        run(node, {"said": []})


def test_resources_are_opened_and_closed():
    said = []

    class Opening(AsyncNode):
        async def setup_resources_async(self):
            said.append("open")

        def cleanup_resources(self):
            said.append("close")

    async def main():
        async with Opening() as node:
            await node.run_async({})

    inside(main())
    assert said == ["open", "close"]


# -- graphs ----------------------------------------------------------------------------------------------------------


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


class ParamSets:
    async def prep_async(self, shared):
        await asyncio.sleep(0)
        return [{"name": name} for name in shared.get("names", "abc")]

    async def post_async(self, shared, prep_res, exec_res):
        shared["result"] = exec_res


class OneByOne(ParamSets, AsyncBatchGraph):
    pass


class AtOnce(ParamSets, AsyncParallelBatchGraph):
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
