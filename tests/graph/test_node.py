"""One node: phases, hooks, retries, errors, wiring."""

from __future__ import annotations

import warnings

import pytest

from kaygraph_viz.base.errors import BranchError, NodeError, OptionError, WiringError
from kaygraph_viz.graph.batch import BatchNode, ParallelBatchNode
from kaygraph_viz.graph.fan_out import FanOutNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.node import Node, ValidatedNode, readable_id
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock


class Steps(Node):
    """Writes down what is called, in order."""

    def before_prep(self, shared):
        shared["calls"].append("before_prep")

    def prep(self, shared):
        shared["calls"].append("prep")
        return "prepared"

    def exec(self, prep_res):
        return f"{prep_res}, executed"

    def after_exec(self, shared, prep_res, exec_res):
        shared["calls"].append(f"after_exec({prep_res!r}, {exec_res!r})")

    def post(self, shared, prep_res, exec_res):
        shared["calls"].append(f"post({prep_res!r}, {exec_res!r})")
        return "done"


def raising(error):
    def function(*args):
        raise error

    return function


def made(**methods):
    """Return a node whose methods are assigned to the instance, as people do."""
    node = Node(**{key: methods.pop(key) for key in ("max_retries", "wait", "node_id") if key in methods})
    for name, method in methods.items():
        setattr(node, name, method)
    return node


@pytest.mark.parametrize("is_recorded", [False, True])
def test_phases_and_hooks_run_in_order_recorded_or_not(is_recorded):
    shared = {"calls": []}
    if is_recorded:
        with record() as trace:
            action = Steps().run(shared)
        assert [(s.kind, s.name) for s in trace] == [
            ("node", "Steps"), ("phase", "prep"), ("phase", "exec"), ("phase", "post"),
        ]  # fmt: skip
        assert [s.parent_id for s in trace] == [None, 1, 1, 1]
    else:
        action = Steps().run(shared)
    assert action == "done"
    assert shared["calls"] == [
        "before_prep",
        "prep",
        "after_exec('prepared', 'prepared, executed')",
        "post('prepared', 'prepared, executed')",
    ]


def test_methods_assigned_to_the_instance_are_used():
    shared = {}
    node = made(
        prep=lambda shared: 20,
        exec=lambda x: x + 1,
        post=lambda shared, prep_res, exec_res: shared.update(sum=prep_res + exec_res),
    )
    Graph(start=node).run(shared)
    assert shared == {"sum": 41}


def test_a_node_alone_warns_that_its_successors_do_not_run():
    a, b = made(node_id="a"), made(node_id="b", exec=raising(AssertionError("ran")))
    a >> b
    with pytest.warns(UserWarning, match="'a' runs alone"):
        a.run({})


def test_resources_are_opened_and_closed_around_a_with_block():
    calls = []
    node = made(setup_resources=lambda: calls.append("open"), cleanup_resources=lambda: calls.append("close"))
    with pytest.raises(ValueError, match="bad"), node as entered:
        calls.append(entered is node)
        raise ValueError("bad")
    assert calls == ["open", True, "close"]


def test_the_context_lasts_for_one_run():
    seen = []
    node = made()
    node.prep = lambda shared: (seen.append(node.get_context("n", 0)), node.set_context("n", 1))
    node.post = lambda *args: seen.append(node.get_context("n"))
    node.run({})
    node.run({})
    assert seen == [0, 1, 0, 1]


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["prep", "post"])
def test_a_phase_that_raises_is_the_error_and_says_where(phase):
    ran = []
    node = made(node_id="Check", exec=lambda _: ran.append("exec"), **{phase: raising(ValueError("bad"))})
    with pytest.raises(ValueError, match="bad") as caught, record() as trace:
        node.run({})
    assert caught.value.__notes__ == [f"in {phase} of node 'Check'"]
    assert {s.name: s.status for s in trace}[phase] == "error"
    assert ran == ([] if phase == "prep" else ["exec"])


