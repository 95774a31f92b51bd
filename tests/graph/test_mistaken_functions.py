"""Functions of another kind than a hook needs, by mistake: coroutines and generators are refused (several modules)."""

from __future__ import annotations

import pytest

from kaygraph_viz.base.errors import NodeError
from kaygraph_viz.execute.coroutines.loops import run as run_coroutine
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.execute.progress import ProgressCallback
from kaygraph_viz.graph.async_node import AsyncBase, AsyncNode
from kaygraph_viz.graph.batch import AsyncParallelBatchNode
from kaygraph_viz.graph.graph import AsyncGraph, Graph
from kaygraph_viz.graph.node import Node
from kaygraph_viz.recording import record
from tests.graph.hooks import BRANCHES, INPUTS, NODES, STAGES, batch, first, map_reduce, pairs, pipeline, with_hooks

NO_FUNCTIONS = {"input", "input at once", "input of MapReduceNode", "key of MapReduceNode", "source", "source at once",
                "sets of params"}  # fmt: skip
PLAIN = {name: case for name, case in (NODES | BRANCHES | INPUTS | STAGES).items() if name not in NO_FUNCTIONS}
HOOKS = ("before_prep", "after_exec", "post", "on_error", "setup_resources", "cleanup_resources")


async def coroutine(*_):
    return True


async def asynchronous_generator(*_):
    yield True


def generator(*_):
    yield True


def run(node):
    (AsyncGraph(node) if isinstance(node, AsyncBase) else Graph(node)).run({})


@pytest.mark.parametrize("function", [coroutine, asynchronous_generator])
@pytest.mark.parametrize("hook", PLAIN)
def test_a_plain_hook_that_is_asynchronous(hook, function):
    with pytest.raises((NodeError, ValueError), match=r"coroutine|async"):
        run(PLAIN[hook](function, "thread"))


@pytest.mark.parametrize("kind", ["serial", "async"])
@pytest.mark.parametrize("hook", BRANCHES)
def test_a_branch_that_is_an_asynchronous_generator(hook, kind):
    with pytest.raises((NodeError, ValueError), match="async"):
        run(BRANCHES[hook](asynchronous_generator, kind))


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_is_a_generator(hook):
    node = with_hooks(Node(), **{hook: generator})
    if hook == "on_error":
        node.exec = int
    with pytest.raises(NodeError, match=f"{hook} of node 'Node' returned a generator.*write return, not yield"), node:
        run(node)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("function", [asynchronous_generator, generator])
def test_a_hook_of_an_asynchronous_node_that_is_a_generator(hook, function):
    node = with_hooks(AsyncNode(), **{f"{hook}_async": function})
    if hook == "on_error":
        node.exec = int

    async def main():
        async with node:
            await node.run_async({})

    with pytest.raises(NodeError, match=f"{hook} of node 'AsyncNode' returned a.* generator"):
        run_coroutine(main())


@pytest.mark.parametrize("hook", ["prep_async", "exec_async", "exec_fallback_async"])
@pytest.mark.parametrize("kind", [AsyncNode, AsyncParallelBatchNode])
@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_phase_of_an_asynchronous_node_that_is_an_asynchronous_generator(hook, kind, is_recorded):
    node = with_hooks(kind(), **{"prep": lambda _: ["x"], "exec": int, hook: asynchronous_generator})
    with pytest.raises(NodeError, match="returned an asynchronous generator"):
        if is_recorded:
            with record():
                run(node)
        else:
            run(node)


def test_the_exec_of_a_pipeline_that_is_a_generator_since_it_would_be_read_too_late():
    def passed_on(outcomes):
        yield from outcomes

    with pytest.raises(NodeError, match="exec of node 'PipelineNode' returned a generator"):
        run(with_hooks(pipeline(Stage("same", str)), exec=passed_on))


def test_a_function_of_progress_that_is_asynchronous():
    with pytest.raises(NodeError, match="progress returned a coroutine"):
        run(batch("thread", {"progress": ProgressCallback(coroutine)}))


def test_prep_may_give_a_generator_and_exec_as_well():
    shared = {}
    node = with_hooks(Node(), prep=generator, exec=lambda rows: (2 * row for row in rows))
    node.post = lambda shared, _, rows: shared.update(rows=list(rows))
    Graph(node).run(shared)
    assert shared == {"rows": [2]}


@pytest.mark.parametrize("role", [0, 1])
def test_a_reducer_or_combiner_that_is_a_generator(role):
    functions = [generator, first] if role == 0 else [first, generator]
    with pytest.raises(NodeError, match=r"the (reducer|combiner) returned a generator, expected the one value"):
        run(map_reduce("thread", pairs, *functions))
