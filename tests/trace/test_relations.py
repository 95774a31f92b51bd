"""Links between branches that are said once for two phases."""

from __future__ import annotations

from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.graph.map_reduce import MapReduceNode
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.row import Relation, with_links


def two_phases():
    return make_trace(
        (bar("first", "main", 0, 1, kind="phase", span_id=10),
         [bar("a", "t-1", 0, 1, index=0, span_id=11), bar("a", "t-2", 0, 1, index=1, span_id=12)]),
        (bar("second", "main", 1, 2, kind="phase", span_id=20), [bar("b", "t-1", 1, 2, index=0, span_id=21)]),
    ).columns  # fmt: skip


def test_branches_are_linked_by_the_positions_of_their_items():
    linked = with_links(two_phases(), [Relation(20, 10, lambda index: [1, 0])])
    assert dict(linked.links) == {21: (12, 11)}


def test_what_did_not_happen_is_left_out():
    linked = with_links(two_phases(), [Relation(20, 10, lambda index: [7]), Relation(10, 99, lambda index: [0])])
    assert dict(linked.links) == {}


def test_links_that_were_there_stay():
    columns = with_links(two_phases(), [Relation(20, 10, lambda index: [0])])
    assert with_links(columns, [Relation(20, 10, lambda index: [1])]).links[21] == (11, 12)


def test_spans_say_which_branches_they_needed():
    with record(clock="virtual") as trace, get_executor("thread", 2) as executor:
        with span("load", kind="node") as load:
            list(executor.imap(str, range(2), name="load"))
        with span("join", kind="node") as join:
            join.link_branches(load, lambda index: range(2))
            list(executor.imap(str, range(1), name="join"))
    loaded = [s.span_id for s in trace.where(name="load", kind="branch")]
    assert [s.links for s in trace.where(name="join", kind="branch")] == [tuple(loaded)]


def test_without_a_recording_nobody_is_asked_for_links():
    asked = []
    with span("a") as a, span("b") as b:
        b.link_branches(a, asked.append)
    assert asked == []


def test_reduce_branches_are_linked_to_the_map_branches_that_fed_them():
    def first_letter(word):
        yield word[0], 1

    node = MapReduceNode(first_letter, lambda key, values: sum(values), partitions=2, max_workers=2)
    with record() as trace:
        node.run({"items": ["a", "b", "aa"]})
    mapped = {s.index: s.span_id for s in trace if s.kind == "branch" and s.name.startswith("map")}
    reduced = [s for s in trace if s.kind == "branch" and s.name.startswith("reduce")]
    assert sorted(link for s in reduced for link in s.links) == sorted(mapped.values())
    trace.validate()
