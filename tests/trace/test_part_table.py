"""Parts of many spans at once are those that each span tells of itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.parts import NO_SHARE, PART_KINDS
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.columns import PartCollector, part_totals_ns, stretches

PARTS = [("wait", 1), ("cpu", 0.5), ("unknown", 0.5, 0.25), ("unknown", 1)]


def told(trace, positions=None):
    """Return owner, kind, times and share of each part as `stretches` has them."""
    found = stretches(trace.columns, None if positions is None else np.array(positions, np.intp))
    shares = [None if np.isnan(share) else round(share, 3) for share in found.cpu_share.tolist()]
    kinds = [PART_KINDS[kind] for kind in found.kind]
    return [*zip(found.owner.tolist(), kinds, found.started_ns.tolist(), found.ended_ns.tolist(), shares, strict=True)]


def of_spans(spans):
    """Return the same of the spans themselves."""
    exact = {"cpu": 1.0, "unknown": None}
    for owner, span in enumerate(spans):
        for part in span.parts:
            share = exact.get(part.kind, 0.0) if part.cpu_share is None else round(part.cpu_share, 3)
            yield owner, part.kind, part.started_ns, part.ended_ns, share


@st.composite
def bars(draw):
    """Return a bar with noted parts, or with sums only."""
    start, length = draw(st.integers(0, 9)), draw(st.integers(0, 5))
    kinds = draw(st.lists(st.sampled_from(PART_KINDS[:-1]), min_size=length, max_size=length))
    if kinds and draw(st.booleans()):
        return bar("a", "t", start, start + length, parts=[(kind, 1) for kind in kinds])
    cpu_s = draw(st.sampled_from([None, 0, length / 4, length]))
    return bar("a", "t", start, start + length, cpu_s=cpu_s, blocked_s=draw(st.sampled_from([0, length / 2])))


@given(st.lists(bars(), max_size=6))
def test_parts_are_those_of_the_spans(some):
    trace = make_trace(*some, check=False)
    assert told(trace) == [*of_spans(trace.spans)]


def test_spans_are_taken_in_the_order_that_is_asked_for():
    trace = make_trace(bar("a", "t", 0, 3, parts=PARTS), bar("b", "t", 3, 4, cpu_s=0), bar("c", "t", 4, 5, cpu_s=1))
    assert told(trace, [2, 0, 0]) == [*of_spans([trace.spans[at] for at in (2, 0, 0)])]
    assert told(trace, []) == []


def test_without_spans_there_are_no_parts():
    assert told(make_trace()) == []


def test_totals_add_up_by_kind():
    trace = make_trace(bar("a", "t", 0, 3, parts=PARTS), bar("b", "t", 3, 5, cpu_s=0))
    totals = {kind: (found / 1e9).tolist() for kind, found in part_totals_ns(trace.columns).items()}
    assert totals == {"cpu": [0.5, 0], "wait": [1, 2], "unknown": [1.5, 0]}


NOTED = {3: ((0, 30, NO_SHARE),), 1: ((1, 10, NO_SHARE), (6, 12, 0.5)), 2: ((4, 20, NO_SHARE),)}


def collected(*batches):
    collector = PartCollector()
    for batch in batches:
        collector.add(list(batch), [NOTED.get(number) for number in batch])
    return collector


@pytest.mark.parametrize("batches", [[(3, 1, 2)], [(3,), (1, 9), (2,)]])
def test_spans_are_found_by_number_whatever_the_order_in_which_they_ended(batches):
    table = collected(*batches).table()
    assert table.span_id.tolist() == [1, 2, 3]
    assert {number: table.of(number) for number in (1, 2, 3)} == NOTED
    assert [table.of(number) for number in (0, 4, 9)] == [None, None, None]


def test_a_table_that_was_read_does_not_change():
    collector = collected((1,))
    before = collector.table()
    collector.add([3, 2], [NOTED[3], NOTED[2]])
    assert collector.table().span_id.tolist() == [1, 2, 3]
    assert (before.span_id.tolist(), before.of(3)) == ([1], None)


def test_spans_without_parts_take_no_room():
    table = collected((7, 8, 9)).table()
    assert (len(table.span_id), len(table.parts)) == (0, 0)
