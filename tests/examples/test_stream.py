"""Real-time processing as an example."""

from __future__ import annotations

import pytest

from kaygraph_viz.course.examples.example import Setup
from kaygraph_viz.course.examples.stream import run


@pytest.fixture(scope="module")
def found():
    return run(Setup(clock="virtual"))


def test_one_worker_falls_behind_and_several_keep_up(found):
    by_label = {fact.label: fact for fact in found.facts}
    assert by_label["longest lag"].remark == "no backlog at the end"
    assert by_label["with one worker"].remark == "a backlog at the end"
    assert found.measured.bottleneck[0] == "source"


def test_backpressure_reaches_the_source_of_one_worker_only(found):
    blocked = {
        name: any(span.blocked_ns for span in found.traces[name].where(kind="branch", name="source"))
        for name in ("one-worker", "parallel")
    }
    assert blocked == {"one-worker": True, "parallel": False}


def test_there_is_a_line_for_each_window(found):
    heading, rows = found.details
    assert heading == "Lag of each window:"
    assert [row[0] for row in rows[1:]][:2] == ["0 to 0.25 s", "0.25 to 0.5 s"]
    assert len(rows) == 1 + 6


@pytest.mark.parametrize(("items", "windows"), [(1, 1), (10, 1), (30, 3)])
def test_number_of_items_decides_how_long_it_goes_on(items, windows):
    assert len(run(Setup(clock="virtual", items=items)).details[1]) == 1 + windows


def test_another_seed_is_another_stream(found):
    assert run(Setup(clock="virtual", seed=1)).facts != found.facts
