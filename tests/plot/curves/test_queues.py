"""Queues as ribbons above the workers that empty them."""

from __future__ import annotations

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.curves.queues import queue_depth, queues_of
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.gantt.scene import Chart
from kaygraph_viz.testing import bar, make_trace


def queues(trace):
    return list(queues_of(Chart.of(trace, "node", is_short=False)))


def names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def ribbon(ax, gid):
    return next(c.get_paths()[0].get_extents() for c in ax.collections if c.get_gid() == gid)


def test_an_item_is_in_the_queue_from_its_submission_to_its_start(pipeline):
    (queue,) = queues(pipeline)
    assert (queue.name, queue.bound) == ("Load store", 2)
    steps = zip((queue.depth.times_ns / 1e9).tolist(), queue.depth.counts.tolist(), strict=True)
    assert list(steps) == [(0, 0), (2, 1), (3, 2), (5, 1), (6, 2), (9, 1), (13, 0)]


def test_producers_that_were_blocked_are_known_by_links(pipeline):
    (queue,) = queues(pipeline)
    assert queue.blocked.lasted_ns() == {0: 15_000_000_000, 1: 2_000_000_000}


def test_a_ribbon_lies_between_the_stages_that_fill_and_empty_it(pipeline, neat):
    ax = queue_depth(pipeline)
    assert names(ax) == ["Load parse", "t-1", "Load store · queue of 2", "t-2"]
    rows = dict(zip(names(ax), ax.get_yticks(), strict=True))
    drawn = ribbon(ax, "ribbon")
    assert rows["t-1"] + 0.5 <= drawn.y0 < drawn.y1 <= rows["t-2"] - 0.5
    (bound,) = (line for line in ax.lines if line.get_gid() == "bound")
    assert bound.get_ydata()[0] == pytest.approx(drawn.y0)  # it was full
    mark = ribbon(ax, "blocked-mark")
    assert (mark.x0, mark.x1) == (4, 6)
    assert rows["t-1"] + 0.5 <= mark.y0 < mark.y1 < drawn.y0
    neat(ax)


def test_the_legend_names_what_there_is(pipeline, batch):
    def words(ax):
        return [text.get_text() for text in ax.get_legend().get_texts()]

    assert {"waiting in the queue", "capacity of the queue", "producers blocked"} <= set(words(queue_depth(pipeline)))
    assert "producers blocked" not in words(queue_depth(batch()))


def test_nothing_queued_is_no_ribbon(neat):
    ax = queue_depth(make_trace(bar("a", "t-1", 0, 1)))
    assert ax.get_title(loc="left") == "No item waited in a queue"
    assert not [c for c in ax.collections if c.get_gid() == "ribbon"]
    assert describe(ax).sentence == "Empty chart of queues: no item waited in a queue."
    neat(ax)


def test_the_table_has_a_line_for_each_queue(pipeline):
    ((name, room, items, most, *rest),) = describe(queue_depth(pipeline)).tables[0].rows
    assert (name, room, items, most) == ("Load store", "2", "4", "2")
    assert rest == ["0.941", "4.00 s", "7.00 s", "2.00 s"]
    assert "Load store with at most 2 of 2 and on average 0.94 items waiting." in queue_depth(pipeline).get_label()


@pytest.mark.parametrize("bound", ["8", -1, 0, True, None])
def test_a_bound_that_is_none_is_not_believed(bound):
    items = [bar("b", "t", 1, 2, queued_s=1)]
    (queue,) = queues(make_trace((bar("n", "main", 0, 2, kind="node", buffer=bound), items)))
    assert queue.bound is None or queue.bound > 0


@pytest.mark.parametrize("options", [{"trace": 3}, {"ax": 3}, {"end_s": "x"}])
def test_wrong_arguments_are_refused(pipeline, options):
    with pytest.raises(OptionError, match=next(iter(options))):
        queue_depth(**{"trace": pipeline, **options})


def test_producers_are_marked_when_they_were_blocked():
    parts = [("cpu", 1), ("blocked", 2), ("cpu", 3)]
    makes = [bar("parse", "t-1", 0, 6, span_id=101, index=0, parts=parts)]
    stores = [bar("store", "t-2", 7, 9, queued_s=2, links=(101,), index=0)]
    stages = [(bar("parse", "main", 0, 9, kind="node"), makes), (bar("store", "main", 0, 9, kind="node"), stores)]
    (queue,) = queues(make_trace(*stages))
    assert queue.blocked.lasted_ns()[1] == 2e9
    times, _, highest = queue.blocked.drawn()
    assert times[highest.argmax()] == 1
