"""The parts of pieces: cut to attempts, and left out where the sums say the same."""

from __future__ import annotations

import pytest

from kaygraph_viz.parts import PART_KINDS
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.timeline.piece_parts import with_parts
from kaygraph_viz.widgets.timeline.pieces import pieces_of

NOTED = [("cpu", 1), ("pause", 1), ("gil", 0.25), ("cpu", 0.75), ("pause", 1), ("blocked", 0.5), ("unknown", 1.5, 0.3)]


def parted(*bars):
    trace = make_trace(*bars)
    return with_parts(trace.columns, pieces_of(Chart.of(trace).runs[0]))


def tried_again():
    """Return a bar of 6 s with attempts from 0 to 1, 2 to 3 and 4 to 5 s."""
    ends = {1: "error", 3: "error", 5: "ok"}
    attempts = [
        bar(
            "a",
            "t-1",
            end - 1,
            end,
            kind="attempt",
            attempt=number,
            status=status,
            error=None if status == "ok" else "e",
        )
        for number, (end, status) in enumerate(ends.items(), 1)
    ]
    return bar("a", "t-1", 0, 6, cpu_s=2, attempt=3, parts=NOTED), attempts


def test_only_pieces_need_parts_whose_sums_do_not_say_all():
    _, parts = parted(
        bar("a", "t-1", 0, 3, cpu_s=1.5, parts=[("wait", 1), ("cpu", 1), ("unknown", 0.5), ("unknown", 0.5, 0.5)]),
        bar("b", "t-2", 1, 3, cpu_s=1, blocked_s=1, parts=[("cpu", 1), ("blocked", 1)]),
        bar("c", "t-3", 0, 2, cpu_s=1, parts=[("core", 1), ("cpu", 1)]),
        bar("d", "t-4", 1, 2, cpu_s=0.25),
        bar("e", "t-5", 1, 2, cpu_s=0, parts=[("wait", 1)]),
    )
    kinds = [PART_KINDS[kind] for kind in parts.kind]
    assert [*zip(parts.owner.tolist(), kinds, strict=True)] == [
        (0, "wait"), (0, "cpu"), (0, "unknown"), (0, "unknown"), (2, "core"), (2, "cpu"),
    ]  # fmt: skip


def test_an_attempt_has_the_sums_of_the_parts_of_its_branch_that_lie_in_it():
    pieces, _ = parted(tried_again())
    assert (pieces.cpu_ns / 1e9).tolist() == pytest.approx([1, 0, 0.75, 0, 0.15, 0.3])
    assert (pieces.blocked_ns / 1e9).tolist() == pytest.approx([0, 0, 0, 0, 0.5, 0])


def test_a_part_across_the_end_of_an_attempt_is_cut_there():
    _, parts = parted(tried_again())
    rows = zip(parts.owner.tolist(), parts.end_ns.tolist(), parts.share.tolist(), strict=True)
    cut = [(owner, end_ns / 1e9) for owner, end_ns, share in rows if share == pytest.approx(0.3)]
    assert cut == [(4, 5.0), (5, 6.0)]


def test_what_takes_no_time_has_no_parts():
    _, parts = parted(bar("a", "t-1", 1, 1, parts=[]), bar("b", "t-1", 2, 2, parts=[]), bar("c", "t-1", 3, 4))
    assert len(parts.owner) == 0


def test_parts_of_spans_that_are_no_bars_do_no_harm():
    pause = bar("wait", "t-1", 0, 1, kind="wait", parts=[("pause", 1)])
    pieces, parts = parted((bar("b", "t-1", 0, 2), [pause]))
    assert (len(pieces.unit), len(parts.owner)) == (1, 0)
