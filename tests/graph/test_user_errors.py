"""User code may raise anything, in every hook: it arrives as what it is or as its node's error (several modules)."""

from __future__ import annotations

import asyncio

import pytest

from kaygraph_viz.errors import NodeError
from kaygraph_viz.graph.async_graph import AsyncGraph
from kaygraph_viz.graph.async_node import AsyncBase
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.node import Node
from kaygraph_viz.trace.recorder import record
from tests.graph.hooks import ASYNC, BRANCHES, INPUTS, NODES, STAGES, with_hooks
from tests.user_errors import ERRORS, Raises

HERE = ("serial", "thread", "async")
CASES = NODES | ASYNC | BRANCHES | INPUTS | STAGES
STEERING = ("StopIteration", "StopAsyncIteration", "SystemExit", "CancelledError", "own BaseException")


def graph_before_another(node, went_on):
    """Return a graph of a node and another one after it, which notes that it has run."""
    after = with_hooks(Node(), exec=went_on.append)
    node >> after
    return AsyncGraph(node) if isinstance(node, AsyncBase) else Graph(node)


def caught(case, error, kind="thread", run=lambda graph: graph.run({})):
    """Return what is raised where a hook of a graph raises `error`."""
    went_on = []
    try:
        run(graph_before_another(case(Raises(error), kind), went_on))
    except BaseException as raised:
        assert not went_on
        return raised
    return None


def is_right(raised, error):
    """Return whether an error has arrived as what it is, or as its node's error where it would steer the graph."""
    if isinstance(raised, ExceptionGroup) and not isinstance(error, ExceptionGroup):  # of coroutines beside each other
        return all(is_right(each, error) for each in raised.exceptions)
    ends_loops = isinstance(error, (StopIteration, StopAsyncIteration))
    if isinstance(error, (Exception, KeyboardInterrupt)) and not ends_loops:
        return raised is error
    if ends_loops and type(raised) is RuntimeError and raised.__cause__ is error:
        return is_from_the_hook(error)  # what Python itself makes of it in a generator or coroutine
    return isinstance(raised, NodeError) and raised.__cause__ is error


def is_from_the_hook(error):
    """Return whether the outermost generator or coroutine that the error has left is the hook, and none of ours."""
    outermost = error.__traceback__.tb_frame.f_code.co_filename
    return outermost.endswith(("tests/graph/hooks.py", "tests/user_errors.py"))


def wrong(case, kind="thread", errors=ERRORS, **options):
    """Return what is raised in place of each error that does not arrive as it must."""
    found = {}
    for name in errors:
        error = ERRORS[name]()
        raised = caught(case, error, kind, **options)
        if not is_right(raised, error):
            found[name] = raised
    return found


@pytest.mark.parametrize("hook", NODES)
def test_in_a_hook_of_a_node_or_graph(hook):
    assert not wrong(NODES[hook])


@pytest.mark.parametrize("hook", ASYNC)
def test_in_an_asynchronous_hook(hook):
    assert not wrong(ASYNC[hook])


@pytest.mark.parametrize("kind", HERE)
@pytest.mark.parametrize("hook", BRANCHES)
def test_in_a_branch(hook, kind):
    assert not wrong(BRANCHES[hook], kind)


@pytest.mark.parametrize("kind", HERE)
@pytest.mark.parametrize("hook", INPUTS)
def test_in_what_is_called_beside_the_branches(hook, kind):
    assert not wrong(INPUTS[hook], kind)


@pytest.mark.parametrize("kind", HERE)
@pytest.mark.parametrize("hook", STAGES)
def test_in_a_pipeline(hook, kind):
    assert not wrong(STAGES[hook], kind)


# -- under other circumstances ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", CASES)
@pytest.mark.parametrize("clock", [None, "virtual"])
def test_while_it_is_recorded(hook, clock):
    def run(graph):
        with record(clock=clock):
            graph.run({})

    assert not wrong(CASES[hook], errors=STEERING, run=run)


@pytest.mark.parametrize("hook", CASES)
def test_in_a_loop_that_is_running(hook):
    async def run_in_loop(graph):
        graph.run({})

    assert not wrong(CASES[hook], errors=STEERING, run=lambda graph: asyncio.run(run_in_loop(graph)))


@pytest.mark.parametrize("hook", ASYNC)
def test_awaited_in_a_loop_that_is_running(hook):
    assert not wrong(ASYNC[hook], errors=STEERING, run=lambda graph: asyncio.run(graph.run_async({})))
