"""What widgets take from a browser, and what they keep."""

from __future__ import annotations

import gc
from weakref import ref

import ipywidgets
import pytest
from ipywidgets.widgets import widget

from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.guarded import guarded, parts_of
from kaygraph_viz.widgets.progress import progress
from kaygraph_viz.widgets.timeline.timeline import MAX_KEPT, KeptTrace


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
    widget = guarded(kind, said.append)
    before = {name: repr(value) for name, value in widget.get_state().items()}
    widget._handle_msg(message(data))
    assert {name: repr(value) for name, value in widget.get_state().items()} == before


def test_what_is_ignored_is_said(said):
    slider = guarded(ipywidgets.IntSlider, said.append, value=3)
    slider._handle_msg(message({"method": "update", "state": {"value": "many"}}))
    slider._handle_msg(message(None))
    assert slider.value == 3
    assert said == [
        "A message from the browser was ignored: a value out of its range.",
        "A message from the browser was ignored: it is empty.",
    ]


def test_messages_that_are_right_arrive(said):
    slider = guarded(ipywidgets.IntSlider, said.append, value=3)
    slider._handle_msg(
        {"content": {"data": {"method": "update", "state": {"value": 5}, "buffer_paths": []}}, "buffers": []}
    )
    assert (slider.value, said) == (5, [])


def test_what_is_only_shown_takes_nothing_from_the_browser(said):
    shown = guarded(ipywidgets.HTML, said.append, (), value="ours")
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


# -- what a widget consists of -----


def test_closing_all_parts_leaves_nothing():
    before = set(widget._instances)
    box = ipywidgets.VBox([ipywidgets.HBox([ipywidgets.Button(), ipywidgets.IntSlider()]), ipywidgets.Select()])
    assert len(set(widget._instances) - before) > 6
    for part in [*parts_of(box), box]:
        part.close()
    assert set(widget._instances) == before


# -- which traces are kept for views -----


def is_there(traces):
    gc.collect()
    return [trace() is not None for trace in traces]


@pytest.fixture
def made():
    """Return traces that only their views know, and the views."""
    views = [KeptTrace(make_trace(bar("a", "t-1", 0, 1))) for _ in range(MAX_KEPT)]
    yield [view._trace for view in views], views
    for view in views:
        view.drop()


def test_the_one_that_was_not_used_for_longest_is_let_go(made):
    traces, views = made
    assert views[0].get() is traces[0]()
    another = KeptTrace(make_trace())
    assert is_there(traces) == [True, False, *[True] * (MAX_KEPT - 2)]
    assert views[1].get() is None
    another.drop()


def test_a_trace_that_somebody_else_has_stays(made):
    traces, views = made
    trace = traces[0]()
    others = [KeptTrace(make_trace()) for _ in range(MAX_KEPT)]
    assert is_there(traces) == [True, *[False] * (MAX_KEPT - 1)]
    assert views[0].get() is trace
    for other in others:
        other.drop()


def test_a_dropped_one_is_let_go_at_once(made):
    traces, views = made
    views[3].drop()
    views[3].drop()
    assert is_there(traces).count(False) == 1


def test_two_views_of_one_trace_keep_it_until_both_are_dropped():
    trace = make_trace()
    views, alive = [KeptTrace(trace), KeptTrace(trace)], ref(trace)
    del trace
    views[0].drop()
    assert is_there([alive]) == [True]
    views[1].drop()
    assert is_there([alive]) == [False]
