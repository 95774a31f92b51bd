"""Two branches that access one key of the shared store."""

import copy
import gc
import json
import pickle
import pprint
import threading
from collections import Counter, OrderedDict, UserDict, defaultdict
from contextlib import nullcontext
from weakref import ref

import pytest

from kaygraph_viz.analysis.conflicts import conflicts
from kaygraph_viz.base.errors import SharedConflictError
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


# -- what is noted -------------------------------------------------------------------------------------------------


NOTED = {
    "shared['a']": (["a"], []),
    "shared.get('z')": (["z"], []),
    "'a' in shared": (["a"], []),
    "list(shared.items())": (["a", "b"], []),
    "dict(shared)": (["a", "b"], []),
    "shared == {}": (["a", "b"], []),
    "copy.copy(shared)": (["a", "b"], []),
    "json.dumps(shared)": (["a", "b"], []),
    "[list(shared), len(shared), shared.keys()]": ([], []),
    "shared.__setitem__('a', 2)": ([], ["a"]),
    "shared.__delitem__('a')": ([], ["a"]),
    "shared.pop('a')": (["a"], ["a"]),
    "shared.pop('z', 0)": (["z"], []),
    "shared.popitem()": ([], ["b"]),
    "shared.setdefault('a', 2)": (["a"], []),
    "shared.setdefault('z', 2)": (["z"], ["z"]),
    "shared.update({'c': 1}, d=2)": ([], ["c", "d"]),
    "shared.update([('c', 1)])": ([], ["c"]),
    "shared.__ior__({'c': 1})": ([], ["c"]),
    "shared.clear()": ([], ["a", "b"]),
}


@pytest.mark.parametrize("code", NOTED)
def test_what_is_noted(code):
    with record(shared_access=True) as trace:
        FanOutNode({"branch": looking_node(code, [])}).run({"a": 1, "b": 2})
    (branch,) = trace.where(kind="branch")
    assert (branch.attributes.get("reads", []), branch.attributes.get("writes", [])) == NOTED[code]


def test_what_a_graph_reads_inside_a_branch_is_noted_too():
    class Reads(Graph):
        def prep(self, shared):
            return shared["a"]

    with record(shared_access=True) as trace:
        FanOutNode({"branch": Reads(start=Node())}).run({"a": 1})
    assert [dict(branch.attributes) for branch in trace.where(kind="branch")] == [{"reads": ["a"]}]


# -- nothing changes for the program -------------------------------------------------------------------------------


def looking_node(code, seen):
    """Return a node that runs code on its store, and keeps the result or the error."""

    class Look(Node):
        def post(self, shared, prep_res, exec_res):
            names = {"shared": shared, "copy": copy, "json": json, "pickle": pickle, "pprint": pprint}
            try:
                exec(f"found = {code}", names)
            except Exception as error:
                seen.append((type(error).__name__, str(error)))
            else:
                seen.append((type(names["found"]).__name__, repr(names["found"])))

    return Look()


SAME = [
    *NOTED,
    "json.dumps(shared, indent=1, sort_keys=True)", "json.loads(json.dumps(shared))", "repr(shared)", "f'{shared}'",
    "pprint.pformat(shared)", "pprint.pformat(shared, width=5)", "copy.deepcopy(shared)", "shared.copy()",
    "[pickle.loads(pickle.dumps(shared, protocol)) for protocol in range(6)]", "pickle.loads(pickle._dumps(shared))",
    "shared | {'z': 1}", "{'z': 1} | shared", "shared | shared", "shared | [('z', 1)]", "5 | shared", "shared | 5",
    "shared.__ior__([('z', 1)])", "shared.__ior__(None)", "shared.__or__(5)", "shared.__eq__(5)", "shared == shared",
    "isinstance(shared, dict)", "type(shared).__name__", "(lambda **named: named)(**shared)", "{**shared}",
    "dict.copy(shared)", "dict.__getitem__(shared, 'a')", "dict.items(shared)", "list(reversed(shared))", "[*shared]",
    "shared == {'b': 2, 'a': 1}", "{'a': 1, 'b': 2} == shared", "shared != {}", "shared < {}", "hash(shared)",
    "bool(shared)", "sorted(shared)", "shared.keys() & {'a'}", "shared.items()", "shared.values()", "shared['z']",
    "shared[[]]", "shared.get([])", "[] in shared", "shared.x", "shared()", "shared.fromkeys('ab', 0)",
    "'%(a)s' % shared", "'{a}'.format(**shared)", "'{a}'.format_map(shared)", "shared.pop('z')",
    "[shared.popitem() for _ in range(3)]", "shared.update(5)", "shared.update(None)", "shared.update([('c', 1), 5])",
    "shared.update(['cd'])", "shared.update(shared)", "shared.update((key, len(shared)) for key in 'xyz')",
    "shared.update(self=1, other=2)", "shared.update({'c': 1}, {})", "[shared.clear(), json.dumps(shared), shared]",
    "[shared.pop(key) for key in shared]", "[shared.pop(key) for key in list(shared)]", "eval('a + b', {}, shared)",
    "type(shared)(a=1)", "type(shared)([('c', 1)])", "type(shared)(shared) | {'c': 1}", "type(shared)(5)",
    "type(type(shared)())", "[shared.__setitem__(key + key, 1) for key in shared]",
    "[shared.pop('a'), shared.update(a=3), list(shared)]",
]  # fmt: skip


