"""A node whose items go through stages: its input and results, its place in a graph, diagrams and statistics."""

from __future__ import annotations

import itertools
import threading

import pytest

from kaygraph_viz.base.errors import DataError, OptionError
from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.execute.pipeline.stages import DeadLetter, Stage
from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.graph.fan_out import FanOutNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.node import Node
from kaygraph_viz.graph.pipeline import PipelineNode, PipelineResult
from kaygraph_viz.recording import record
from tests.execute.pipeline.run_helpers import double, endless, fail_odd, wait_10_ms, wait_40_ms

GUARD_S = 20.0


def result_of(stages, items, **options):
    PipelineNode(stages, **options).run(shared := {"items": items})
    return shared["result"]


class Squares(PipelineNode):
    def __init__(self, **options):
        super().__init__([Stage("parse", int), Stage("square", self.square, workers=2)], **options)

    def prep(self, shared):
        return shared["texts"]

    def square(self, number):
        return number**2

    def post(self, shared, prep_res, exec_res):
        shared["squares"] = exec_res.values
        return "some failed" if exec_res.dead_letters else "done"


class FirstThree(PipelineNode):
    """Takes what comes until it has enough."""

    def exec(self, results):
        return [outcome.value for outcome in itertools.islice(results, 3)]


def test_it_has_the_phases_of_a_node():
    shared = {"texts": ["1", "2", "3"]}
    assert Squares().run(shared) == "done"
    assert shared["squares"] == [1, 4, 9]


def test_its_action_picks_the_successor():
    class Note(Node):
        def post(self, shared, prep_res, exec_res):
            shared["noted"] = True

    squares = Squares()
    squares - "some failed" >> Note()
    Graph(start=squares).run(shared := {"texts": ["1", "x"]})
    assert (shared["squares"], shared["noted"]) == ([1], True)


def test_values_and_dead_letters_are_as_many_as_were_read():
    result = result_of([Stage("even", fail_odd, 3), Stage("double", double)], range(10))
    assert result.values == [0, 4, 8, 12, 16]
    assert [(letter.index, letter.item, letter.stage) for letter in result.dead_letters] == [
        (x, x, "even") for x in range(1, 10, 2)
    ]
    assert result.read == 10


def test_dead_letters_are_in_the_order_of_the_source_whenever_they_became_so():
    def late(x):
        sleep(1 if x == 0 else 0)
        raise ValueError(x)

    with record(clock="virtual"):
        result = result_of([Stage("late", late, 4)], range(4), ordered=False)
    assert [letter.index for letter in result.dead_letters] == [0, 1, 2, 3]


def test_a_sink_that_returns_nothing_still_counts():
    loaded = []
    result = result_of([Stage("load", loaded.append)], range(4))
    assert (result.values, loaded) == ([None] * 4, [0, 1, 2, 3])


def test_by_default_it_reads_items_and_says_so():
    with pytest.raises(DataError, match=r"reads shared\['items'\], which is not there"):
        PipelineNode([Stage("double", double)]).run({})


def test_a_prep_that_returns_nothing_is_an_empty_source():
    node = PipelineNode([Stage("double", double)])
    node.prep = lambda shared: None
    node.run(shared := {})
    assert (shared["result"].values, shared["result"].read) == ([], 0)


def test_a_source_that_cannot_be_read_is_refused():
    with pytest.raises(OptionError, match="the source of 'Load' must be an iterable"):
        result_of([Stage("double", double)], 7, node_id="Load")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"stages": []}, "stages must be"),
        ({"stages": [double]}, "stages must be"),
        ({"on_error": "ignore"}, "on_error must be"),
        ({"progress": 3}, "progress must be"),
    ],
)
def test_options_out_of_their_range_are_refused_when_it_is_built(options, told):
    with pytest.raises(OptionError, match=told):
        PipelineNode(**{"stages": [Stage("double", double)]} | options)


def test_with_raise_the_first_error_is_that_of_the_node():
    with pytest.raises(ValueError, match="1 is odd") as caught:
        result_of([Stage("even", fail_odd)], range(5), on_error="raise", node_id="Load")
    assert caught.value.__notes__ == ["in item 1 of 'Load: even'", "in exec of node 'Load'"]


def test_exec_may_take_the_results_as_they_come_and_stop_early():
    closed = []
    FirstThree([Stage("double", double, 2)]).run(shared := {"items": endless(closed)})
    assert (shared["result"], closed) == ([0, 2, 4], [True])


