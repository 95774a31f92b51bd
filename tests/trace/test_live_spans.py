"""A live trace with what is still open: nothing is lost, nothing is changed."""

from __future__ import annotations

from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, bar, make_trace
from kaygraph_viz.trace.recorder import so_far, span


def test_open_spans_are_there_with_their_parents():
    with record() as trace, span("node", kind="node"), span("outer", kind="phase"):
        with span("done"):
            pass
        with span("going on"):
            shown, still_open = so_far(trace)
    names = {each.span_id: each.name for each in shown}
    assert [names[number] for number in sorted(still_open)] == ["node", "outer", "going on"]
    assert {each.name: names.get(each.parent_id) for each in shown}["done"] == "outer"
    assert {each.status for each in shown} == {"ok"}
    shown.validate()


def test_the_trace_itself_is_not_touched():
    with record() as trace, span("a"):
        so_far(trace)
        assert len(trace) == 0
    assert [each.name for each in trace] == ["a"]
    trace.validate()


def test_texts_that_are_known_keep_their_numbers():
    with record() as trace:
        with span("a"):
            pass
        with span("a"):
            shown, _ = so_far(trace)
    assert shown.columns.names == ("a",)
    assert [each.name for each in shown] == ["a", "a"]


def test_a_clock_of_tests_is_not_asked():
    clock = FakeClock()
    with record(clock=clock) as trace:
        with span("a"):
            clock.compute(2)
        with span("b"):
            clock.compute(5)
            shown, _ = so_far(trace)
    assert [(each.name, each.service_s) for each in shown] == [("a", 2.0), ("b", 0.0)]


def test_a_complete_trace_is_returned_as_it_is():
    trace = make_trace(bar("a", "t", 0, 1))
    assert so_far(trace) == (trace, frozenset())
