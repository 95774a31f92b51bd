"""Sliders, number boxes and lists, and what they do with messages of a broken page."""

from __future__ import annotations

import ipywidgets
import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.widgets.playground.controls import Control
from kaygraph_viz.widgets.playground.options import KNOWN


@pytest.fixture
def said():
    """Return the sentences that are said about ignored messages."""
    return []


@pytest.fixture
def control(said):
    """Return a function that makes the control of an option, and notes in `control.changes` how often it changed."""

    def make(name):
        made = Control(KNOWN[name], lambda: make.changes.append(made.value), said.append)
        return made

    make.changes = []
    return make


def test_number_box_and_slider_are_the_same(control):
    items = control("items")
    items.box.value = 8
    assert (items.main.value, items.value) == (8, 8)
    items.main.value = 9
    assert items.box.value == 9
    assert control.changes == [8, 9]


def test_whole_numbers_and_others_have_widgets_of_their_own(control):
    assert isinstance(control("items").main, ipywidgets.IntSlider)
    assert isinstance(control("latency_s").main, ipywidgets.FloatSlider)


def test_a_choice_is_a_list_without_a_number_box(control):
    schedule = control("schedule")
    assert schedule.box is None
    assert [value for _, value in schedule.main.options] == ["dynamic", "static", "longest-first"]
    schedule.value = "static"
    assert control.changes == ["static"]


def test_a_slider_in_small_steps_gives_the_number_that_is_shown(control):
    rate = control("failure_rate")
    rate.main.value = 0.1 + 0.2
    assert rate.value == 0.3


@pytest.mark.parametrize(("name", "value"), [("items", 0), ("items", 2.5), ("items", True), ("schedule", "lifo")])
def test_a_value_that_is_out_of_range_is_a_clear_error(control, name, value):
    made = control(name)
    before = made.value
    with pytest.raises(OptionError, match=f"{name} must be a value that its control allows"):
        made.value = value
    assert made.value == before


@pytest.mark.parametrize("name", KNOWN)
def test_every_widget_says_what_it_is(control, name):
    made = control(name)
    widgets = [made.main] if made.box is None else [made.main, made.box]
    assert all((widget.description, widget.tooltip) == (KNOWN[name].label, KNOWN[name].tip) for widget in widgets)
