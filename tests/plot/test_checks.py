"""Checks of the arguments that drawing functions share."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.checks import checked_axes, checked_trace, checked_traces
from kaygraph_viz.testing import bar, make_trace


def test_an_axes_and_none_are_returned():
    ax = Figure().add_subplot()
    assert (checked_axes(ax), checked_axes(None)) == (ax, None)


def test_a_figure_is_no_axes():
    with pytest.raises(OptionError, match="ax must be a matplotlib Axes"):
        checked_axes(Figure())


def test_only_a_trace_is_a_trace():
    trace = make_trace(bar("a", "t", 0, 1))
    assert checked_trace(trace) is trace
    with pytest.raises(OptionError, match="trace must be a Trace"):
        checked_trace({"a": trace})


def test_one_trace_or_several_by_name_are_a_list():
    one, other = make_trace(bar("a", "t", 0, 1)), make_trace()
    assert checked_traces(one) == [one]
    assert checked_traces({"one": one, "other": other}) == [one, other]


def test_a_mapping_with_anything_else_is_refused():
    for wrong in ({}, {"one": make_trace(), "other": 3}):
        with pytest.raises(OptionError, match="several by name"):
            checked_traces(wrong)
