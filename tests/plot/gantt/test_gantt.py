"""The Gantt chart by its artists."""

from __future__ import annotations

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import drawn, polygons

HOSTILE = [
    "$x^2$",
    "<script>alert(1)</script>",
    "a\x00b\u202ec",
    "名前",
    "",
    "long " * 200_000,
    r"\frac{1}{$",
    "%s {} `'\"",
]


@pytest.mark.parametrize("color_by", ["part", "name", "status"])
@pytest.mark.parametrize("group_by", ["worker", "node"])
def test_texts_stay_in_the_figure_and_do_not_collide(batch, validation, pipeline, color_by, group_by, neat):
    for trace in (batch(), validation, pipeline):
        assert neat(gantt(trace, color_by=color_by, group_by=group_by, critical_path=True))


def test_the_default_title_has_the_main_numbers(batch):
    assert gantt(batch()).get_title(loc="left") == "4 workers, 12 branches, 2.90 s, 3.7 at once"
    assert gantt(batch(), title="Mine").get_title(loc="left") == "Mine"


def test_several_runs_share_one_axis_each_from_its_own_beginning():
    before = make_trace(bar("a", "main", 5, 6), bar("b", "main", 6, 8))
    after = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 2))
    ax = gantt({"one by one": before, "at once": after})
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["one by one", "main", "at once", "t-1", "t-2"]
    boxes = sorted(tuple(path.get_extents().extents.round(6)[[0, 2]]) for path in polygons(ax, "outline")[0])
    assert boxes == [(0, 1), (0, 1), (0, 2), (1, 3)]
    assert ax.get_title(loc="left") == "2 runs, 2.0 s to 3.0 s"


def test_rows_can_be_grouped_by_node(validation, neat):
    names = [label.get_text() for label in gantt(validation, group_by="node").get_yticklabels()]
    assert names == ["Validate", "main", "t-1", "t-2", "t-3", "t-4", "Report · main"]


def test_an_empty_trace_says_so():
    ax = gantt(make_trace())
    assert [text.get_text() for text in ax.texts] == ["nothing was recorded"]
    assert not ax.axison


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_drawn_as_plain_text(name):
    ax = gantt(make_trace(bar(name, name or "t", 0, 1), bar(name, "u", 0, 1, status="error")), title=name)
    drawn(ax)
    texts = [*ax.texts, *ax.get_yticklabels(), ax._left_title]
    assert all(len(text.get_text()) < 250 for text in texts)
    assert not any(char in text.get_text() for text in texts for char in "\x00\n\u202e")
    assert not any(text._preprocess_math(text.get_text())[1] for text in texts)


def test_the_axes_that_is_given_is_used_and_returned(batch):
    figure, ax = plt.subplots()
    assert gantt(batch(), ax=ax) is ax
    assert plt.get_fignums() == [figure.number]


def test_no_global_setting_is_changed(validation):
    before, backend = dict(mpl.rcParams), mpl.get_backend()
    drawn(gantt(validation))
    assert dict(mpl.rcParams) == before
    assert mpl.get_backend() == backend


def test_the_chart_has_a_text_of_its_own(validation):
    ax = gantt(validation)
    assert ax.get_label() == describe(ax).sentence
    assert "4 branches on 4 workers (5 rows)" in ax.get_label()
    assert "1 error, 1 timed out and 1 retry" in ax.get_label()
    assert gantt(make_trace()).get_label() == "Gantt chart without bars: nothing was recorded."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color_by": "mood"}, "color_by must be one of 'part', 'name', 'status'"),
        ({"group_by": "mood"}, "group_by must be 'worker' or 'node'"),
        ({"end_s": -1}, "end_s"),
        ({"max_bars": 0}, "max_bars"),
        ({"ax": 3}, "ax"),
    ],
)
def test_wrong_options_are_refused(options, message, batch):
    with pytest.raises(OptionError, match=message):
        gantt(batch(), **options)


def test_what_is_not_a_trace_is_refused():
    for wrong in ([1, 2], {}, {"a": 1}):
        with pytest.raises(OptionError, match="trace must be a Trace"):
            gantt(wrong)
