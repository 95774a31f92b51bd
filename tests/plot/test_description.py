"""Pictures in words, and pictures as files that carry them."""

from __future__ import annotations

import gc

import pytest
from matplotlib import pyplot as plt

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot import description as module
from kaygraph_viz.plot.curves.concurrency import concurrency
from kaygraph_viz.plot.description import Description, Table, describe
from kaygraph_viz.plot.gantt.gantt import gantt


def test_columns_without_anything_in_them_are_left_out():
    shown = str(Description("x", [Table(("name", "unused", "time"), [("a", "", "1 s"), ("b", "", "10 s")])]))
    assert shown.splitlines() == ["x", "", "name  time", "a      1 s", "b     10 s"]


def test_html_is_escaped():
    shown = Description("<b>", [Table(("name",), [("<script>",)])])._repr_html_()
    assert "<p>&lt;b&gt;</p>" in shown
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown


def test_a_table_without_rows_is_left_out():
    assert str(Description("x", [Table(("name",), [])])) == "x"


def test_the_last_picture_on_an_axes_is_the_one_described(batch):
    _, ax = plt.subplots()
    gantt(batch(), ax=ax)
    concurrency(batch(), ax=ax)
    assert describe(ax).sentence.startswith("Curve")
    assert ax.get_label() == describe(ax).sentence


def test_an_axes_of_others_has_no_description():
    for other in (plt.subplots()[1], 3):
        with pytest.raises(OptionError, match="drawn on by this package"):
            describe(other)


def test_descriptions_do_not_keep_figures_alive(batch):
    gc.collect()
    before = len(module._descriptions)
    gantt(batch())
    plt.close("all")
    gc.collect()
    assert len(module._descriptions) == before
