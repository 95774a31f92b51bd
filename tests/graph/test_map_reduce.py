"""Map, combine, shuffle, reduce: equal results on every executor, the barrier, failures, and stable partitions."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.errors import BranchError, DataError, DeadlineExceeded, NodeError, OptionError, WorkerLostError
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.map_reduce import MapReduceNode, Reduced, partition_of
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock

TEXTS = ["to be or not to be", "that is the question", "", "whether 'tis nobler", "to suffer or to take arms"] * 7
COUNTS = Counter(word for text in TEXTS for word in text.split())


def words(text):
    for word in text.split():
        yield word, 1


def add(key, values):
    return sum(values)


def reduced(items=TEXTS, mapper=words, reducer=add, **options):
    node = MapReduceNode(mapper, reducer, **options)
    node.run(shared := {"items": items})
    return shared["result"]


# -- results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_result_is_the_same_however_it_is_run(opened, workers):
    with opened(workers) as executor:
        results = [reduced(executor=executor, combiner=combiner) for combiner in (None, add)]
    assert results[0] == COUNTS
    assert [list(result) for result in results] == [list(reduced(executor="serial"))] * 2


@given(st.lists(st.text(alphabet="ab ", max_size=9), max_size=30), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_words_are_counted_right_whatever_the_cutting(texts, partitions, chunk_size, combines):
    options = {"partitions": partitions, "chunk_size": chunk_size, "combiner": add if combines else None}
    found = reduced(texts, max_workers=3, **options)
    assert found == Counter(word for text in texts for word in text.split())


def test_keys_come_partition_by_partition_as_they_first_appear():
    first = list(COUNTS)
    assert list(reduced(partitions=1)) == first
    assert list(reduced(partitions=5)) == sorted(first, key=lambda word: (partition_of(word, 5), first.index(word)))


@pytest.mark.parametrize("chunk_size", [None, 3])
def test_a_reducer_gets_the_values_in_the_order_of_the_items(chunk_size):
    def by_parity(number):
        yield number % 2, number

    found = reduced(range(20), by_parity, lambda _, values: values, chunk_size=chunk_size, max_workers=4)
    assert found == {0: list(range(0, 20, 2)), 1: list(range(1, 20, 2))}


@pytest.mark.parametrize("items", [None, [], (), iter(()), ["", ""]])
def test_nothing_to_map_gives_nothing(items):
    assert reduced(items) == {}


def test_a_mapper_may_return_a_list_or_a_dict():
    assert reduced(["a b a"], lambda text: [(word, 1) for word in text.split()]) == {"a": 2, "b": 1}
    assert reduced(["a b a", "a"], lambda text: Counter(text.split())) == {"a": 3, "b": 1}


def test_a_combiner_may_return_something_else_than_the_mapper_yields():
    def mean(_, parts):
        return sum(total for total, _ in parts) / sum(number for _, number in parts)

    found = reduced(
        range(10), lambda number: [("all", number)], mean, combiner=lambda _, values: (sum(values), len(values)),
        chunk_size=3,
    )  # fmt: skip
    assert found == {"all": 4.5}


def test_a_combiner_runs_once_for_each_key_of_a_map_branch():
    calls = []

    def combine(key, values):
        calls.append((key, len(values)))
        return sum(values)

    assert reduced(["a a b", "a b", "b", "b"], combiner=combine, chunk_size=2, executor="serial") == {"a": 3, "b": 4}
    assert calls == [("a", 3), ("b", 2), ("b", 2)]


# -- a class of mappings as the combiner ---------------------------------------------------------------------------


def counted(text):
    return Counter(text.split())


class Longest(dict):
    """Keeps the longest text of each key."""

    def update(self, other):
        for key, text in other.items():
            self[key] = max(self.get(key, ""), text, key=len)


@pytest.mark.parametrize("mapper", [counted, str.split, lambda text: iter(text.split())])
@pytest.mark.parametrize("chunk_size", [None, 4])
def test_counts_are_merged_however_they_are_run(opened, mapper, chunk_size):
    with opened() as executor:
        found = reduced(mapper=mapper, combiner=Counter, executor=executor, chunk_size=chunk_size)
    assert found == COUNTS
    assert list(found) == list(reduced(executor="serial"))


@given(st.lists(st.text(alphabet="ab ", max_size=9), max_size=30), st.integers(1, 9), st.integers(1, 9))
def test_merged_counts_are_right_whatever_the_cutting(texts, partitions, chunk_size):
    found = reduced(texts, counted, max_workers=3, combiner=Counter, partitions=partitions, chunk_size=chunk_size)
    assert found == Counter(word for text in texts for word in text.split())


def test_merged_counts_may_be_negative_or_fractions_as_in_a_counter():
    found = [Counter(a=1, b=-2), {"b": 2, "c": 0.5}, Counter(c=1, a=0)]
    merged = reduced(found, lambda counts: counts, lambda _, values: values[0], combiner=Counter, chunk_size=3)
    assert merged == {"a": 1, "b": 0, "c": 1.5}


def test_a_reducer_gets_one_merged_value_from_each_map_branch():
    found = reduced(["a a b", "a", "b"], counted, lambda _, values: values, combiner=Counter, chunk_size=2)
    assert found == {"a": [3], "b": [1, 1]}


def test_a_class_decides_what_the_values_of_a_mapper_mean():
    assert reduced(["a b", "a"], words, combiner=Counter) == {("a", 1): 2, ("b", 1): 1}
    assert reduced(["a b", "a"], words, combiner=dict) == {"a": 2, "b": 1}


def test_any_class_whose_update_merges_may_be_the_combiner():
    def by_letter(text):
        return {text[0]: text}

    found = reduced(["ab", "b", "abc", "bcd", "a"], by_letter, lambda _, kept: kept, combiner=Longest, chunk_size=4)
    assert found == {"a": ["abc", "a"], "b": ["bcd"]}


def test_what_the_mapper_returned_is_not_changed_by_merging():
    kept = {"a": Counter(a=1), "b": Counter(a=2)}
    assert reduced(["a", "b", "a"], kept.__getitem__, combiner=Counter, chunk_size=3) == {"a": 4}
    assert kept == {"a": Counter(a=1), "b": Counter(a=2)}


def test_collecting_leaves_out_items_that_fail_before_they_are_merged(opened):
    def half(text):
        if not text:
            raise ValueError("nothing to count")
        yield text
        if text == "stop":
            raise ValueError("stopped in the middle")

    with opened() as executor:
        found = reduced(["a", "", "stop", "a"], half, combiner=Counter, chunk_size=4, executor=executor,
                        on_error="collect")  # fmt: skip
    assert found == {"a": 2}
    assert [(outcome.name, outcome.index) for outcome in found.failed] == [("item 1", 1), ("item 2", 2)]


def test_mappings_that_cannot_be_merged_fail_with_their_branch():
    with pytest.raises(TypeError):
        reduced(["a", "b"], lambda text: {"key": text if text == "a" else 1}, combiner=Counter, chunk_size=2)


# -- the node -------------------------------------------------------------------------------------------------------


class WordCount(MapReduceNode):
    def prep(self, shared):
        return shared["texts"]

    def map(self, text):
        for word in text.split():
            yield word, self.params.get("weight", 1)

    def combine(self, word, values):
        return sum(values)

    def reduce(self, word, values):
        return sum(values)

    def post(self, shared, prep_res, exec_res):
        shared["counts"] = exec_res
        return "counted"


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_methods_of_a_subclass_take_the_place_of_functions(kind):
    node = WordCount(executor=kind, max_workers=2)
    assert node.run(shared := {"texts": TEXTS}) == "counted"
    assert shared["counts"] == COUNTS


def test_in_a_graph_its_methods_see_the_params():
    node = WordCount()
    node.set_params({"weight": 10})
    Graph(start=node).run(shared := {"texts": ["a a"]})
    assert shared["counts"] == {"a": 20}


def test_functions_come_before_methods():
    node = WordCount(reducer=lambda word, values: -sum(values))
    node.run(shared := {"texts": ["a a"]})
    assert shared["counts"] == {"a": -2}


def test_without_items_in_the_store_it_says_so():
    with pytest.raises(DataError, match=r"reads shared\['items'\]"):
        MapReduceNode(words, add).run({})


def test_what_cannot_be_iterated_over_is_a_clear_error():
    with pytest.raises(OptionError, match="what prep of 'MapReduceNode' returns must be an iterable"):
        reduced(5)


@pytest.mark.parametrize(
    "options",
    [
        {"mapper": None}, {"mapper": 5}, {"reducer": None}, {"combiner": 5}, {"partitions": 0}, {"partitions": True},
        {"partitions": 10**6}, {"chunk_size": 0}, {"chunk_size": 1.5}, {"max_workers": 0}, {"on_error": "ignore"},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_options_are_refused_when_built(options):
    (name,) = options
    with pytest.raises(OptionError, match=name):
        MapReduceNode(**{"mapper": words, "reducer": add} | options)


def test_asynchronous_functions_are_refused_when_built():
    async def wait(text):
        yield text, 1

    async def wait_long(key, values):
        return sum(values)

    with pytest.raises(OptionError, match="mapper must be a plain function"):
        MapReduceNode(wait, add)
    with pytest.raises(OptionError, match="reducer must be a plain function"):
        MapReduceNode(words, wait_long)


@pytest.mark.processes
def test_an_executor_that_was_given_stays_open_and_another_one_serves_both_phases():
    def pids(_, values):
        return {*values, os.getpid()}

    with get_executor("process", 1) as executor:
        for _ in range(2):
            found = reduced(["a", "a"], lambda text: [(text, os.getpid())], pids, executor=executor)
    assert len(found["a"]) == 1
    found = reduced(["a", "a"], lambda text: [(text, os.getpid())], pids, executor="process", max_workers=1)
    assert len(found["a"]) == 1


# -- chunks ---------------------------------------------------------------------------------------------------------


def sizes(items, **options):
    """Return how many items each map branch got, in order."""
    found = reduced(items, lambda item: [("all", 1)], lambda _, values: values, combiner=add, **options)
    return found["all"]


def test_few_items_are_a_branch_each_and_many_share_branches_whatever_the_workers():
    assert sizes(range(256)) == [1] * 256
    for workers in (1, 8):
        assert sizes(range(1000), max_workers=workers) == [4] * 250


def test_a_chunk_size_says_how_many_items_share_a_branch():
    assert sizes(range(10), chunk_size=4) == [4, 4, 2]
    assert sizes(iter(range(10)), chunk_size=4) == [4, 4, 2]


def test_of_an_input_of_unknown_length_more_and_more_items_share_a_branch():
    found = sizes(iter(range(5000)))
    assert found[:256] == [1] * 256
    assert sum(found) == 5000
    assert len(found) < 1100
    assert found[:-1] == sorted(found[:-1])


def test_an_input_is_read_no_further_than_the_look_ahead():
    pulled, mapped = count(), []

    def numbers():
        for number in range(200):
            next(pulled)
            yield number

    def mapper(number):
        mapped.append(number)
        yield "most ahead", next(pulled) - len(mapped)

    assert reduced(numbers(), mapper, lambda _, values: max(values), executor="serial")["most ahead"] < 250


# -- the trace ------------------------------------------------------------------------------------------------------


def test_no_reducer_starts_before_the_last_mapper_has_ended(opened):
    with opened() as executor, record() as trace:
        reduced(executor=executor, partitions=3, node_id="Count")
    by_id = {s.span_id: s for s in trace}
    branches = trace.where(kind="branch")
    maps = [s for s in branches if s.name.startswith("map")]
    reduces = [s for s in branches if s.name.startswith("reduce")]
    assert {s.name for s in maps} == {f"map {number}" for number in range(len(TEXTS))}
    assert {s.name for s in reduces} == {"reduce 0", "reduce 1", "reduce 2"}
    assert max(s.ended_ns for s in maps) <= min(s.started_ns for s in reduces)
    (mapping,), (reducing,) = trace.where(name="Count map"), trace.where(name="Count reduce")
    assert reducing.links == (mapping.span_id,)
    for part, inside in ((mapping, maps), (reducing, reduces)):
        assert by_id[part.parent_id].name == "exec"
        assert {by_id[s.parent_id].parent_id for s in inside} == {part.span_id}


def test_the_diagram_shows_reduce_branches_after_map_branches():
    graph = Graph(start=WordCount(partitions=2)).structure().nodes[0].graph
    assert [node.node_id for node in graph.nodes] == ["WordCount map", "WordCount reduce"]
    assert graph.nodes[1].branches == ("reduce 0", "reduce 1")
    assert [(edge.source, edge.target) for edge in graph.edges] == [("WordCount map", "WordCount reduce")]


def test_progress_is_told_of_both_phases():
    seen = []
    reduced(["a", "b"], partitions=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2), (1, 1)]


# -- failures -------------------------------------------------------------------------------------------------------


def first_letters(text):
    """Yield something before failing: half an item must not count."""
    for word in text.split():
        yield word[0], 1
    if "bad" in text:
        raise ValueError("bad text")


def test_the_first_error_ends_the_node_and_names_item_and_node(opened):
    with opened() as executor, pytest.raises(ValueError, match="bad text") as caught:
        reduced(["a", "bad", "c"], first_letters, executor=executor, node_id="Count")
    assert {"while item 1 was mapped", "in item 1 of 'Count map'"} <= set(caught.value.__notes__)


def unless_bad(key, values):
    if key == "b":
        raise ValueError("bad key")
    return sum(values)


def test_an_error_of_a_reducer_names_the_key(opened):
    with opened() as executor, pytest.raises(ValueError, match="bad key") as caught:
        reduced(["a", "b"], reducer=unless_bad, executor=executor)
    assert "while key 'b' was reduced" in caught.value.__notes__


def test_collecting_leaves_out_the_item_that_fails_and_nothing_else(opened):
    items = ["a", "one bad two", "c"] * 200  # of which three share a branch
    with opened() as executor:
        found = reduced(items, first_letters, combiner=add, executor=executor, on_error="collect")
    assert isinstance(found, Reduced)
    assert found == {"a": 200, "c": 200}
    assert [failed.index for failed in found.failed] == list(range(1, 600, 3))
    failed = found.failed[0]
    assert (failed.name, failed.status, failed.attempts, failed.ok) == ("item 1", "error", 1, False)
    assert "first_letters" in failed.traceback
    assert "ValueError: bad text" in failed.traceback


def test_collecting_leaves_out_the_key_that_fails_and_nothing_else(opened):
    with opened() as executor:
        found = reduced(["a b c", "a b"], reducer=unless_bad, partitions=1, executor=executor, on_error="collect")
    assert found == {"a": 2, "c": 1}
    assert [(failed.name, str(failed.error)) for failed in found.failed] == [("key 'b'", "bad key")]


def test_what_was_left_out_is_a_detail_of_its_branch_in_the_trace(opened):
    with opened() as executor, record() as trace:
        reduced(["a", "bad"], first_letters, chunk_size=2, executor=executor, on_error="collect")
    (branch,) = trace.where(name="map 0")
    (detail,) = trace.where(kind="attempt")
    assert (detail.name, detail.status, detail.error) == ("item 1", "error", "ValueError: bad text")
    assert (detail.parent_id, branch.status) == (branch.span_id, "ok")


@pytest.mark.parametrize("on_error", ["raise", "collect"])
def test_a_branch_is_tried_again_as_a_whole(on_error):
    tried = []

    def second_time(text):
        tried.append(text)
        if text == "b" and tried.count("b") == 1:
            raise ValueError("not yet")
        yield text, 1

    found = reduced(["a", "b"], second_time, chunk_size=2, max_retries=2, on_error=on_error, executor="serial")
    assert found == {"a": 1, "b": 1}
    assert tried == ["a", "b", "a", "b"]


def test_items_are_left_out_in_the_last_attempt_only():
    tried = []

    def never(text):
        tried.append(text)
        raise ValueError(text)

    found = reduced(["a"], never, max_retries=3, on_error="collect")
    assert (len(tried), found.failed[0].attempts) == (3, 3)


def test_an_error_that_is_not_to_be_tried_again_is_left_out_at_once():
    found = reduced(["bad"], first_letters, retry=RetryPolicy(3, retry_on=(OSError,)), on_error="collect")
    assert found.failed[0].attempts == 1


@pytest.mark.processes
def test_a_lost_process_costs_its_branch():
    def die(text):
        if text == "die":
            os._exit(3)
        yield text, 1

    found = reduced(["a", "die", "b"], die, executor="process", max_workers=2, on_error="collect")
    assert found == {"a": 1, "b": 1}
    (failed,) = found.failed
    assert (failed.name, failed.index, type(failed.error)) == ("map 1", 1, WorkerLostError)


def test_a_branch_that_takes_too_long_is_left_out():
    clock = FakeClock()

    def sleep(seconds):
        clock.sleep(seconds)
        yield seconds, 1

    with record(clock=clock):
        found = reduced([1, 9], sleep, executor="serial", timeout=5, on_error="collect")
    assert found == {1: 1}
    assert [(failed.name, failed.status) for failed in found.failed] == [("map 1", "timeout")]


def test_the_deadline_is_one_for_both_phases():
    clock = FakeClock()

    def sleep(seconds):
        clock.sleep(seconds)
        yield seconds, 1

    with record(clock=clock), pytest.raises(DeadlineExceeded, match="the call of 'MapReduceNode'"):
        reduced([300, 300], sleep, executor="serial", deadline=500)


@pytest.mark.parametrize(
    ("mapper", "said"),
    [
        (str.split, "too many values to unpack"), (lambda text: 5, "not iterable"), (lambda text: None, "not iterable"),
        (lambda text: [([], 1)], "unhashable"), (lambda text: [1, 2], "cannot unpack"),
    ],
)  # fmt: skip
def test_a_mapper_that_gives_no_pairs_is_told_what_to_write(mapper, said):
    with pytest.raises(NodeError, match=f"a mapper must give pairs.*{said}.*write: yield key, value"):
        reduced(["three words long"], mapper)


def test_errors_of_the_mapper_itself_stay_what_they_are():
    def wrong(text):
        yield text, int(text)

    with pytest.raises(ValueError, match="invalid literal"):
        reduced(["x"], wrong)


def test_a_key_without_a_stable_hash_is_a_clear_error():
    with pytest.raises(OptionError, match="a key must be a text"):
        reduced(["x"], lambda text: [(object(), 1)])


@pytest.mark.processes
def test_a_value_that_cannot_travel_is_a_clear_error():
    def locked(text):
        yield text, threading.Lock()

    assert len(reduced(["x"], locked, lambda _, values: 1)) == 1
    with pytest.raises(BranchError, match="the mapper returned a value that cannot be sent back"):
        reduced(["x"], locked, executor="process", max_workers=1)


def test_an_error_of_the_combiner_names_the_key():
    with pytest.raises(ValueError, match="bad key") as caught:
        reduced(["b"], combiner=unless_bad)
    assert "while key 'b' was combined" in caught.value.__notes__


# -- which partition a key belongs to --------------------------------------------------------------------------------


MANY = 1 << 32  # so that two keys meet in one partition only if they have one hash


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


class Unit(StrEnum):
    METRE = "m"


class Point(NamedTuple):
    x: int
    y: int


KEYS = [
    None, "", "tea", "thé", "\ud800", b"tea", 0, -1, 10**30, 0.5, float("inf"), date(1790, 1, 8), Colour.RED,
    ("tea", 1), (), ("a", ("b", None)), frozenset({"a", "b", 3}),
]  # fmt: skip
PINNED = [0, 0, 2, 6, 0, 2, 1, 2, 6, 5, 4, 4, 5, 2, 0, 2, 4]


def test_partitions_are_those_of_earlier_versions():
    assert [partition_of(key, 8) for key in KEYS] == PINNED


@pytest.mark.processes
@pytest.mark.parametrize("seed", ["1", "2"])
def test_partitions_are_the_same_in_every_process(seed):
    program = f"import runpy; m = runpy.run_path({__file__!r}); print([m['partition_of'](k, 8) for k in m['KEYS']])"
    env = os.environ | {"PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(PINNED)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (0, -0.0), (1, Level.LOW), ("m", Unit.METRE), (Point(1, 2), (1.0, 2)), (2**70, 2.0**70)],
)
def test_equal_keys_of_different_types_belong_together(one, other):
    assert one == other
    assert partition_of(one, MANY) == partition_of(other, MANY)


@given(st.lists(st.one_of(st.text(), st.integers(), st.binary()), unique=True))
def test_the_order_of_a_set_does_not_matter(members):
    assert partition_of(frozenset(members), MANY) == partition_of(frozenset(reversed(members)), MANY)


@given(st.one_of(st.text(), st.binary(), st.integers(), st.floats(allow_nan=False)), st.integers(1, 100))
def test_a_partition_is_one_of_those_that_there_are(key, partitions):
    assert 0 <= partition_of(key, partitions) < partitions


def test_keys_that_differ_little_are_spread():
    decades = [partition_of(decade, 8) for decade in range(1790, 2030, 10)]
    words = [partition_of(f"word {number}", 8) for number in range(8000)]
    assert len(set(decades)) == 8
    assert 900 < min(map(words.count, range(8))) <= max(map(words.count, range(8))) < 1100


class Odd:
    pass


class CaseBlind(str):
    __slots__ = ()

    def __eq__(self, other):
        return self.lower() == other.lower()

    def __hash__(self):
        return hash(self.lower())


@pytest.mark.parametrize(
    "key",
    [Odd(), object, Decimal(1), datetime(2026, 1, 1, tzinfo=UTC), CaseBlind("a"), ("a", Odd())],
    ids=lambda key: str(type(key)),
)
def test_a_key_whose_hash_may_differ_elsewhere_is_refused(key):
    with pytest.raises(OptionError, match="a key must be a text, bytes, a number") as caught:
        partition_of(key, 8)
    assert "yield str(key), value" in str(caught.value)


def test_not_a_number_is_no_key():
    with pytest.raises(OptionError, match="equal to itself"):
        partition_of(float("nan"), 8)