def test_an_error_in_exec_says_where():
    with pytest.raises(ValueError, match="bad") as caught:
        made(node_id="Check", exec=raising(ValueError("bad"))).run({})
    assert caught.value.__notes__ == ["in exec of node 'Check'"]


@pytest.mark.parametrize("phase", ["prep", "exec", "post"])
def test_sys_exit_becomes_a_node_error(phase):
    with pytest.raises(BranchError, match=f"{phase} of node 'Check'") as caught:
        made(node_id="Check", **{phase: raising(SystemExit(1))}).run({})
    assert type(caught.value.__cause__) is SystemExit


@pytest.mark.parametrize("phase", ["prep", "exec", "post"])
@pytest.mark.parametrize("error", [MemoryError, RecursionError, KeyboardInterrupt])
def test_other_errors_and_interrupts_stay_what_they_are(phase, error):
    with pytest.raises(error), record() as trace:
        made(**{phase: raising(error())}).run({})
    assert {s.name: s.status for s in trace}[phase] == ("cancelled" if error is KeyboardInterrupt else "error")


@pytest.mark.parametrize("phase", ["prep", "exec", "post"])
def test_a_coroutine_returned_by_mistake_is_a_clear_error(phase):
    async def coroutine(*args):
        raise AssertionError("was run")

    with pytest.raises(NodeError, match=f"{phase} of node 'Check' returned a coroutine; write a plain function"):
        made(node_id="Check", **{phase: coroutine}).run({})


def test_on_error_true_goes_on_with_the_default_action():
    shared = {}
    a = made(exec=raising(ValueError("bad")), on_error=lambda shared, error: shared.update(error=str(error)) or True)
    a >> made(exec=lambda _: shared.update(went_on=True))
    Graph(start=a).run(shared)
    assert shared == {"error": "bad", "went_on": True}


def test_on_error_false_raises():
    with pytest.raises(ValueError, match="bad"):
        made(exec=raising(ValueError("bad")), on_error=lambda shared, error: False).run({})


def test_on_error_does_not_see_an_interrupt():
    with pytest.raises(KeyboardInterrupt):
        made(exec=raising(KeyboardInterrupt()), on_error=lambda shared, error: True).run({})


# -- retries -------------------------------------------------------------------------------------------------------


class Stubborn(Node):
    def exec(self, prep_res):
        tries.append(self.cur_retry)
        raise ValueError(f"try {len(tries)}")


tries: list[int] = []


@pytest.fixture(autouse=True)
def no_tries():
    tries.clear()


@pytest.mark.parametrize("max_retries", [1, 2, 3])
def test_exec_is_tried_exactly_so_often(max_retries):
    with pytest.raises(ValueError, match=f"try {max_retries}"), record(clock=FakeClock()) as trace:
        Stubborn(max_retries=max_retries, wait=2).run({})
    assert tries == list(range(max_retries))
    counts = trace.counts()
    assert counts.get("attempt", 0) == (max_retries if max_retries > 1 else 0)
    assert [s.service_s for s in trace.where(kind="wait")] == [2] * (max_retries - 1)


def test_the_next_node_counts_from_zero_again():
    seen = []

    class Second(Node):
        def exec(self, prep_res):
            seen.append(self.cur_retry)

    first = Stubborn(max_retries=3)
    first.exec_fallback = lambda prep_res, error: None
    first >> Second()
    Graph(start=first).run({})
    assert seen == [0]


def test_the_fallback_gets_the_input_and_the_last_error():
    node = Stubborn(max_retries=2)
    seen = []
    node.prep = lambda shared: "input"
    node.exec_fallback = lambda prep_res, error: seen.append((prep_res, str(error))) or "instead"
    node.post = lambda shared, prep_res, exec_res: exec_res
    assert node.run({}) == "instead"
    assert seen == [("input", "try 2")]


def test_a_fallback_that_fails_is_the_error_with_the_first_as_cause():
    node = Stubborn()
    node.exec_fallback = raising(LookupError("no fallback"))
    with pytest.raises(LookupError, match="no fallback") as caught:
        node.run({})
    assert str(caught.value.__cause__) == "try 1"


