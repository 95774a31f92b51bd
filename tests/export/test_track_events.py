"""Pieces of parts: they lie within their spans, beside what else lies there, in the order of time."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies as st

from kaygraph_viz.export.track_events import PartPiece, SpanBegin, track_events
from kaygraph_viz.parts import PART_KINDS
from kaygraph_viz.testing import bar


def drawn(*spans):
    return list(track_events((1, span) for span in spans))


def pieces(*spans):
    return [
        (step.part.kind, step.started_ns / 1e9, step.ended_ns / 1e9)
        for step in drawn(*spans)
        if type(step) is PartPiece
    ]


def test_parts_are_cut_where_other_spans_lie():
    outer = bar("outer", "t", 0, 6, parts=[("wait", 2), ("cpu", 4)])
    assert pieces(outer, bar("inner", "t", 1, 3), bar("inner", "t", 5, 6)) == [("wait", 0, 1), ("cpu", 3, 5)]


def test_each_track_is_by_itself():
    both = [("wait", 1), ("cpu", 1)]
    steps = list(track_events([(1, bar("a", "t", 0, 2, parts=both)), (2, bar("b", "u", 1, 3, parts=both))]))
    assert [step.track for step in steps] == [1] * 4 + [2] * 4


lengths = st.lists(st.integers(1, 9), min_size=2, max_size=5)


@given(lengths, st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=4))
def test_pieces_and_inner_spans_fill_a_span_and_never_overlap(lengths, inner):
    parts = [(PART_KINDS[place % 6], length) for place, length in enumerate(lengths)]
    outer = bar("outer", "t", 0, sum(lengths), parts=parts)
    cuts = sorted(min(cut, sum(lengths)) for pair in inner for cut in pair)
    inside = [bar("inner", "t", begin, end) for begin, end in zip(cuts[::2], cuts[1::2], strict=True)]
    steps = drawn(outer, *inside)
    stretches = [
        (step.started_ns, step.ended_ns) if type(step) is PartPiece else (step.span.started_ns, step.span.ended_ns)
        for step in steps[1:-1]
        if isinstance(step, (PartPiece, SpanBegin))
    ]
    assert [begin for begin, _ in stretches] == sorted(begin for begin, _ in stretches)
    assert sum(end - begin for begin, end in stretches) == outer.ended_ns
    assert all(end <= begin for (_, end), (begin, _) in pairwise(stretches))
