"""The bars of a run and their attempts as arrays, and the parts of those whose sums do not say all."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.plot.gantt.scene import Chart
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.timeline.pieces import pieces_of, with_parts


def pieces(*bars, check=True):
    return pieces_of(Chart.of(make_trace(*bars, check=check)).runs[0])


def attempt(start, end, number, **options):
    return bar("a", "t-1", start, end, kind="attempt", attempt=number, **options)


def tried(end=6, **options):
    """Return a bar with attempts from 1 to 2 s and from 4 to 5 s."""
    attempts = [attempt(1, 2, 1, status="error", error="e"), attempt(4, 5, 2)]
    return bar("a", "t-1", 0, end, attempt=2, **options), attempts


def seconds(values):
    return [round(value / 1e9, 6) for value in values.tolist()]


def test_attempts_and_pauses_fill_the_bar():
    found = pieces(tried())
    assert seconds(found.start_ns) == [0, 1, 2, 4, 5]
    assert seconds(found.end_ns) == [1, 2, 4, 5, 6]
    assert found.is_pause.tolist() == [True, False, True, False, True]
    assert found.is_first.tolist() == [True, False, False, False, False]
    assert found.is_piecewise.all()
    assert found.tries.tolist() == [2] * 5


def test_a_bar_with_one_attempt_is_one_piece():
    found = pieces((bar("a", "t-1", 0, 6), [attempt(1, 5, 1)]))
    assert (seconds(found.start_ns), seconds(found.end_ns)) == ([0], [6])
    assert not (found.is_piecewise | found.is_pause).any()


def test_cpu_time_that_is_only_known_of_the_bar_is_divided_by_the_lengths_of_the_attempts():
    found = pieces(tried(cpu_s=1.0, blocked_s=0.5))
    assert seconds(found.cpu_ns) == [0, 0.5, 0, 0.5, 0]
    assert seconds(found.blocked_ns) == [0, 0.25, 0, 0.25, 0]


def test_cpu_time_of_an_attempt_is_its_own():
    own = [attempt(0, 1, 1, cpu_s=0.75, status="error", error="e"), attempt(1, 2, 2, cpu_s=0.25)]
    assert seconds(pieces((bar("a", "t-1", 0, 2, cpu_s=1.0, attempt=2), own)).cpu_ns) == [0.75, 0.25]


@pytest.mark.parametrize(
    ("bars", "check"),
    [
        ([], True),
        ([tried(), bar("b", "t-1", 6, 7), bar("c", "t-2", 0, 3)], True),
        ([bar("c", "t-1", at, at + 3) for at in range(4)], False),
    ],
    ids=["nothing", "rows", "overlapping"],
)
def test_pieces_are_sorted_and_do_not_overlap_within_a_row(bars, check):
    found = pieces(*bars, check=check)
    stretches = [*zip(found.row.tolist(), found.start_ns.tolist(), found.end_ns.tolist(), strict=True)]
    assert stretches == sorted(stretches)
    assert all(after >= end for (row, _, end), (next_row, after, _) in pairwise(stretches) if row == next_row)


# -- the parts of pieces: cut to attempts, and left out where the sums say the same -----


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


def test_parts_of_spans_that_are_no_bars_do_no_harm():
    pause = bar("wait", "t-1", 0, 1, kind="wait", parts=[("pause", 1)])
    pieces, parts = parted((bar("b", "t-1", 0, 2), [pause]))
    assert (len(pieces.unit), len(parts.owner)) == (1, 0)