@pytest.mark.parametrize(
    "options",
    [{"max_retries": 0}, {"max_retries": -1}, {"max_retries": True}, {"max_retries": 1.5}, {"wait": -1},
     {"wait": float("nan")}, {"wait": "1"}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("cls", [Node, BatchNode, ParallelBatchNode])
def test_impossible_retries_are_refused_when_built(cls, options):
    (name,) = options
    with pytest.raises(OptionError, match=name):
        cls(**options)


def test_a_validated_node_checks_both_ways_and_tries_again():
    seen = []

    class Root(ValidatedNode):
        def prep(self, shared):
            return shared["number"]

        def validate_input(self, number):
            seen.append("input")
            return abs(number)

        def exec(self, number):
            return number**0.5

        def validate_output(self, root):
            seen.append("output")
            if len(seen) < 4:
                raise ValueError("bad")
            return round(root)

        def post(self, shared, prep_res, exec_res):
            shared["root"] = exec_res

    Root(max_retries=2).run(shared := {"number": -16})
    assert shared["root"] == 4
    assert seen == ["input", "output"] * 2


# -- wiring --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "hint"),
    [
        (None, "NoneType"),
        ("x", "str"),
        (("retry", Node()), "write: a - 'retry' >> node"),
        (Node, r"write an instance: Node\(\)"),
        ([Node()], "list"),
    ],
)
def test_a_wrong_right_side_is_a_type_error_that_says_what_to_write(right, hint):
    a = made(node_id="a")
    with pytest.raises(WiringError, match=hint) as caught:
        a >> right
    assert isinstance(caught.value, TypeError)
    assert "<Node 'a'> >> " in str(caught.value)
    with pytest.raises(WiringError):
        a - "ok" >> right
    with pytest.raises(WiringError):
        a.next(right)
    assert a.successors == {}


@pytest.mark.parametrize("action", [5, None, "", 1.5, Node()])
def test_a_wrong_action_is_a_type_error(action):
    with pytest.raises(WiringError, match="expected a text that is not empty"):
        made(node_id="a") - action >> Node()
    with pytest.raises(WiringError):
        made(node_id="a").next(Node(), action)


def test_a_second_successor_gives_one_warning_that_names_both():
    a, b, c = (made(node_id=name) for name in "abc")
    a >> b
    with pytest.warns(UserWarning, match=r"'a' already goes to 'b' on 'default'; 'c' takes its place") as caught:
        a >> c
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert a.successors == {"default": c}


def test_the_same_successor_twice_is_fine():
    a, b = made(), made()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a >> b
        a >> b
    assert a.successors == {"default": b}


def test_wiring_returns_the_right_side():
    a, b, c = (made(node_id=name) for name in "abc")
    assert a >> b >> c is c
    assert (a - "again" >> c) is c
    assert a.next(b) is b


# -- names and params ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node_id", "readable"),
    [
        (None, "Node"), ("", "Node"), ("   ", "Node"), ("a", "a"), (7, "7"), ("x\0y\u202ez\n", "xyz"),
        ("x" * 10**6, "x" * 77 + "..."), ("\ud800", "Node"),
    ],
)  # fmt: skip
def test_an_id_is_a_short_printable_text(node_id, readable):
    assert Node(node_id=node_id).node_id == readable
    assert readable_id(node_id, "Node") == readable


def test_texts_and_loggers():
    assert repr(Node()) == "<Node>"
    assert repr(Node(node_id="a")) == "<Node 'a'>"
    assert Steps().logger.name == "kaygraph_viz.Steps"


@pytest.mark.parametrize(
    ("node", "is_parallel"),
    [(Node(), False), (BatchNode(), False), (ParallelBatchNode(), True), (FanOutNode({"a": len}), True)],
)
def test_every_node_describes_itself(node, is_parallel):
    view = node.structure_view("x")
    assert (view.node_id, view.label, view.is_parallel) == ("x", type(node).__name__, is_parallel)
