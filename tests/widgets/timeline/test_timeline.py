"""The chart to move about in, without a browser: what it shares, what it lets in, and when it sends."""

from __future__ import annotations

import base64
import gc
import io
import re
import weakref

import matplotlib.image
import matplotlib.pyplot as plt
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from IPython.utils.capture import capture_output
from ipywidgets.widgets import widget
from matplotlib.figure import Figure

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.style import FILLS, STATUS_FILLS
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.row import TEXT_LIMIT
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView
from kaygraph_viz.widgets.timeline import timeline as timeline_module
from kaygraph_viz.widgets.timeline.pusher import Pusher
from kaygraph_viz.widgets.timeline.scene_data import STYLES, scene_data, script, span_facts, stylesheet
from kaygraph_viz.widgets.timeline.timeline import DPI, Timeline, still_png, timeline

GUARD_S = 30  # against a test that hangs; never waited for


PNG = b"\x89PNG\r\n\x1a\n"


EVIL = "</script><script>alert(1)</script><img src=x onerror='alert(1)'>`${1}`\x00\u202e"


VIEW = GraphView("g", (NodeView("load", "Load"), NodeView("check", "Check", True)), (EdgeView("load", "check"),))


def trace_of_nodes():
    """Return two nodes, the second with two branches; spans 1 to 5."""
    load = (bar("load", "main", 0, 1, kind="node"), [bar("exec", "main", 0, 1, kind="phase")])
    branches = [bar("format", "t-1", 1, 2, city="Oslo"), bar("age", "t-2", 1, 3, status="error", error="E" * 400)]
    return make_trace(load, (bar("check", "main", 1, 3, kind="node"), branches))


@pytest.fixture
def view():
    return timeline(trace_of_nodes(), graph=VIEW)


def message(**state):
    return {"content": {"data": {"method": "update", "state": state}}}


def test_chart_is_described_for_screen_readers(view):
    assert view.packed["sentence"].startswith("Gantt chart of 2 branches on 2 workers")


def test_boxes_of_the_diagram_are_named_as_the_nodes_of_the_bars(view):
    boxes = {(box["node"], box["branch"]) for box in view.scene["boxes"]}
    assert boxes == {("load", ""), ("check", ""), ("check", "format"), ("check", "age"), ("", "")}
    assert set(view.packed["nodes"]) == {"load", "check"}


def test_nothing_keeps_a_view_that_was_closed():
    before = set(widget._instances)
    view = timeline(trace_of_nodes(), graph=VIEW)
    view.close()
    kept = weakref.ref(view)
    del view
    gc.collect()
    assert kept() is None
    assert set(widget._instances) <= before


def test_hostile_names_stay_data():
    view = timeline(make_trace(bar(EVIL, EVIL, 0, 1, status="error", error=EVIL, city=EVIL)), title=EVIL)
    view.selected = 1
    texts = [view.packed["title"], *view.packed["errors"].values(), *(text for pair in view.details for text in pair)]
    assert all("\x00" not in text and "\u202e" not in text for text in texts)
    assert "<script>" in view.packed["title"]


def test_selected_bar_is_described(view):
    view.selected = 4
    assert {("name", "format"), ("worker", "t-1"), ("took", "1.00 s"), ("city", "Oslo")} <= set(
        map(tuple, view.details)
    )
    view.selected = None
    assert view.details == []


def test_error_is_told_in_full_when_its_bar_is_selected(view):
    view.selected = 5
    assert dict(view.details)["error"] == "E" * 400


@pytest.mark.parametrize("value", [0, 99, 1, True, "4", 4.0, [4]])
def test_selecting_what_is_no_bar_is_a_clear_error(view, value):
    with pytest.raises(OptionError, match="selected must be the number of a span that is a bar"):
        view.selected = value
    assert view.selected is None


def test_node_can_be_chosen_by_its_id(view):
    view.node = "check"
    with pytest.raises(OptionError, match="check, load"):
        view.node = "other"
    assert view.node == "check"


def test_selections_of_the_browser_arrive(view):
    view._handle_msg(message(selected=4, node="check"))
    assert (view.selected, view.node) == (4, "check")
    view._handle_msg(message(selected=None))
    assert view.selected is None


@pytest.mark.parametrize(
    "bad",
    [None, 3, "x", {}, {"content": None}, {"content": {"data": {}}}, {"content": {"data": {"method": "update"}}},
     message(selected="4"), message(selected=10**30), message(selected=[]), message(node=7), message(node=EVIL),
     message(packed={}), message(styles={}), message(selected=4, _esm="alert(1)"),
     {"content": {"data": {"method": "custom", "content": {"a": 1}}}},
     {"content": {"data": {"method": "update", "state": {"selected": 4}, "buffer_paths": [["selected"]]}}}],
)  # fmt: skip
def test_other_messages_are_ignored_with_one_warning(view, bad):
    before = view.get_state()
    with pytest.warns(UserWarning, match="a message from the browser was ignored") as warned:
        for _ in range(3):
            view._handle_msg(bad)
    assert len(warned) == 1
    assert view.get_state() == before
    view._handle_msg(message(selected=4))
    assert view.selected == 4


