"""What a chart tells of loops of coroutines."""

from __future__ import annotations

import pytest
from matplotlib.collections import LineCollection

from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import bar, make_trace


def waiting(*lanes: str):
    """Return a trace in which each lane waits for its turn."""
    return make_trace(*(bar("a", lane, 0, 2, parts=[("gil", 1), ("cpu", 1)]) for lane in lanes))


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("lanes", "words"),
    [
        (("task-1", "async-2"), "the loop"),
        (("thread-1", "process-1"), "the interpreter"),
        (("task-1", "thread-1"), "the interpreter or the loop"),
    ],
)
def test_the_legend_and_the_description_say_what_bars_waited_for(lanes, words):
    ax = gantt(waiting(*lanes))
    assert f"waiting for {words}" in legend(ax)
    found = describe(ax)
    assert f"50% waiting for {words}" in found.sentence
    assert words.replace("the ", "") in found.tables[0].headings


def test_an_image_says_it_too():
    assert "waiting for the loop" in legend(gantt(waiting("task-1", "task-2"), max_bars=1))


BLOCKED = (bar("fetch", "task-1", 0, 4), [bar("loop blocked", "task-1", 1, 3, kind="wait")])


def test_what_held_up_the_loop_has_a_line_and_is_named():
    ax = gantt(make_trace(BLOCKED, bar("parse", "task-2", 0, 4)))
    (lines,) = [
        each for each in ax.collections if isinstance(each, LineCollection) and each.get_gid() == "loop-held-up"
    ]
    assert [line[:, 0].tolist() for line in lines.get_segments()] == [[1.0, 3.0]]
    assert legend(ax)[-1] == "held up the loop"
    assert "in fetch for 2.00 s" in describe(ax).sentence


def test_a_loop_that_nothing_held_up_needs_no_entry():
    assert "held up the loop" not in legend(gantt(waiting("task-1")))


def test_one_that_did_nothing_beside_its_branches_has_a_row_for_its_line():
    inner = bar("parse", "task-2", 0, 4)
    ax = gantt(make_trace((BLOCKED[0], [*BLOCKED[1], inner])))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["task-1", "task-2"]
    assert legend(ax)[-1] == "held up the loop"
    assert "in fetch for 2.00 s" in describe(ax).sentence
