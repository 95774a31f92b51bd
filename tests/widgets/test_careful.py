"""What a broken front end sends is refused before it is kept."""

from __future__ import annotations

import ipywidgets
import pytest

from kaygraph_viz.widgets.careful import careful
from kaygraph_viz.widgets.progress import progress


def message(data):
    return {"content": {"data": data}, "buffers": []}


@pytest.fixture
def said():
    """Return the sentences that are said about ignored messages."""
    return []


@pytest.mark.parametrize(
    "data",
    [
        {"method": "update", "state": {"value": "many"}},
        {"method": "update", "state": {"value": None}},
        {"method": "update", "state": {"value": 10**400}},
        {"method": "update", "state": {"value": float("nan")}},
        {"method": "update", "state": {"value": float("inf")}},
        {"method": "update", "state": {"value": 1e300}},
        {"method": "update", "state": {"value": "x" * 100_000}},
        {"method": "update", "state": {"value": [[[]]]}},
        {"method": "update", "state": {"index": 10**9}},
        {"method": "update", "state": {"max": 10**6}},
        {"method": "update", "state": {"no such": 1}},
        {"method": "update", "state": {"value": 5, "description": "<b>"}},
        {"method": "update", "state": [1]},
        {"method": "custom", "content": "click"},
        {"method": 7},
        {},
        None,
    ],
    ids=lambda data: str(data)[:60],
)
@pytest.mark.parametrize(
    "kind",
    [
        ipywidgets.IntSlider,
        ipywidgets.FloatSlider,
        ipywidgets.FloatProgress,
        ipywidgets.Button,
        ipywidgets.Select,
    ],
)
def test_malformed_message_is_ignored(kind, data, said):
    widget = careful(kind, said.append)
    before = {name: repr(value) for name, value in widget.get_state().items()}
    widget._handle_msg(message(data))
    assert {name: repr(value) for name, value in widget.get_state().items()} == before


def test_what_is_ignored_is_said(said):
    slider = careful(ipywidgets.IntSlider, said.append, value=3)
    slider._handle_msg(message({"method": "update", "state": {"value": "many"}}))
    slider._handle_msg(message(None))
    assert slider.value == 3
    assert said == [
        "A message from the browser was ignored: a value out of its range.",
        "A message from the browser was ignored: it is empty.",
    ]


def test_messages_that_are_right_arrive(said):
    slider = careful(ipywidgets.IntSlider, said.append, value=3)
    slider._handle_msg(
        {"content": {"data": {"method": "update", "state": {"value": 5}, "buffer_paths": []}}, "buffers": []}
    )
    assert (slider.value, said) == (5, [])


def test_what_is_only_shown_takes_nothing_from_the_browser(said):
    shown = careful(ipywidgets.HTML, said.append, (), value="ours")
    shown._handle_msg(message({"method": "update", "state": {"value": "theirs"}}))
    assert shown.value == "ours"
    assert said == ["A message from the browser was ignored: it sets ['value']."]


def test_a_progress_bar_takes_nothing_from_the_browser_and_warns_once():
    shown = progress("Checking")
    before = shown.bar.value, shown.words.value, shown.widget.children
    with pytest.warns(UserWarning, match="it sets") as caught:
        for widget in (shown.bar, shown.words, shown.widget):
            for value in (float("nan"), "<b>", [], 10**400):
                widget.set_state({"value": value, "children": value})
    assert (shown.bar.value, shown.words.value, shown.widget.children) == before
    assert len(caught) == 1
