"""Items that a pool hands over at once."""

from __future__ import annotations

from multiprocessing.pool import mapstar, starmapstar

import pytest

from kaygraph_viz.capture.process_recorder import SHORT_NS, Chunk
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import current_scope, span


def mapped(mapper, *arguments):
    with Chunk(current_scope(), 0) as chunk:
        mapper, arguments = chunk.recording(mapper, arguments)
        return mapper(*arguments)


def bars(lasting: list[int], function=None) -> list[tuple[str, int, int]]:
    """Run items that last so many nanoseconds each; return name, duration and number of items of each bar."""
    clock = FakeClock()

    def item(lasts_ns: int) -> None:
        clock.advance(lasts_ns / 1e9)

    with record(clock=clock) as trace:
        mapped(mapstar, (function or item, lasting))
    trace.validate()
    return [(each.name, each.ended_ns - each.started_ns, each.attributes.get("items", 1)) for each in trace]


def test_results_are_in_order():
    with record():
        assert mapped(starmapstar, (pow, [(2, 3), (3, 2)])) == [8, 9]


def test_short_items_share_a_bar():
    assert bars([1_000] * 5) == [("item", 5_000, 5)]


def test_a_long_item_has_a_bar_of_its_own():
    assert bars([1_000, 2_000, SHORT_NS, 3_000]) == [("item", 3_000, 2), ("item", SHORT_NS, 1), ("item", 3_000, 1)]


def test_functions_are_kept_apart():
    with record(clock=FakeClock()) as trace:
        with Chunk(current_scope(), 0) as chunk:
            assert [chunk.call(len, []), chunk.call(len, []), chunk.call(sum, [1])] == [0, 0, 1]
    assert [each.name for each in trace] == ["len", "sum"]


def test_an_item_that_fails_ends_the_chunk():
    with record() as trace, pytest.raises(ZeroDivisionError):
        mapped(starmapstar, (divmod, [(1, 1), (1, 0), (1, 1)]))
    trace.validate()
    assert [(each.status, each.attributes.get("items", 1)) for each in trace] == [("ok", 1), ("error", 1)]


def test_an_item_that_records_something_has_a_bar_of_its_own_however_short():
    clock = FakeClock()

    def item(number: int) -> None:
        clock.advance(1_000 / 1e9)
        if number:
            with span(f"in {number}"):
                clock.advance(number / 1e9)

    with record(clock=clock) as trace:
        mapped(mapstar, (item, [0, 1, SHORT_NS, 0, 0, 2]))
    trace.validate()
    bars = {each.span_id: each for each in trace if each.name == "item"}
    inner = {each.name: bars[each.parent_id] for each in trace if each.name != "item"}
    assert [each.ended_ns - each.started_ns for each in inner.values()] == [1_001, 1_000 + SHORT_NS, 1_002]
    assert [each.attributes.get("items", 1) for each in bars.values()] == [1, 1, 1, 2, 1]