def test_the_same_node_can_run_several_times_at_once():
    node = PipelineNode([Stage("double", double, 2)])
    node.post = lambda shared, prep_res, exec_res: None
    together = threading.Barrier(2)
    node.prep = lambda shared: together.wait(GUARD_S) * 0 + 1 and range(20)
    fan = FanOutNode({"first": node, "second": node})
    fan.post = lambda shared, prep_res, exec_res: shared.update(exec_res)
    with record():
        fan.run(shared := {})
    assert shared["first"].values == shared["second"].values == list(range(0, 40, 2))


@pytest.mark.processes
def test_a_node_with_a_pipeline_in_each_branch_travels_to_processes():
    class Inner(ParallelBatchNode):
        def prep(self, shared):
            return [3, 4]

        def exec(self, count):
            return result_of([Stage("double", double), Stage("even", fail_odd, executor="serial")], range(count)).values

        def post(self, shared, prep_res, exec_res):
            shared["found"] = exec_res

    with record() as trace:
        Inner(2, "process").run(shared := {})
    assert shared["found"] == [[0, 2, 4], [0, 2, 4, 6]]
    assert len(trace.where(name="double")) == 7


def test_progress_counts_what_comes_out():
    seen = []
    result_of([Stage("even", fail_odd)], range(4), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_result_is_a_table_and_names_the_bottleneck():
    with record(clock="virtual"):
        result = result_of([Stage("read", wait_10_ms, 2), Stage("load", wait_40_ms, buffer=2)], range(50))
    assert "the bottleneck is 'load', busy for 100% of the time" in result.sentence
    head, _, columns, source, read, load, _, advice = str(result).splitlines()
    assert head == result.sentence
    assert columns == "stage   workers  at once  busy  blocked  starved  items/s  errors  longest queue"
    assert source == "source        1     0.00    0%      74%      26%    24.88       0"
    assert read == "read          2     0.25   12%      81%       7%    24.88       0              8"
    assert load == "load          1     1.00  100%       0%       0%    24.88       0              2"
    assert advice == "A faster function or more workers for 'load' would make the pipeline faster."
    assert repr(result) == "<PipelineResult: 50 values, 0 dead letters>"


@pytest.mark.parametrize(
    ("bottleneck", "told"),
    [("source", "the bottleneck is the source, busy for 100% of the time: all stages wait for items."),
     ("exec", "the bottleneck is 'exec', which reads the results.")],
)  # fmt: skip
def test_others_than_stages_can_be_the_bottleneck(bottleneck, told):
    class Slow(PipelineNode):
        def prep(self, shared):
            return (sleep(float(bottleneck == "source")) or x for x in range(10))

        def exec(self, results):
            values = []
            for outcome in results:
                sleep(float(bottleneck == "exec"))
                values.append(outcome.value)
            return PipelineResult(values, [], results.read, results.stages, results.bottleneck)

    with record(clock="virtual"):
        Slow([Stage("double", double)]).run(shared := {})
    assert told in shared["result"].sentence


def test_an_empty_run_has_nothing_to_explain():
    assert result_of([Stage("double", double)], []).sentence == "0 of 0 items passed all stages, 0 became dead letters."


def test_one_dead_letter_is_one():
    described = PipelineResult([], [DeadLetter(0)], 1, [], "exec").sentence
    assert described.startswith("0 of 1 items passed all stages, 1 became a dead letter")


def test_a_diagram_shows_the_stages_one_after_the_other():
    view = Graph(start=Squares(node_id="Squares")).structure()
    (node,) = view.nodes
    assert [inner.node_id for inner in node.graph.nodes] == ["Squares source", "Squares parse", "Squares square"]
    assert [inner.is_parallel for inner in node.graph.nodes] == [False, False, True]
    assert [(edge.source, edge.target) for edge in node.graph.edges] == [
        ("Squares source", "Squares parse"), ("Squares parse", "Squares square"),
    ]  # fmt: skip


def test_the_trace_says_how_many_workers_there_were():
    with record(clock="virtual") as trace:
        result_of(
            [Stage("read", wait_10_ms, 3), Stage("load", wait_40_ms, 2, executor="async")], range(8), node_id="ETL"
        )
    noted = {s.name: dict(s.attributes) for s in trace if s.attributes}
    assert noted == {
        "exec": {"executor": "thread", "workers": 4},
        "ETL source": {"executor": "thread", "workers": 1},
        "ETL read": {"executor": "thread", "workers": 3, "buffer": 8},
        "ETL load": {"executor": "async", "workers": 2, "buffer": 8},
    }
