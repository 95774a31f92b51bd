"""The details of a span, as pairs of words."""

from __future__ import annotations

from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.timeline.span_facts import TEXT_LIMIT, span_facts


def facts(*bars, span_id=1):
    return span_facts(make_trace(*bars).columns, span_id)


def test_span_is_described_in_the_order_of_its_life():
    one = bar("a", "t-1", 3, 5, queued_s=1, cpu_s=0.5, index=7, attempt=3, status="error", error="E", city="Oslo")
    assert facts(bar("first", "t-0", 1, 2, span_id=1), one, span_id=2) == [
        ["name", "a"], ["item", "7"], ["worker", "t-1"], ["from", "2.00 s"], ["took", "2.00 s"], ["queued", "1.00 s"],
        ["CPU", "0.500 s"], ["waiting", "1.50 s"], ["not known when", "2.00 s of these times"], ["ended", "error"],
        ["attempts", "3"], ["error", "E"], ["city", "Oslo"],
    ]  # fmt: skip


def test_what_does_not_apply_is_left_out():
    names = [name for name, _ in facts(bar("a", "t-1", 0, 1))]
    assert not {"item", "attempts", "error"} & set(names)


def test_sums_of_named_parts_are_told_and_waiting_is_the_rest():
    parts = [("wait", 1), ("gil", 0.5), ("cpu", 1), ("gil", 0.5), ("blocked", 1)]
    told = dict(facts(bar("a", "t-1", 0, 4, cpu_s=1, blocked_s=1, parts=parts)))
    seconds = {name: told[name] for name in ("CPU", "waiting", "waiting for the interpreter", "blocked")}
    assert [*seconds.values()] == ["1.00 s"] * 4
    assert "not known when" not in told


def test_cpu_that_was_not_measured_is_said():
    told = dict(facts(bar("a", "t-1", 0, 1)))
    assert (told["CPU"], told["waiting"]) == ("not measured", "not measured")


def test_span_that_does_not_exist_has_no_facts():
    assert facts(bar("a", "t-1", 0, 1), span_id=99) == []


def test_texts_are_cleaned_and_cut():
    told = dict(facts(bar("a\x00\u202e", "t-1", 0, 1, status="error", error="E" * 10_000)))
    assert told["name"].isprintable()
    assert len(told["error"]) <= TEXT_LIMIT
