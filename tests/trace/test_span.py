"""What a span says of itself, and rows that are changed."""

from __future__ import annotations

import pytest

from kaygraph_viz.base.parts import NO_SHARE, PART_CODE
from kaygraph_viz.trace.span import Row, Span

BLOCKED, CPU, WAIT = (PART_CODE[kind] for kind in ("blocked", "cpu", "wait"))
S = 10**9


def span(**fields):
    return Span(**{
        "span_id": 2, "parent_id": 1, "name": "b", "kind": "branch", "lane": "thread-2",
        "submitted_ns": 2 * S, "started_ns": 3 * S, "ended_ns": 5 * S,
    } | fields)  # fmt: skip


def test_times_are_told_in_seconds():
    assert (span().queue_wait_s, span().service_s) == (1.0, 2.0)


def test_waiting_is_what_was_neither_cpu_nor_blocked():
    assert span(cpu_ns=S // 2, blocked_ns=S).waiting_ns == S // 2
    assert span(cpu_ns=2 * S, blocked_ns=S).waiting_ns == 0  # clocks differ a little
    assert span().waiting_ns is None


@pytest.mark.parametrize("status", ["ok", "error", "timeout", "lost"])
def test_only_what_ended_well_is_ok(status):
    assert span(status=status).ok is (status == "ok")


def test_the_short_form_has_the_item_and_no_control_characters():
    assert repr(span(index=1)) == "<Span 2 branch b[1] on thread-2: 2e+03 ms, ok>"
    assert repr(span(name="a\0\ud800", lane="l\u202e")) == "<Span 2 branch a\\x00\\ud800 on l\\u202e: 2e+03 ms, ok>"


def told(one):
    return [(part.kind, part.started_ns / S, part.ended_ns / S, part.cpu_share) for part in one.parts]


def test_noted_parts_follow_each_other_from_start_to_end():
    noted = ((WAIT, 4 * S, NO_SHARE), (CPU, 5 * S, NO_SHARE))
    assert told(span(cpu_ns=S, noted_parts=noted)) == [("wait", 3, 4, None), ("cpu", 4, 5, None)]


@pytest.mark.parametrize(
    ("sums", "parts"),
    [
        ({"cpu_ns": 2 * S}, [("cpu", 3, 5, None)]),
        ({"cpu_ns": 0}, [("wait", 3, 5, None)]),
        ({}, [("unknown", 3, 5, None)]),
        ({"cpu_ns": S // 2, "blocked_ns": S}, [("unknown", 3, 4, 0.5), ("blocked", 4, 5, None)]),
        ({"ended_ns": 3 * S}, []),
    ],
)
def test_without_noted_parts_the_sums_say_what_can_be_said(sums, parts):
    assert told(span(**sums)) == parts


def row(**fields):
    return Row(1, 0, -1, "check", "branch", "thread-1", 0, 0, 10, **fields)


def test_a_row_that_is_blocked_longer_has_a_part_more():
    longer = row(cpu_ns=10, parts=((WAIT, 4, NO_SHARE), (CPU, 10, NO_SHARE))).blocked_until(15, 5)
    assert (longer.ended_ns, longer.blocked_ns) == (15, 5)
    assert longer.parts == ((WAIT, 4, NO_SHARE), (CPU, 10, NO_SHARE), (BLOCKED, 15, NO_SHARE))


def test_a_row_whose_end_is_not_later_only_counts_what_was_blocked():
    assert row(blocked_ns=1).blocked_until(10, 2) == row(blocked_ns=3)
