"""Flows of PocketFlow, as it is installed; of ``flows`` and ``pocketflow_nodes``."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys

import pytest

import kaygraph_viz as kv

pocketflow = pytest.importorskip("pocketflow")


class Load(pocketflow.Node):
    def prep(self, shared):
        return shared["count"]

    def exec(self, count):
        return list(range(count))

    def post(self, shared, prep_res, exec_res):
        shared["items"] = exec_res


class Double(pocketflow.BatchNode):
    def prep(self, shared):
        return shared["items"]

    def exec(self, item):
        self.tried = {**getattr(self, "tried", {}), item: getattr(self, "tried", {}).get(item, 0) + 1}
        if item == 1 and self.tried[item] < 3:
            raise ValueError(item)
        return 2 * item

    def post(self, shared, prep_res, exec_res):
        shared["doubled"] = exec_res


class Negate(pocketflow.AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return shared["items"]

    async def exec_async(self, item):
        await asyncio.sleep(0)
        return -item

    async def post_async(self, shared, prep_res, exec_res):
        shared["negated"] = exec_res


class Each(pocketflow.AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        return [{"city": "Oslo"}, {"city": "Rome"}]


class Visit(pocketflow.AsyncNode):
    async def exec_async(self, prep_res):
        await asyncio.sleep(0)

    async def post_async(self, shared, prep_res, exec_res):
        shared.setdefault("visited", []).append(self.params["city"])


def run(shared: dict) -> dict:
    load, double, negate = Load(), Double(max_retries=3), Negate()
    load >> double >> negate
    asyncio.run(pocketflow.AsyncFlow(start=load).run_async(shared))
    return shared


@pytest.fixture(scope="module")
def trace() -> kv.Trace:
    with kv.record(capture="pocketflow") as trace:
        run({"count": 3})
    trace.validate()
    return trace


def parent_names(trace: kv.Trace, name: str) -> list[str]:
    names = {each.span_id: each.name for each in trace}
    return [names[each.parent_id] for each in trace if each.name == name]


def test_results_are_those_without_a_recording():
    plain = run({"count": 3})
    for _ in range(5):
        with kv.record(capture="all"):
            assert run({"count": 3}) == plain


def test_nodes_belong_to_their_graph_and_phases_to_their_node(trace: kv.Trace):
    assert [(each.name, each.kind) for each in trace if each.kind in ("graph", "node")] == [
        ("AsyncFlow", "graph"), ("Load", "node"), ("Double", "node"), ("Negate", "node"),
    ]  # fmt: skip
    assert parent_names(trace, "prep") == ["Load", "Double", "Negate"]
    assert [each.name for each in trace if each.kind == "phase"] == ["prep", "exec", "post"] * 3


def test_items_of_a_batch_are_branches_of_its_exec_phase(trace: kv.Trace):
    names = {each.span_id: each for each in trace}
    items = [each for each in trace if each.kind == "branch"]
    assert [(each.name, names[each.parent_id].name) for each in items] == [("Double", "exec")] * 3 + [
        ("Negate", "exec")
    ] * 3


def test_each_try_is_an_attempt(trace: kv.Trace):
    assert [(each.attempt, each.status) for each in trace if each.kind == "attempt"] == [
        (1, "ok"), (1, "error"), (2, "error"), (3, "ok"), (1, "ok"),
    ]  # fmt: skip
    assert [each.attempt for each in trace if each.name == "Double" and each.kind == "branch"] == [1, 3, 1]


def test_passes_of_a_batch_flow_are_branches():
    shared: dict = {}
    with kv.record(capture="pocketflow") as trace:
        asyncio.run(Each(start=Visit()).run_async(shared))
    trace.validate()
    assert sorted(shared["visited"]) == ["Oslo", "Rome"]
    assert [each.name for each in trace if each.kind == "branch"] == ["city=Oslo", "city=Rome"]
    assert parent_names(trace, "Visit") == ["city=Oslo", "city=Rome"]


def test_an_error_ends_the_phase_the_node_and_the_flow():
    class Broken(pocketflow.Node):
        def exec(self, prep_res):
            raise ValueError("no")

    with kv.record(capture="pocketflow") as trace, pytest.raises(ValueError, match="no"):
        pocketflow.Flow(start=Broken()).run({})
    assert [(each.name, each.status) for each in trace] == [
        ("Flow", "error"), ("Broken", "error"), ("prep", "ok"), ("exec", "error"),
    ]  # fmt: skip


def test_classes_and_nodes_are_as_they_were():
    before = {name: vars(owner)[name] for owner, name in [(Double, "exec"), (pocketflow.Node, "_exec")]}
    node = Double(max_retries=3)
    with kv.record(capture="pocketflow"):
        node.run({"items": [0]})
        assert pickle.loads(pickle.dumps(Double.exec)) is Double.exec
        assert sorted(vars(node)) == ["cur_retry", "max_retries", "params", "successors", "tried", "wait"]
    assert {"exec": Double.exec, "_exec": pocketflow.Node._exec} == before


def test_items_of_a_batch_are_labelled_on_request():
    with kv.record(capture="pocketflow", label="arguments") as trace:
        run({"count": 2})
    assert [each.attributes.get("label") for each in trace if each.kind == "branch"] == ["0", "1"] * 2


# -- pocketflow nodes ----------------------------------------------------------------------------------------------


PROGRAM = """
import sys
import kaygraph_viz as kv
with kv.record(capture="pocketflow") as trace:
    assert "pocketflow" not in sys.modules
    import pocketflow
    pocketflow.Flow(start=pocketflow.Node()).run({})
print([span.name for span in trace])
"""


@pytest.mark.processes
def test_a_library_that_the_block_imports_first_is_captured_too():
    pytest.importorskip("pocketflow")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['Flow', 'Node', 'prep', 'exec', 'post']"