def test_picture_and_text_stand_in_where_no_kernel_runs(view):
    data, metadata = view._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(PNG)
    assert metadata["image/png"]["alt"].startswith("Gantt chart of ")
    assert data["text/plain"] == repr(view) == "<Timeline of 3 bars>"
    assert "application/vnd.jupyter.widget-view+json" in data


def test_empty_trace_is_shown_as_such():
    view = timeline(make_trace(), graph=VIEW)
    assert view.packed["bars"] == 0
    assert "image/png" in view._repr_mimebundle_()[0]


@pytest.mark.parametrize(("trace", "options"), [(None, {}), ([], {}), (make_trace(), {"graph": 3})])
def test_impossible_arguments_are_clear_errors(trace, options):
    with pytest.raises(OptionError):
        timeline(trace, **options)


@pytest.fixture
def by_hand(monkeypatch):
    """Let no thread send: the tests do."""
    monkeypatch.setattr(Pusher, "start", lambda self: None)


@pytest.mark.usefixtures("by_hand")
def test_live_chart_grows_and_then_is_complete():
    with record() as trace:
        view = timeline(trace, graph=VIEW)
        shown = [(view.packed["is_live"], view.packed["bars"])]
        with span("a"):
            pass
        assert view._pusher.tick()
        shown.append((view.packed["is_live"], view.packed["bars"]))
    assert not view._pusher.tick()
    shown.append((view.packed["is_live"], view.packed["bars"]))
    assert shown == [(True, 0), (True, 1), (False, 1)]
    assert repr(view) == "<Timeline of 1 bar>"


@pytest.mark.usefixtures("by_hand")
def test_ten_thousand_spans_between_two_ticks_are_one_message(monkeypatch):
    sent = []
    monkeypatch.setattr(Timeline, "_send", lambda self, msg, buffers=None: sent.append(msg["method"]))
    with record() as trace:
        view = timeline(trace)
        sent.clear()
        for _ in range(10_000):
            with span("a"):
                pass
        view._pusher.tick()
        assert sent == ["update"]
    assert view.packed["bars"] == 10_000


@pytest.mark.usefixtures("by_hand")
def test_live_chart_has_no_picture_yet_and_says_that_it_is_live():
    with record() as trace:
        view = timeline(trace)
        data, _ = view._repr_mimebundle_()
        assert (data["text/plain"], "image/png" in data) == ("<Timeline, live>", False)
    assert "image/png" in view._repr_mimebundle_()[0]


def test_thread_ends_by_itself_when_the_run_is_over():
    with record() as trace:
        view = timeline(trace)
        assert view._pusher._thread.is_alive()
        with span("a"):
            pass
    view.wait(GUARD_S)
    assert not view._pusher._thread.is_alive()
    assert (view.packed["is_live"], view.packed["bars"]) == (False, 1)


def test_thread_ends_when_the_chart_is_closed():
    with record() as trace:
        view = timeline(trace)
        view.close()
        view.wait(GUARD_S)
        assert not view._pusher._thread.is_alive()
        assert trace.is_live


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


LIVE_CELL = """
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.widgets.timeline.timeline import timeline
with record() as trace:
    display(timeline(trace))
    with span("a"):
        pass
"""


@pytest.mark.usefixtures("by_hand")
def test_live_chart_leaves_its_picture_in_its_place_after_the_cell(shell):
    with capture_output() as captured:
        shell.run_cell("from IPython.display import display\n" + LIVE_CELL).raise_error()
        shell.run_cell("1 + 1")
    first, again = (output for output in captured.outputs if "Timeline" in output.data.get("text/plain", ""))
    assert (first.data["text/plain"], again.data["text/plain"]) == ("<Timeline, live>", "<Timeline of 1 bar>")
    assert first.transient == again.transient
    assert "image/png" in again.data


def test_complete_chart_is_displayed_once(shell, view):
    with capture_output() as captured:
        display(view)
    assert [output.data["text/plain"] for output in captured.outputs] == ["<Timeline of 3 bars>"]


@pytest.fixture
def two_kept(monkeypatch):
    """Let the traces of two charts be kept, so that few have to be drawn."""
    monkeypatch.setattr(timeline_module, "MAX_KEPT", 2)