@pytest.mark.parametrize("code", SAME)
@pytest.mark.parametrize("mode", [True, "strict"])
def test_code_cannot_tell_whether_accesses_are_recorded(code, mode):
    found = []
    for block in (nullcontext(), record(shared_access=mode)):
        shared, seen = {"a": 1, "b": 2}, []
        with block:
            looking_node(code, seen).run(shared)
            looking_node("repr(shared)", seen).run(shared)
        found.append((seen, list(shared.items())))
    assert found[0] == found[1]


def test_patterns_match_the_store():
    class Look(Node):
        def post(self, shared, prep_res, exec_res):
            match shared:
                case {"a": value, **others}:
                    seen.append((value, others))

    seen = []
    with record(shared_access=True):
        Look().run({"a": 1, "b": 2})
    assert seen == [(1, {"b": 2})]


def kept_stores(run):
    """Run nodes that keep their stores, and return these."""
    kept = []

    class Keep(Node):
        def prep(self, shared):
            kept.append(shared)

        def post(self, shared, prep_res, exec_res):
            kept.append(shared)
            raise ValueError("seen by on_error, too")

        def on_error(self, shared, error):
            kept.append(shared)
            return True

    run(Keep())
    return kept


def test_all_nodes_of_a_run_get_the_same_object():
    def run(node):
        first = Node()
        _ = first >> FanOutNode({"branch": Graph(start=node)})
        Graph(start=first).run({})
        return node

    with record(shared_access=True):
        stores = kept_stores(run)
    assert len(stores) == 3
    assert len({id(store) for store in stores}) == 1


def test_a_store_that_is_kept_stays_the_view_of_what_the_caller_has():
    shared = {"a": 1}
    with record(shared_access=True):
        (kept, *_) = kept_stores(lambda node: node.run(shared))
    kept["b"] = 2
    shared["c"] = 3
    assert (shared, dict(kept)) == ({"a": 1, "b": 2, "c": 3},) * 2
    again = kept_stores(lambda node: node.run(kept))
    with record(shared_access=True) as trace:
        FanOutNode({"branch": looking_node("shared['c']", [])}).run(kept)
    assert again[0] is kept
    assert [branch.attributes["reads"] for branch in trace.where(kind="branch")] == [["c"]]


def test_what_is_written_past_the_nodes_is_there_for_each_of_them():
    shared, seen = {"a": 1, "b": 2}, []

    class Past(Node):
        def exec(self, prep_res):
            del shared["a"]
            shared.update(b=3, c=4, a=5)

    first = Past()
    _ = first >> looking_node("[repr(shared), json.dumps(shared)]", seen)
    with record(shared_access=True):
        Graph(start=first).run(shared)
    assert seen == [("list", repr([str(shared), json.dumps(shared)]))]


class Custom(UserDict):
    pass


@pytest.mark.parametrize("make", [Counter, OrderedDict, lambda: defaultdict(int), Custom, type("MyDict", (dict,), {})])
def test_another_kind_of_store_is_left_alone_with_one_warning(make):
    shared = make()
    with (
        record(shared_access=True),
        pytest.warns(UserWarning, match="are not noted, only those to a plain dict") as told,
    ):
        stores = kept_stores(lambda node: Graph(start=node).run(shared))
    assert {id(store) for store in stores} == {id(shared)}
    assert len(told) == 1


def test_many_branches_that_write_at_once_leave_both_dicts_equal():
    shared = {}

    class Count(Node):
        def post(self, shared, prep_res, exec_res):
            for number in range(200):
                shared[number % 7] = object()
                shared.pop(number % 5, None)

    class Compare(Node):
        def post(self, shared, prep_res, exec_res):
            self.params["found"].append([*dict.keys(shared), *map(id, dict.values(shared))])

    compare, found = Compare(), []
    compare.set_params({"found": found})
    with record(shared_access=True):
        FanOutNode({str(number): Count() for number in range(8)}, executor="thread").run(shared)
        compare.run(shared)
    assert sorted(map(str, found[0])) == sorted(map(str, [*shared, *map(id, shared.values())]))


def test_a_store_is_let_go_of_when_its_run_is_over():
    class Thing:
        pass

    thing = Thing()
    alive = ref(thing)
    with record(shared_access=True):
        Node().run({"thing": thing})
        del thing
        gc.collect()
        assert alive() is None


class Nasty:
    def __repr__(self):
        raise ValueError("no text for me")

    __str__ = __repr__


@pytest.mark.parametrize("key", [Nasty(), "x" * 10_000_000, 3, None, ("a", 1)], ids=type)
def test_any_key_may_be_written(key):
    class Write(Node):
        def post(self, shared, prep_res, exec_res):
            shared[key] = 1

    shared = {}
    with record(shared_access=True) as trace:
        FanOutNode({"branch": Write()}).run(shared)
    assert list(shared) == [key]
    assert [len(branch.attributes["writes"][0]) <= 200 for branch in trace.where(kind="branch")] == [True]


def test_a_text_that_is_of_a_class_of_its_own_is_the_same_key():
    class Key(str):
        def __str__(self):
            return "another text"

    with record(shared_access=True) as trace:
        writers("total", Key("total")).run({})
    assert [conflict.key for conflict in conflicts(trace)] == ["total"]
