"""Parts of bars as filled stretches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.parts import PART_KINDS
from kaygraph_viz.plot.gantt.part_fills import MIN_STACK_PARTS, MIN_STACK_WIDTH, STACK, make_stripes, share_of
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.part_table import stretches

kinds = st.tuples(st.sampled_from(PART_KINDS), st.sampled_from([0.001, 0.01, 0.5, 1.0, 1.9, 2.0, 5.0]))
unknown = st.tuples(st.just("unknown"), st.sampled_from([0.01, 1.0, 3.0]), st.sampled_from([0.0, 0.3, 1.0]))


def parts_of(*parts):
    length = sum(lasts_s for _, lasts_s, *_ in parts)
    return stretches(make_trace(bar("a", "t", 0, round(length, 9), parts=parts)).columns)


def drawn(found):
    """Return fill, start and end [s] and height of each stripe."""
    columns = (found.started_ns / 1e9, found.ended_ns / 1e9, found.high - found.low)
    rows = zip(found.fill.tolist(), *(column.round(6).tolist() for column in columns), strict=True)
    return [(STACK[fill], *row) for fill, *row in rows]


@given(st.lists(st.one_of(kinds, unknown), min_size=1, max_size=60), st.sampled_from([0.0, 0.6, 1.5, 10.0]))
def test_each_kind_has_the_area_of_its_time(parts, shortest_s):
    told = parts_of(*parts)
    found = make_stripes(told, shortest_s * 1e9)
    area = (found.high - found.low) * (found.ended_ns - found.started_ns)
    for place, fill in enumerate(STACK):
        wanted = (share_of(told, fill) * (told.ended_ns - told.started_ns)).sum()
        assert area[found.fill == place].sum() == pytest.approx(wanted, abs=10)


@given(st.lists(st.one_of(kinds, unknown), min_size=1, max_size=60), st.sampled_from([0.6, 1.5, 10.0]))
def test_nothing_that_is_drawn_is_shorter_than_can_be_seen(parts, shortest_s):
    told = parts_of(*parts)
    found = make_stripes(told, shortest_s * 1e9)
    widths = found.ended_ns - found.started_ns
    whole = told.ended_ns.max()
    third_ns = MIN_STACK_WIDTH * shortest_s * 1e9 / 3  # what a short part takes at least of a long one beside it
    assert widths.min() >= min(whole, third_ns) - 10


def test_parts_that_are_long_enough_are_drawn_one_by_one():
    found = make_stripes(parts_of(("cpu", 1), ("gil", 1), ("cpu", 2)), 0.9e9)
    assert drawn(found) == [("cpu", 0, 1, 1), ("gil", 1, 2, 1), ("cpu", 2, 4, 1)]
    assert not found.is_stacked


def test_short_parts_stand_on_each_other_by_their_shares():
    turns = [("cpu", 0.01), ("gil", 0.03)] * 200
    found = make_stripes(parts_of(("wait", 2), *turns), 0.1e9)
    assert drawn(found) == [("wait", 0, 2, 1), ("cpu", 2, 10, 0.25), ("gil", 2, 10, 0.75)]
    assert found.is_stacked


def test_shares_that_change_are_seen_to_change():
    early, late = [("cpu", 0.01), ("gil", 0.03)] * 200, [("cpu", 0.03), ("gil", 0.01)] * 200
    cpu = [(start, end, height) for fill, start, end, height in drawn(make_stripes(parts_of(*early, *late), 0.1e9))
           if fill == "cpu"]  # fmt: skip
    assert cpu == [(0, 8, 0.25), (8, 16, 0.75)]


def test_a_short_part_between_long_ones_takes_some_of_them_to_be_seen():
    found = drawn(make_stripes(parts_of(("wait", 10), ("cpu", 0.5), ("wait", 10)), 1e9))
    assert found == [("wait", 0, 9.25, 1), ("cpu", 9.25, 11.25, 0.25), ("wait", 9.25, 11.25, 0.75),
                     ("wait", 11.25, 20.5, 1)]  # fmt: skip


def test_parts_of_different_bars_are_never_put_together():
    bars = [bar("a", f"t-{number}", number, number + 1, parts=[("cpu", 0.5), ("wait", 0.5)]) for number in range(3)]
    found = make_stripes(stretches(make_trace(*bars).columns), 5e9)
    assert found.owner.tolist() == [0, 0, 1, 1, 2, 2]
    assert (found.started_ns / 1e9).tolist() == [0, 0, 1, 1, 2, 2]
    assert (found.high - found.low).tolist() == [0.5] * 6


def test_stretches_of_several_parts_have_enough_of_them_to_be_no_chance():
    chance = np.random.default_rng(1)
    parts = [(kind, lasts) for lasts in chance.uniform(0.02, 0.06, 400) for kind in ("cpu", "wait")]
    found = make_stripes(parts_of(*parts), 0.08e9)
    starts = np.unique(found.started_ns)
    assert len(starts) <= len(parts) / MIN_STACK_PARTS


def test_bars_without_duration_have_no_stripes():
    assert not len(make_stripes(stretches(make_trace(bar("a", "t", 0, 0)).columns), 1e9).owner)
