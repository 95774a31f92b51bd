"""Two branches that access one key of the shared store."""

import threading

import pytest

from kaygraph_viz.analysis.conflicts import conflicts
from kaygraph_viz.errors import SharedConflictError
from kaygraph_viz.graph.fan_out import FanOutNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.node import Node
from kaygraph_viz.recording import record


def writers(*keys, meet=None):
    """Return nodes that write to these keys while all of them are running."""
    barrier = meet or threading.Barrier(len(keys))

    class Write(Node):
        def __init__(self, key):
            super().__init__()
            self.key = key

        def post(self, shared, prep_res, exec_res):
            barrier.wait(5)
            try:
                shared[self.key] = self.key
            finally:
                barrier.wait(5)

    return FanOutNode({f"branch {number}": Write(key) for number, key in enumerate(keys)})


def test_two_branches_that_write_one_key_are_a_conflict_with_both_named():
    with record(shared_access=True) as trace:
        writers("total", "total").run({})
    (conflict,) = conflicts(trace)
    assert (conflict.key, conflict.kind) == ("total", "write-write")
    assert {conflict.first.name, conflict.second.name} == {"branch 0", "branch 1"}


def test_different_keys_are_no_conflict():
    with record(shared_access=True) as trace:
        writers("a", "b").run({})
    assert conflicts(trace) == []


def test_accesses_are_recorded_only_when_asked_for():
    with record() as trace:
        writers("total", "total").run({})
    assert conflicts(trace) == []


def test_the_store_is_written_either_way():
    shared = {}
    with record(shared_access=True):
        writers("a", "b").run(shared)
    assert shared == {"a": "a", "b": "b"}


def test_strict_mode_refuses_the_second_writer_and_names_both():
    with record(shared_access="strict") as trace, pytest.raises(SharedConflictError, match="'total'") as caught:
        writers("total", "total").run({})
    numbers = {span.span_id for span in trace.where(kind="branch")}
    assert {caught.value.first, caught.value.second} <= numbers


@pytest.mark.parametrize("executor", ["thread", "serial"])
def test_a_branch_within_another_may_write_what_that_one_wrote(executor):
    class Write(Node):
        def post(self, shared, prep_res, exec_res):
            shared["total"] = 1

    first, inner = Write(), FanOutNode({"inner": Write()}, executor=executor)
    _ = first >> inner
    with record(shared_access="strict") as trace:
        FanOutNode({"outer": Graph(start=first)}, executor=executor).run({})
    assert [span.attributes["writes"] for span in trace.where(kind="branch")] == [["total"]] * 2
    assert conflicts(trace) == []


def test_strict_mode_lets_one_after_the_other_write():
    class Add(Node):
        def post(self, shared, prep_res, exec_res):
            shared["total"] = shared.get("total", 0) + 1

    shared = {}
    with record(shared_access="strict"):
        FanOutNode({"a": Add(), "b": Add()}, executor="serial").run(shared)
    assert shared == {"total": 2}


def test_a_reader_beside_a_writer_is_a_conflict_of_its_own_kind():
    barrier = threading.Barrier(2)

    class Read(Node):
        def prep(self, shared):
            barrier.wait(5)
            value = shared.get("total")
            barrier.wait(5)
            return value

    class Write(Node):
        def post(self, shared, prep_res, exec_res):
            barrier.wait(5)
            shared["total"] = 1
            barrier.wait(5)

    with record(shared_access=True) as trace:
        FanOutNode({"reads": Read(), "writes": Write()}).run({"total": 0})
    assert [conflict.kind for conflict in conflicts(trace)] == ["write-read"]


def test_what_is_outside_of_branches_is_not_noted():
    class Both(Node):
        def post(self, shared, prep_res, exec_res):
            shared["a"] = 1

    with record(shared_access=True) as trace:
        Both().run({})
    assert all(not span.attributes for span in trace)


def test_the_view_behaves_like_the_store():
    seen = {}

    class Look(Node):
        def post(self, shared, prep_res, exec_res):
            shared.update(b=2)
            del shared["a"]
            seen.update(length=len(shared), keys=list(shared), text=repr(shared), has="b" in shared)

    with record(shared_access=True):
        Look().run({"a": 1})
    assert seen == {"length": 1, "keys": ["b"], "text": "{'b': 2}", "has": True}
