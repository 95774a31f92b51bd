"""The attempts of branches, and the parts of bars with and without them."""

from __future__ import annotations

import numpy as np
import pytest

from kaygraph_viz.analysis.nesting import Nesting
from kaygraph_viz.parts import PART_KINDS
from kaygraph_viz.plot.gantt.attempts import Attempts, bar_parts
from kaygraph_viz.testing import bar, make_trace


@pytest.fixture
def tried():
    """Return a branch that was tried twice with a pause between, and one that was not, with options for the first."""

    def make(**options):
        attempts = [bar("a", "t", 0, 1, kind="attempt", status="error"), bar("a", "t", 3, 5, kind="attempt", attempt=2)]
        retried = bar("a", "t", 0, 6, attempt=2, **options), attempts
        return Nesting.of(make_trace(retried, bar("b", "u", 0, 2, cpu_s=2)).columns)

    return make


def parts_of(nesting):
    units = np.flatnonzero(nesting.columns.is_kind("branch"))
    found = bar_parts(nesting.columns, units, Attempts(nesting))
    rows = zip(found.owner, found.kind, found.started_ns / 1e9, found.ended_ns / 1e9, strict=True)
    return [(int(owner), PART_KINDS[kind], float(start), float(end)) for owner, kind, start, end in rows]


def test_attempts_and_pauses_lie_beside_each_other_until_the_end(tried):
    found = [(one.started_ns / 1e9, one.ended_ns / 1e9, one.status, one.is_pause) for one in Attempts(tried()).of(0)]
    assert found == [(0, 1, "error", False), (1, 3, "ok", True), (3, 5, "ok", False), (5, 6, "ok", True)]


def test_only_a_branch_that_was_tried_again_has_several(tried):
    assert Attempts(tried()).several == [0]


def test_without_noted_parts_the_gaps_between_attempts_are_pauses(tried):
    assert parts_of(tried()) == [
        (0, "unknown", 0, 1), (0, "pause", 1, 3), (0, "unknown", 3, 5), (0, "pause", 5, 6), (1, "cpu", 0, 2)
    ]  # fmt: skip


def test_noted_parts_say_it_better(tried):
    noted = [("cpu", 1), ("pause", 2), ("blocked", 1), ("cpu", 2)]
    assert [part[1] for part in parts_of(tried(parts=noted))] == ["cpu", "pause", "blocked", "cpu", "cpu"]
