"""The curve of what ran at once, by its artists."""

from __future__ import annotations

import numpy as np
import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.curves import steps
from kaygraph_viz.plot.curves.concurrency import concurrency
from kaygraph_viz.plot.description import describe
from kaygraph_viz.testing import bar, make_trace


def lines(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def test_the_curve_has_the_number_at_each_moment():
    ax = concurrency(make_trace(bar("a", "t-1", 1, 3, queued_s=1), bar("b", "t-2", 2, 5)))
    (line,) = lines(ax, "highest")
    assert line.get_xdata().tolist() == [0, 1, 2, 3, 5, 5]
    assert line.get_ydata().tolist() == [0, 1, 2, 1, 0, 0]
    assert line.get_drawstyle() == "steps-post"


def test_a_line_shows_the_workers_also_those_without_work(neat):
    phase = bar("exec", "main", 0, 2, kind="phase", executor="thread", workers=5)
    ax = concurrency(make_trace((phase, [bar("a", "thread-1", 0, 2)])))
    assert [line.get_ydata()[0] for line in lines(ax, "line")] == [5, 1]
    assert {"5 workers", "mean 1.0", "running"} <= set(neat(ax))
    assert ax.get_ylim()[1] > 5


def test_texts_are_neat(batch, validation, pipeline, neat):
    for trace in (batch(), validation, pipeline):
        assert neat(concurrency(trace))


def test_many_changes_become_means_and_highest_numbers(batch, monkeypatch, neat):
    monkeypatch.setattr(steps.Steps.drawn, "__defaults__", (10,))
    ax = concurrency(batch(items=60))
    assert len(lines(ax, "highest")[0].get_xdata()) == 11
    assert {"running, mean per interval", "maximum per interval"} <= set(neat(ax))


def test_the_time_axis_reaches_as_far_as_asked_for(batch):
    assert concurrency(batch(), end_s=100).get_xlim()[1] > 100


def test_an_empty_trace_says_so(neat):
    ax = concurrency(make_trace())
    assert [text.get_text() for text in ax.texts] == ["nothing was recorded"]
    assert ax.get_title(loc="left") == "Empty trace"
    assert describe(ax).sentence == "Empty curve of how much ran at once: nothing was recorded."
    neat(ax)


def test_the_table_says_for_how_long_how_many_ran():
    ax = concurrency(make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 4)))
    assert list(describe(ax).tables[0].rows) == [("1", "3.00 s", "75%"), ("2", "1.00 s", "25%")]
    assert "at most 2 and on average 1.2 of 2 workers over 4.00 s" in ax.get_label()


def test_a_table_of_many_numbers_is_cut_in_its_middle():
    made = [bar("a", f"t-{number}", number, 100) for number in range(60)]
    rows = describe(concurrency(make_trace(*made))).tables[0].rows
    assert len(rows) == 21
    assert rows[10] == ("...", "", "")


@pytest.mark.parametrize("options", [{"trace": 3}, {"ax": 3}, {"end_s": -1}, {"end_s": np.inf}])
def test_wrong_arguments_are_refused(batch, options):
    with pytest.raises(OptionError, match=next(iter(options))):
        concurrency(**{"trace": batch(), **options})
