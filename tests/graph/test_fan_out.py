"""Different operations at once: functions and nodes, inputs, collecting, independent state."""

from __future__ import annotations

import asyncio
import threading

import pytest

from kaygraph_viz.base.checks import MAX_WORKERS
from kaygraph_viz.base.errors import BranchError, OptionError, WiringError
from kaygraph_viz.execute.local.processes import ProcessExecutor
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.graph.async_node import AsyncNode
from kaygraph_viz.graph.fan_out import FanOutNode
from kaygraph_viz.graph.graph import BatchGraph, Graph
from kaygraph_viz.graph.node import Node
from kaygraph_viz.recording import record

GUARD_S = 20.0


def results(branches, text="tea", **options):
    node = FanOutNode(branches, **options)
    node.prep = lambda shared: text
    node.post = lambda shared, prep_res, exec_res: shared.update(results=exec_res)
    node.run(shared := {})
    return shared["results"]


class Upper(Node):
    def prep(self, shared):
        return shared["text"]

    def exec(self, text):
        return text.upper()

    def post(self, shared, prep_res, exec_res):
        shared["upper"] = exec_res
        return "ignored"


def test_functions_get_what_prep_returned():
    assert results({"length": len, "upper": str.upper}) == {"length": 3, "upper": "TEA"}


def test_results_come_in_the_order_of_the_branches():
    assert list(results(dict.fromkeys("zyxabc", len))) == list("zyxabc")


def test_inputs_pick_a_part():
    assert results({"first": str.upper, "all": str.upper}, inputs={"first": lambda text: text[0]}) == {
        "first": "T", "all": "TEA",
    }  # fmt: skip


def test_a_node_runs_its_own_phases_and_gives_what_exec_returned():
    node = FanOutNode({"upper": Upper(), "length": lambda _: 3})
    node.post = lambda shared, prep_res, exec_res: shared.update(results=exec_res)
    node.run(shared := {"text": "tea"})
    assert shared == {"text": "tea", "upper": "TEA", "results": {"upper": "TEA", "length": 3}}


def test_a_graph_can_be_a_branch():
    node = FanOutNode({"graph": Graph(start=Upper())})
    node.run(shared := {"text": "tea"})
    assert shared["upper"] == "TEA"


def test_all_branches_run_at_once_by_default():
    together = threading.Barrier(6)
    assert results({name: lambda _: together.wait(GUARD_S) >= 0 for name in "abcdef"}) == dict.fromkeys("abcdef", True)


def test_the_same_node_in_two_branches_has_two_states():
    seen, together = [], threading.Barrier(2)

    class Fails(Node):
        def exec(self, prep_res):
            together.wait(GUARD_S)
            seen.append(self.cur_retry)
            self.mine = getattr(self, "mine", 0) + 1
            raise ValueError("bad")

        def exec_fallback(self, prep_res, error):
            return self.mine

    node = Fails(max_retries=3)
    assert results({"a": node, "b": node}) == {"a": 3, "b": 3}
    assert sorted(seen) == [0, 0, 1, 1, 2, 2]
    assert not hasattr(node, "mine")


def test_nodes_in_branches_get_the_params_of_the_graphs_around():
    class Greet(Node):
        def exec(self, prep_res):
            return self.params["name"]

    class All(BatchGraph):
        def prep(self, shared):
            return [{"name": "Ada"}, {"name": "Grace"}]

    fan = FanOutNode({"greet": Greet()})
    fan.post = lambda shared, prep_res, exec_res: shared["greeted"].append(exec_res["greet"])
    All(start=fan).run(shared := {"greeted": []})
    assert shared["greeted"] == ["Ada", "Grace"]


def test_collecting_gives_outcomes_by_name():
    found = results({"good": len, "bad": lambda text: text + 1}, on_error="collect", max_retries=2)
    assert list(found) == ["good", "bad"]
    assert all(isinstance(outcome, Outcome) for outcome in found.values())
    assert (found["good"].value, found["bad"].attempts, type(found["bad"].error)) == (3, 2, TypeError)


def test_the_fallback_gets_the_name_of_the_branch():
    node = FanOutNode({"bad": lambda _: 1 / 0})
    node.exec_fallback = lambda name, error: f"{name}: {error}"
    node.post = lambda shared, prep_res, exec_res: shared.update(exec_res)
    node.run(shared := {})
    assert shared == {"bad": "bad: division by zero"}


def test_branches_are_spans_by_name_and_nodes_nest_in_them():
    with record() as trace:
        FanOutNode({"upper": Upper(), "other": lambda _: 1}).run({"text": "tea"})
    by_name = {s.name: s for s in trace.where(kind="branch")}
    assert set(by_name) == {"upper", "other"}
    assert trace.where(kind="node", name="Upper")[0].parent_id == by_name["upper"].span_id


