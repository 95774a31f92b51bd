"""The texts for bars."""

from __future__ import annotations

from kaygraph_viz.plot.style import Size
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import layout_of


def test_steps_around_the_work_are_slim_and_the_work_has_the_name_of_its_node():
    phases = [bar(name, "main", start, start + 1, kind="phase") for start, name in enumerate(["prep", "exec", "post"])]
    layout = layout_of(make_trace((bar("Load", "main", 0, 3, kind="node"), phases)))
    assert [made.height for made in layout.bars] == [Size.slim, Size.full, Size.slim]
    assert layout.bars[1].labels == ("Load",)


def test_items_of_a_batch_are_told_apart_by_their_number():
    trace = make_trace(bar("Check", "t", 0, 1, index=0), bar("Check", "t", 1, 2, index=1, status="timeout"))
    assert [made.labels for made in layout_of(trace).bars] == [
        ("Check 0", "0"), ("Check 1: timed out", "1: timed out", "timed out", "1")
    ]  # fmt: skip
