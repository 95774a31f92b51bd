"""User code may raise anything, in every hook: it arrives as what it is or as its node's error (several modules)."""

from __future__ import annotations

import asyncio

import pytest

from kaygraph_viz.base.errors import NodeError
from kaygraph_viz.execute.coroutines.loops import run as run_coroutine
from kaygraph_viz.graph.async_node import AsyncBase, AsyncNode
from kaygraph_viz.graph.graph import AsyncGraph, Graph
from kaygraph_viz.graph.node import Node
from kaygraph_viz.recording import record
from tests.graph.hooks import ASYNC, BRANCHES, INPUTS, NODES, STAGES, batch, with_hooks
from tests.user_errors import ERRORS, Raises

HERE = ("serial", "thread", "async")
CASES = NODES | ASYNC | BRANCHES | INPUTS | STAGES
STEERING = ("StopIteration", "SystemExit", "CancelledError")


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


@pytest.mark.parametrize("hook", ["setup_resources", "cleanup_resources"])
def test_in_the_resources_of_a_with_block(hook):
    for name in ERRORS:
        error, went_on = ERRORS[name](), []
        with pytest.raises(BaseException) as caught, with_hooks(Node(), **{hook: Raises(error)}):  # noqa: PT011
            went_on.append(1)
        assert is_right(caught.value, error), name
        assert went_on == ([1] if hook == "cleanup_resources" else [])


@pytest.mark.parametrize("hook", ["setup_resources_async", "cleanup_resources_async", "setup_resources"])
@pytest.mark.parametrize("is_plain", [False, True])
def test_in_the_resources_of_an_async_with_block(hook, is_plain):
    async def enter(error):
        bad = Raises(error)
        async with with_hooks(AsyncNode(), **{hook: bad if is_plain or hook == "setup_resources" else bad.later}):
            pass

    for name in ERRORS:
        error = ERRORS[name]()
        with pytest.raises(BaseException) as caught:  # noqa: PT011
            run_coroutine(enter(error))
        assert is_right(caught.value, error), name


@pytest.mark.parametrize("kind", HERE)
def test_the_name_of_a_branch_is_decoration_and_fails_nothing(kind):
    for name in ERRORS:
        if name == "KeyboardInterrupt":
            continue
        shared = {}
        node = batch(kind, branch_name=Raises(ERRORS[name]()), post=lambda shared, _, found: shared.update(found=found))
        with record() as trace:
            node.run(shared)
        assert shared == {"found": [1, 2, 3]}
        assert {s.name for s in trace.where(kind="branch")} == {"ParallelBatchNode"}


def test_an_error_of_any_kind_can_be_handled():
    for name in ERRORS:
        if name == "KeyboardInterrupt":
            continue
        handled = []

        def handle(_, error, handled=handled):
            handled.append(error)
            return True

        node = with_hooks(Node(), prep=Raises(ERRORS[name]()), on_error=handle)
        node >> with_hooks(Node(), exec=handled.append)
        Graph(node).run({})
        assert len(handled) == 2


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


# -- in other processes ----------------------------------------------------------------------------------------------


def is_right_from_elsewhere(raised, error):
    """Return whether a copy of an error has arrived, or a node's error that tells of it."""
    if isinstance(error, Exception) and not isinstance(error, (StopIteration, StopAsyncIteration)):
        return type(raised) is type(error)
    return isinstance(raised, NodeError) and type(error).__name__ in str(raised)


def wrong_from_elsewhere(case, kind):
    found = {}
    for name in (*STEERING, "ValueError", "own BaseException"):
        error = ERRORS[name]()
        raised = caught(case, error, kind)
        if not is_right_from_elsewhere(raised, error):
            found[name] = raised
    return found


@pytest.mark.processes
@pytest.mark.parametrize("hook", BRANCHES)
def test_in_a_branch_in_another_process(processes, hook):
    assert not wrong_from_elsewhere(BRANCHES[hook], processes(1))


@pytest.mark.parametrize("hook", BRANCHES)
def test_in_a_branch_in_a_simulated_process(hook):
    for kind in ("process", "dask"):
        with record(clock="virtual"):
            assert not wrong_from_elsewhere(BRANCHES[hook], kind)


@pytest.mark.processes
def test_in_a_stage_in_another_process():
    error = StopIteration("nothing left")
    assert is_right_from_elsewhere(caught(STAGES["second stage"], error, "process"), error)