def test_ten_thousand_branches():
    assert len(results({f"branch {i}": len for i in range(10_000)}, max_workers=4)) == 10_000


def test_more_branches_than_there_can_be_workers_share_these():
    assert FanOutNode({f"branch {i}": len for i in range(10_000)}).max_workers == MAX_WORKERS


@pytest.mark.parametrize(
    "branches", [{}, None, [len], {"": len}, {5: len}, {"a": 5}, {"a": None}, {"a": Node}], ids=str
)
def test_wrong_branches_are_refused_when_built(branches):
    with pytest.raises(WiringError, match="FanOutNode"):
        FanOutNode(branches)


def test_inputs_for_unknown_branches_are_refused():
    with pytest.raises(OptionError, match="names of branches: a"):
        FanOutNode({"a": len}, inputs={"b": len})


def test_structure_names_the_branches():
    assert FanOutNode({"a": len, "b": len}).structure_view("x").branches == ("a", "b")


# -- asynchronous branches, and the first that succeeds ------------------------------------------------------------


def fan(branches, **options):
    node = FanOutNode(branches, **options)
    node.prep = lambda shared: shared["input"]
    node.post = lambda shared, prep_res, exec_res: shared.update(results=exec_res)
    return node


async def add_one(number):
    return number + 1


class AsyncAnswer(AsyncNode):
    async def exec_async(self, prep_res):
        return 42


def test_plain_and_asynchronous_branches_run_together_as_coroutines():
    shared = {"input": 1}
    fan({"function": add_one, "node": AsyncAnswer(), "plain": str}, executor="async").run(shared)
    assert shared["results"] == {"function": 2, "node": 42, "plain": "1"}


def test_an_asynchronous_node_runs_in_a_thread_too():
    shared = {"input": 1}
    fan({"node": AsyncAnswer(), "plain": str}).run(shared)
    assert shared["results"] == {"node": 42, "plain": "1"}


def test_the_first_success_wins_and_a_coroutine_that_lost_is_cancelled():
    cleaned_up = []

    async def never(number):
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(number)

    shared = {"input": 1}
    with record() as trace:
        fan({"never": never, "quick": add_one}, executor="async", wait_for="first").run(shared)
    assert (shared["results"], cleaned_up) == ({"quick": 2}, [1])
    assert {span.name: span.status for span in trace.where(kind="branch")} == {"never": "cancelled", "quick": "ok"}


def test_the_first_success_wins_and_a_thread_that_lost_is_given_up():
    released = threading.Event()
    shared = {"input": 1}
    try:
        with record() as trace:
            fan({"quick": str, "stuck": lambda _: released.wait(30)}, wait_for="first").run(shared)
    finally:
        released.set()
    assert shared["results"] == {"quick": "1"}
    assert {span.name: span.status for span in trace.where(kind="branch")}["quick"] == "ok"


def test_failures_do_not_win_and_all_failures_are_raised_together():
    def fail(_):
        raise ValueError("bad")

    shared = {"input": 1}
    fan({"bad": fail, "good": str}, wait_for="first").run(shared)
    assert shared["results"] == {"good": "1"}
    with pytest.raises(ExceptionGroup, match="all 2 branches") as caught:
        fan({"a": fail, "b": fail}, wait_for="first").run(shared)
    assert len(caught.value.exceptions) == 2


@pytest.mark.processes
def test_functions_run_in_processes():
    shared = {"input": 2}
    fan({"square": lambda n: n * n, "text": str}, executor="process").run(shared)
    assert shared["results"] == {"square": 4, "text": "2"}


@pytest.mark.parametrize("executor", ["process", ProcessExecutor(2)], ids=str)
def test_nodes_in_processes_are_refused_when_built_since_they_would_lose_what_they_write(executor):
    with pytest.raises(OptionError, match=r"node would lose what they write.*executor=\"thread\""):
        FanOutNode({"node": Node(), "text": str}, executor=executor)


def test_nodes_in_processes_are_refused_when_the_executor_is_set_later():
    node = fan({"node": Node(), "text": str})
    node.executor = "process"
    with pytest.raises(OptionError, match="lose what they write"):
        node.run({"input": 1})


def test_an_asynchronous_input_is_a_clear_error():
    async def late(number):
        return number

    with pytest.raises(BranchError, match="the input of branch 'text' returned a coroutine"):
        fan({"text": str}, inputs={"text": late}).run({"input": 1})


@pytest.mark.parametrize("wrong", ["any", None, 1])
def test_what_to_wait_for_is_checked(wrong):
    with pytest.raises(OptionError, match="wait_for"):
        FanOutNode({"a": str}, wait_for=wrong)
