"""Graphs: actions, ends, loops, params, copies, nesting, batches, shapes, size."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest

from kaygraph_viz.base.errors import GraphError, OptionError, StepLimitExceeded, WiringError
from kaygraph_viz.execute.outcome import Outcome, Outcomes
from kaygraph_viz.execute.registry import executor_class
from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.graph.fan_out import FanOutNode
from kaygraph_viz.graph.graph import AsyncGraph, AsyncParallelBatchGraph, BatchGraph, Graph, ParallelBatchGraph
from kaygraph_viz.graph.node import Node, refuse_to_contain_itself
from kaygraph_viz.recording import record
from tests.graph.hooks import with_hooks

GUARD_S = 20.0


class Visit(Node):
    """Writes down its name and returns an action."""

    def __init__(self, name, action=None, **options):
        super().__init__(node_id=name, **options)
        self.action = action

    def post(self, shared, prep_res, exec_res):
        shared.setdefault("visited", []).append(self.node_id)
        return self.action


def visited(graph, **shared):
    graph.run(shared)
    return shared.get("visited", [])


def test_nodes_run_along_their_actions():
    a, b, c = Visit("a", "no"), Visit("b"), Visit("c")
    a - "yes" >> b
    a - "no" >> c
    c >> b
    assert visited(Graph(start=a)) == ["a", "c", "b"]


def test_start_can_be_set_later():
    graph = Graph()
    assert graph.start(Visit("a")) >> Visit("b")
    assert visited(graph) == ["a", "b"]


@pytest.mark.parametrize("start", ["a", Node, 5])
def test_a_start_that_is_no_node_is_refused(start):
    with pytest.raises(WiringError, match="start is"):
        Graph(start=start)
    with pytest.raises(WiringError, match="start is"):
        Graph().start(start)


def test_a_graph_without_start_is_a_clear_error():
    with pytest.raises(GraphError, match="has no start; write: Graph"):
        Graph().run({})


def test_an_unknown_action_ends_the_graph_with_one_warning():
    a = Visit("a", "maybe")
    a - "yes" >> Visit("b")
    a - "no" >> Visit("c")
    with pytest.warns(UserWarning, match="Graph ends") as caught:
        assert visited(Graph(start=a)) == ["a"]
    assert [str(warning.message) for warning in caught] == ["Graph ends: 'maybe' not found in ['yes', 'no']"]


def test_a_node_without_successors_ends_the_graph_quietly():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert visited(Graph(start=Visit("a", "anything"))) == ["a"]


@pytest.mark.parametrize(
    "action",
    [5, 0, True, False, 1.5, ["next"], [], {"a": 1}, {}, np.array([1, 2]), np.array([]), b"next", Outcome(0), object()],
    ids=repr,
)
@pytest.mark.parametrize("has_successor", [False, True])
@pytest.mark.parametrize("kind", [Graph, AsyncGraph])
def test_an_action_that_is_no_text_is_a_clear_error(action, has_successor, kind):
    a = Visit("a", action)
    if has_successor:
        a >> Visit("b")
    with pytest.raises(GraphError, match=r"<Visit 'a'> returned .* from post, expected the name of an action"):
        kind(start=a).run({"visited": []})


@pytest.mark.parametrize("found", ["b", 7, []])
def test_a_next_node_that_is_none_is_a_clear_error(found):
    graph = Graph(start=Visit("a"))
    graph.get_next_node = lambda *_: found
    with pytest.raises(GraphError, match=r"get_next_node of <Graph> returned .*, expected a node, or None at the end"):
        graph.run({"visited": []})


def test_a_loop_without_an_exit_stops_with_the_trace_intact():
    a, b = Visit("a"), Visit("b")
    a >> b >> a
    with pytest.raises(StepLimitExceeded, match=r"took 10 steps and was at <Visit 'a'>"), record() as trace:
        Graph(start=a, max_steps=10).run({})
    assert trace.counts() == {"graph": 1, "node": 10, "phase": 30, "error": 1}


def test_exactly_max_steps_are_allowed():
    a = Visit("a")
    a >> Visit("b")
    assert visited(Graph(start=a, max_steps=2)) == ["a", "b"]


@pytest.mark.parametrize("max_steps", [0, -1, True, 1.5])
def test_impossible_max_steps_are_refused(max_steps):
    with pytest.raises(OptionError, match="max_steps"):
        Graph(max_steps=max_steps)


def test_each_step_runs_a_copy():
    class Counts(Node):
        n = 0

        def exec(self, prep_res):
            self.n += 1
            return self.n

        def post(self, shared, prep_res, exec_res):
            shared["n"] = shared.get("n", 0) + exec_res
            return "again" if shared["n"] < 3 else None

    counts = Counts()
    counts - "again" >> counts
    counts - "default" >> Visit("end")
    Graph(start=counts).run(shared := {})
    assert shared["n"] == 3
    assert counts.n == 0


def test_params_of_the_graph_win_over_those_of_the_node_and_are_copies():
    seen = []

    class Look(Node):
        def exec(self, prep_res):
            seen.append(dict(self.params))
            self.params["left"] = "behind"

    look = Look()
    look.set_params({"city": "Oslo", "size": 1})
    graph = Graph(start=look)
    graph.set_params({"city": "Rome"})
    graph.run({})
    graph.run({})
    assert seen == [{"city": "Rome", "size": 1}] * 2
    assert look.params == {"city": "Oslo", "size": 1}


def test_an_error_of_a_node_is_the_error_of_the_graph():
    a = Visit("a")
    a.exec = lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError), record() as trace:
        Graph(start=a).run({})
    assert {s.status for s in trace.where(kind="graph")} == {"error"}


def test_on_error_of_a_graph():
    a = Visit("a")
    a.exec = lambda _: 1 / 0
    graph = Graph(start=a)
    graph.on_error = lambda shared, error: True
    assert graph.run({}) is None


# -- nesting -------------------------------------------------------------------------------------------------------


def test_a_graph_is_a_node_of_another_and_passes_its_last_action_on():
    inner = Graph(start=Visit("inner", "special"), node_id="sub")
    inner - "special" >> Visit("after")
    assert visited(Graph(start=inner)) == ["inner", "after"]


def test_prep_and_post_of_a_graph_run_around_its_nodes():
    calls = []
    graph = Graph(start=Visit("a"))
    graph.prep = lambda shared: calls.append("prep") or "prepared"
    graph.post = lambda shared, prep_res, exec_res: calls.append(prep_res) or "done"
    assert graph.run({}) == "done"
    assert calls == ["prep", "prepared"]


def test_params_reach_nested_graphs():
    seen = []
    node = Visit("a")
    inner = Graph(start=node)
    node.__class__ = type("Look", (Visit,), {"exec": lambda self, _: seen.append(self.params)})
    outer = Graph(start=inner)
    outer.set_params({"city": "Oslo"})
    outer.run({})
    assert seen == [{"city": "Oslo"}]


def test_spans_of_nested_graphs_have_the_right_parents():
    inner = Graph(start=Visit("a"), node_id="inner")
    fan = FanOutNode({"b": Visit("b"), "c": len}, node_id="fan")
    fan.prep = lambda shared: ()
    inner >> fan
    with record() as trace:
        Graph(start=inner, node_id="outer").run({})
    by_id = {s.span_id: s for s in trace}

    def path(s):
        return [s.name] if s.parent_id is None else [*path(by_id[s.parent_id]), s.name]

    paths = {".".join(path(s)) for s in trace}
    assert {"outer.inner.a.exec", "outer.fan.exec.b.b.post", "outer.fan.exec.c"} <= paths
    assert trace.counts() == {"graph": 2, "node": 3, "phase": 9, "branch": 2}


# -- batches -------------------------------------------------------------------------------------------------------


class Greet(Node):
    def exec(self, prep_res):
        return f"{self.params['greeting']} {self.params['name']}"

    def post(self, shared, prep_res, exec_res):
        shared[self.params["name"]] = exec_res


def batch(cls, sets, start=None, **options):
    graph = cls(start=start or Greet(), **options)
    graph.set_params({"greeting": "hi"})
    graph.prep = lambda shared: sets
    return graph


@pytest.mark.parametrize("cls", [BatchGraph, ParallelBatchGraph])
def test_a_batch_graph_runs_once_for_each_set_of_params(cls):
    batch(cls, ({"name": name} for name in ("Ada", "Grace"))).run(shared := {})
    assert shared == {"Ada": "hi Ada", "Grace": "hi Grace"}


@pytest.mark.parametrize("cls", [BatchGraph, ParallelBatchGraph])
@pytest.mark.parametrize("sets", [None, []])
def test_no_sets_no_runs(cls, sets):
    batch(cls, sets).run(shared := {})
    assert shared == {}


@pytest.mark.parametrize("cls", [BatchGraph, ParallelBatchGraph])
def test_a_set_that_is_no_dict_is_a_clear_error(cls):
    with pytest.raises(GraphError, match="'Ada' at position 1, expected a dict of params"):
        batch(cls, [{"name": "Grace"}, "Ada"]).run({})


def test_runs_of_a_parallel_batch_graph_really_are_at_once():
    together = threading.Barrier(4)

    class Meet(Node):
        def exec(self, prep_res):
            together.wait(GUARD_S)

    with record() as trace:
        batch(ParallelBatchGraph, [{"n": n} for n in range(4)], Meet(), max_workers=4).run({})
    assert trace.counts()["branch"] == 4
    assert len({s.lane for s in trace.where(kind="node")}) == 4


def elsewhere(kind):
    """Return the two ways to ask for branches in other processes."""
    if kind == "dask":
        pytest.importorskip("distributed")
    return [kind, executor_class(kind)(2)]


@pytest.mark.parametrize("kind", ["process", "dask"])
@pytest.mark.parametrize("way", [0, 1])
def test_a_parallel_batch_graph_in_other_processes_is_refused_since_its_nodes_would_lose_what_they_write(kind, way):
    executor = elsewhere(kind)[way]
    with pytest.raises(OptionError, match=r"nodes would lose what they write, got .*executor=\"thread\""):
        ParallelBatchGraph(Node(), executor=executor)


def test_a_parallel_batch_graph_can_collect():
    class Fails(Node):
        def exec(self, prep_res):
            return 1 / self.params["n"]

    graph = batch(ParallelBatchGraph, [{"n": n} for n in (1, 0, 2)], Fails(), on_error="collect")
    graph.post = lambda shared, prep_res, exec_res: shared.update(outcomes=exec_res)
    graph.run(shared := {})
    assert isinstance(shared["outcomes"], Outcomes)
    assert [outcome.index for outcome in shared["outcomes"].failed] == [1]


# -- shapes and size -----------------------------------------------------------------------------------------------


def test_structure_lists_nodes_breadth_first_and_their_edges():
    a, b, c = Visit("a"), Visit("b"), ParallelBatchNode(node_id="c")
    a - "yes" >> b
    a - "no" >> c
    b >> c
    c - "again" >> a
    view = Graph(start=a, node_id="g").structure()
    assert view.name == "g"
    assert [(node.node_id, node.label, node.is_parallel) for node in view.nodes] == [
        ("a", "Visit", False), ("b", "Visit", False), ("c", "ParallelBatchNode", True),
    ]  # fmt: skip
    assert [(edge.source, edge.action, edge.target) for edge in view.edges] == [
        ("a", "yes", "b"), ("a", "no", "c"), ("b", "default", "c"), ("c", "again", "a"),
    ]  # fmt: skip


def test_structure_of_a_graph_in_a_graph():
    inner = Graph(start=Visit("a"), node_id="inner")
    (node,) = Graph(start=inner).structure().nodes
    assert node.graph.name == "inner"
    assert [found.node_id for found in node.graph.nodes] == ["a"]
    assert Graph(start=ParallelBatchGraph(start=Visit("a"))).structure().nodes[0].is_parallel


def test_structure_of_an_empty_graph():
    assert Graph().structure().nodes == ()


def test_equal_names_are_made_unique_in_shape_and_trace():
    a, b, c = Visit("x"), Visit("x"), Visit("x #2")
    a >> b >> c
    graph = Graph(start=a)
    names = [node.node_id for node in graph.structure().nodes]
    assert len(set(names)) == 3
    with record() as trace:
        graph.run({})
    assert [s.name for s in trace.where(kind="node")] == names


def test_a_chain_of_ten_thousand_nodes_runs_and_has_a_shape():
    first = last = Visit("n")
    for _ in range(9_999):
        last = last >> Visit("n")
    graph = Graph(start=first)
    assert len(visited(graph)) == 10_000
    view = graph.structure()
    assert len({node.node_id for node in view.nodes}) == 10_000
    assert len(view.edges) == 9_999


# -- graphs that contain themselves ----------------------------------------------------------------------------------


GRAPHS = [Graph, BatchGraph, ParallelBatchGraph, AsyncGraph, AsyncParallelBatchGraph]


def params(_):
    return [{"n": 1}]


def itself(kind):
    graph = with_hooks(kind(), prep=params)
    graph.start(graph)
    return graph


def later(kind):
    graph = with_hooks(kind(first := Node()), prep=params)
    first >> Node() >> graph
    return graph


def through_another(kind):
    graph, inner = with_hooks(kind(first := Node()), prep=params), with_hooks(kind(other := Node()), prep=params)
    first >> inner
    other - "again" >> graph
    return graph


def through_a_branch(kind):
    graph = with_hooks(kind(first := Node()), prep=params)
    first >> FanOutNode({"branch": Graph(Node()), "graph": graph})
    return graph


@pytest.mark.parametrize("kind", GRAPHS)
@pytest.mark.parametrize("make", [itself, later, through_another, through_a_branch])
@pytest.mark.parametrize("clock", [None, "virtual"])
def test_a_graph_that_contains_itself_is_refused_before_a_node_runs(kind, make, clock):
    with record(clock=clock) as trace, pytest.raises(GraphError, match=r"contains itself.*again"):
        make(kind).run({})
    assert [s.name for s in trace.where(kind="node")] == []


@pytest.mark.parametrize("make", [itself, later, through_another])
def test_its_diagram_is_refused_as_well(make):
    with pytest.raises(GraphError, match="contains itself"):
        make(Graph).structure()


def test_a_branch_that_is_its_own_node_is_refused():
    fan = FanOutNode({"text": str})
    fan.branches["fan"] = fan
    with pytest.raises(GraphError, match="contains itself"):
        fan.run({})


def test_a_graph_may_be_part_of_others_several_times():
    shared = {"ran": 0}

    def count(store):
        store["ran"] += 1

    inner = Graph(with_hooks(Node(), prep=count), "inner")
    middle, outer = Graph(inner, "middle"), Graph(first := Node(), "outer")
    first >> middle >> with_hooks(Graph(inner), node_id="again") >> FanOutNode({"a": inner, "b": inner})
    outer.run(shared)
    assert shared["ran"] == 4
    assert len(outer.structure().nodes) == 4


def test_a_loop_of_nodes_is_none_of_that():
    node = Node()
    node >> Graph(Node()) >> node
    refuse_to_contain_itself(Graph(node))


def test_graphs_may_be_nested_deeply():
    graph = Graph(Node())
    for _ in range(5_000):
        graph = Graph(graph)
    refuse_to_contain_itself(graph)