def shown_and_forgotten(count, *, has_picture=False):
    """Show charts of traces that nobody else has, and return whether each trace is still there."""
    traces = []
    for _ in range(count):
        trace = trace_of_nodes()
        view = timeline(trace, graph=VIEW)
        view.selected = trace.where(kind="branch")[0].span_id
        if has_picture:
            view._repr_mimebundle_()
        traces.append(weakref.ref(trace))
    del trace, view
    gc.collect()
    return [trace() is not None for trace in traces]


def test_charts_that_were_shown_long_ago_keep_no_trace(two_kept):
    assert shown_and_forgotten(4, has_picture=True) == [False, False, True, True]


def test_a_chart_whose_trace_is_gone_shows_what_it_has(two_kept):
    view = timeline(trace_of_nodes())
    view.selected = selected = view._ids.tolist()[0]
    picture = view._repr_mimebundle_()[0]["image/png"]
    shown_and_forgotten(2)
    view.selected = None
    view.selected = selected
    assert view.details == []
    assert view._repr_mimebundle_()[0]["image/png"] == picture
    assert repr(view) == f"<Timeline of {len(view._ids)} bars>"


def test_a_chart_of_a_trace_that_is_still_known_has_its_details_however_old_it_is(two_kept):
    trace = trace_of_nodes()
    view = timeline(trace)
    shown_and_forgotten(2)
    view.selected = view._ids.tolist()[0]
    assert view.details


def test_a_closed_chart_lets_go_of_its_trace():
    trace = trace_of_nodes()
    view, alive = timeline(trace), weakref.ref(trace)
    view.close()
    del trace
    gc.collect()
    assert alive() is None


def facts(*bars, span_id=1):
    return span_facts(make_trace(*bars).columns, span_id)


def test_span_is_described_in_the_order_of_its_life():
    one = bar("a", "t-1", 3, 5, queued_s=1, cpu_s=0.5, index=7, attempt=3, status="error", error="E", city="Oslo")
    assert facts(bar("first", "t-0", 1, 2, span_id=1), one, span_id=2) == [
        ["name", "a"], ["item", "7"], ["worker", "t-1"], ["from", "2.00 s"], ["took", "2.00 s"], ["queued", "1.00 s"],
        ["CPU", "0.500 s"], ["waiting", "1.50 s"], ["not known when", "2.00 s of these times"], ["ended", "error"],
        ["attempts", "3"], ["error", "E"], ["city", "Oslo"],
    ]  # fmt: skip


def test_sums_of_named_parts_are_told_and_waiting_is_the_rest():
    parts = [("wait", 1), ("gil", 0.5), ("cpu", 1), ("gil", 0.5), ("blocked", 1)]
    told = dict(facts(bar("a", "t-1", 0, 4, cpu_s=1, blocked_s=1, parts=parts)))
    seconds = {name: told[name] for name in ("CPU", "waiting", "waiting for the interpreter", "blocked")}
    assert [*seconds.values()] == ["1.00 s"] * 4
    assert "not known when" not in told


def chart(width_in, height_in):
    return Figure(figsize=(width_in, height_in)).add_subplot()


def pixels(png):
    return matplotlib.image.imread(io.BytesIO(png))


def test_charts_stand_below_each_other_with_white_beside_the_narrow_one():
    found = pixels(still_png(chart(4, 2), chart(3, 1)))
    assert found.shape[:2] == (3 * DPI, 4 * DPI)
    assert (found[2 * DPI :, 3 * DPI :] == 1).all()


def test_figure_is_closed_also_when_it_cannot_be_drawn():
    before = plt.get_fignums()
    ax = plt.subplots(figsize=(2, 1))[1]
    ax.set_title("$\\broken{$")
    with pytest.raises(ValueError, match="broken"):
        still_png(ax)
    assert plt.get_fignums() == before


def test_scripts_put_no_text_into_markup_and_load_nothing():
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script())
    assert not re.search(r"\bimport\b|fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)", script())
    assert "http" not in stylesheet()


def test_styles_are_those_of_the_static_pictures():
    assert {part: fill["colour"] for part, fill in STYLES["parts"].items()} == {
        part: fill.colour for part, fill in FILLS.items()
    }
    said = {one["key"]: (one["label"], one["hatch"], one["marker"]) for one in STYLES["statuses"]}
    assert said["ok"] == ("ok", "", "")
    assert {key: said[key] for key in STATUS_FILLS} == {
        key: (fill.label, fill.hatch, fill.marker) for key, fill in STATUS_FILLS.items()
    }


def test_long_ids_are_cut_as_the_names_of_spans_are():
    name = "n" * (TEXT_LIMIT + 50)
    (box,) = scene_data(GraphView("g", (NodeView(name, "Load"),)), None)["boxes"]
    (span,) = make_trace(bar(name, "main", 0, 1, kind="node"))
    assert len(box["node"]) == TEXT_LIMIT
    assert box["node"].startswith("n" * 100)
    assert len(span.name) >= TEXT_LIMIT
