"""The panel without a front end: what slider and button do, and what is shown."""

from __future__ import annotations

import base64
import gc
import re
import threading
import weakref

import ipywidgets
import matplotlib.pyplot as plt
import pytest
from ipywidgets.widgets import widget

import kaygraph_viz as kv
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.widgets.playground import (
    background,
    pictures,
    playground as module,
)
from kaygraph_viz.widgets.playground.options import KNOWN
from kaygraph_viz.widgets.playground.playground import Control, playground

GUARD_S = 30  # against a test that hangs; never waited for


PNG = b"\x89PNG\r\n\x1a\n"


def trace_of(workers, name="check"):
    """Return eight branches of one second on so many workers."""
    return make_trace(*(bar(name, f"t-{at % workers}", at // workers, at // workers + 1) for at in range(8)))


def never(_workers):
    raise AssertionError("nobody pressed Run")


def press(panel):
    panel.run_button.click()
    panel.wait(GUARD_S)


def slide(panel, workers):
    panel.slider.value = workers
    panel.wait(GUARD_S)


def is_pale(panel):
    return module.PALE in panel.chart._dom_classes


def text_of(widget):
    return re.sub(r"<[^>]*>", " ", widget.value)


def log_of(panel):
    """Return the lines of the log, each as a list of words."""
    return [line.replace("\N{NO-BREAK SPACE}", " ").split() for line, _ in panel.log_list.options]


def tried(panel):
    """Return the numbers of workers in the log."""
    return [int(next(word for word in words if word.isdigit())) for words in log_of(panel)]


@pytest.fixture
def drawn():
    """Let pictures be drawn, for a test that looks at them."""


@pytest.fixture(autouse=True)
def _quick_pictures(request, monkeypatch):
    """Draw small pictures, or, for a test that does not look at them, none."""
    monkeypatch.setattr(pictures, "DPI", 24)
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(pictures, "gantt_picture", stand_in)
        monkeypatch.setattr(pictures, "sketch_picture", lambda *_args, **_options: None)


def stand_in(trace, title=None, **options):
    return pictures.Picture(PNG + repr((title, options)).encode(), f"Gantt chart of {len(trace)}", 100)


@pytest.fixture
def panel():
    return playground(trace_of, recorded={4: trace_of(4), 2: trace_of(2)})


def test_recorded_run_is_shown_at_once(panel):
    assert panel.picture.startswith(PNG)
    assert "8 branches with 4 workers took 2.00 s" in text_of(panel.status)
    assert tried(panel) == [2, 4]


def test_slider_shows_what_was_recorded_with_that_number(panel):
    before = panel.chart.value
    panel.slider.value = 2
    assert panel.picture.startswith(PNG)
    assert panel.chart.value != before
    assert "8 branches with 2 workers took 4.00 s" in text_of(panel.status)


def test_slider_shows_what_is_predicted_where_nothing_was_recorded_with_that_number(panel):
    slide(panel, 1)
    assert "Predicted from the run with 2 workers: 1 worker would take 8.00 s. Press Run to measure it." in text_of(
        panel.status
    )
    assert b"1 worker: predicted 8.00 s" in panel.picture
    assert not is_pale(panel)


def test_slider_says_when_nothing_can_be_predicted():
    panel = playground(trace_of, recorded={4: make_trace(bar("exec", "main", 0, 1, kind="phase"))}, workers=4)
    slide(panel, 3)
    assert "No run with 3 workers yet: press Run. The pale chart is the one before." in text_of(panel.status)
    assert is_pale(panel)
    slide(panel, 4)
    assert not is_pale(panel)


def test_step_that_comes_while_another_thread_writes_the_log_counts(panel):
    class Lock:
        """The lock of a thread that has written the log when this one gets it."""

        def __enter__(self):
            panel._is_setting = False

        def __exit__(self, *_error):
            pass

    panel._is_setting, panel._drawing = True, Lock()
    panel.slider.value = 2
    assert b"2 workers: 4.00 s" in panel.picture


def test_prediction_is_made_once_until_another_run_is_there(panel, monkeypatch):
    slide(panel, 3)
    monkeypatch.setattr(pictures, "preview", None)
    panel.slider.value = 4
    panel.slider.value = 3
    assert "Predicted from the run with 2 workers" in text_of(panel.status)
    assert b"3 workers: predicted" in panel.picture


def test_run_says_how_far_off_the_prediction_was():
    panel = playground(lambda workers: trace_of(1), recorded={4: trace_of(4)})
    slide(panel, 2)
    assert "2 workers would take 4.00 s" in text_of(panel.status)
    press(panel)
    assert "Predicted 4.00 s, measured 8.00 s: 50% too short." in text_of(panel.status)
    press(panel)
    assert "Predicted" not in text_of(panel.status)


def test_run_records_anew_with_the_number_of_the_slider(panel):
    panel.slider.value = 8
    before = panel.chart.value
    press(panel)
    assert panel.chart.value != before
    assert "8 branches with 8 workers took 1.00 s" in text_of(panel.status)
    assert sorted(panel.traces) == tried(panel) == [2, 4, 8]


def test_log_holds_every_run_and_traces_the_last_of_each_number():
    names = iter(["first", "second"])
    panel = playground(lambda workers: trace_of(workers, next(names)), workers=2)
    press(panel)
    press(panel)
    assert [words[:4] for words in log_of(panel)] == [
        ["2", "2", "runs:", "4.00"], ["run", "1", "4.00", "s"], ["run", "2", "4.00", "s"]
    ]  # fmt: skip
    assert "Run 2 with these settings: both took 4.00 s." in text_of(panel.status)
    assert {span.name for span in panel.traces[2]} == {"second"}


class SlowRun:
    """A run that goes on until it is told to end."""

    def __init__(self):
        self.calls = []
        self.started = threading.Event()
        self.end = threading.Event()

    def __call__(self, workers):
        self.calls.append(workers)
        self.started.set()
        assert self.end.wait(GUARD_S)
        return trace_of(workers)


@pytest.fixture
def slow():
    slow = SlowRun()
    yield slow
    slow.end.set()


@pytest.fixture
def running(slow):
    panel = playground(slow, recorded={1: trace_of(1), 2: trace_of(2)})
    panel.run_button.click()
    assert slow.started.wait(GUARD_S)
    yield panel
    slow.end.set()
    panel.wait(GUARD_S)


def test_click_returns_while_the_run_goes_on_and_says_so(running):
    assert running.run_button.disabled
    assert "Running with 4 workers ..." in text_of(running.status)


def test_run_that_ends_does_not_take_the_chart_from_another_number(running, slow):
    running.slider.value = 2
    slow.end.set()
    running.wait(GUARD_S)
    assert b"2 workers: 4.00 s" in running.picture
    assert "8 branches with 2 workers" in text_of(running.status)
    assert tried(running) == [1, 2, 4]


def test_prediction_is_shown_while_its_run_goes_on(running, slow):
    slide_there(running, 4, "predicted")
    assert not is_pale(running)
    assert "Running with 4 workers ..." in text_of(running.status)
    slow.end.set()
    running.wait(GUARD_S)
    assert b"4 workers: 2.00 s" in running.picture


def slide_there(panel, workers, shown):
    """Move the slider while a run goes on, and wait for a picture with a text."""
    seen = threading.Event()
    panel.chart.observe(lambda _: seen.set() if shown.encode() in panel.picture else None, names="value")
    panel.slider.value = workers - 1
    panel.slider.value = workers
    assert shown.encode() in panel.picture or seen.wait(GUARD_S)
    with panel._drawing:  # what has shown it says it, too
        pass


def test_chart_is_never_one_of_other_settings_and_not_pale(rich):
    rich.controls["items"].value = 9
    rich.wait(GUARD_S)
    assert is_pale(rich)
    assert "No run with 2 workers, items 9 yet: press Run. The pale chart is the one before." in text_of(rich.status)
    rich.controls["items"].value = 8
    assert not is_pale(rich)


def test_run_that_fails_leaves_no_other_chart_that_looks_like_its_own():
    panel = playground(lambda workers: 1 // 0, recorded={4: trace_of(4)})
    slide(panel, 3)
    press(panel)
    assert b"3 workers: predicted" in panel.picture
    assert "The run failed: ZeroDivisionError" in text_of(panel.status)
    slide(panel, 4)
    press(panel)
    assert b"4 workers: 2.00 s" in panel.picture
    assert not is_pale(panel)


def simulated(workers):
    """Record eight branches of a second in simulated time."""
    with record(clock="virtual") as trace, get_executor("thread", workers) as executor:
        list(executor.imap(kv.sleep, [1.0] * 8))
    return trace


def test_slider_runs_what_takes_no_time():
    panel = playground(simulated, recorded={4: simulated(4)})
    slide(panel, 8)
    assert b"8 workers: 1.00 s" in panel.picture
    assert "8 branches with 8 workers took 1.00 s" in text_of(panel.status)
    assert tried(panel) == [4, 8]


def test_run_again_in_simulated_time_is_seen_to_have_run():
    panel = playground(simulated, recorded={4: simulated(4)})
    press(panel)
    assert "Run 2 with these settings: the same as before, since time is simulated." in text_of(panel.status)
    assert b"4 workers, run 2: 2.00 s" in panel.picture
    assert log_of(panel)[0][:5] == ["4", "2", "runs:", "2.00", "s"]


class Gate:
    """A run in simulated time that waits for leave, but with 4 workers."""

    def __init__(self):
        self.calls, self.began, self.go = [], threading.Semaphore(0), threading.Event()

    def __call__(self, workers):
        self.calls.append(workers)
        if workers != 4:
            self.began.release()
            assert self.go.wait(GUARD_S)
        return simulated(workers)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.go.set()


def test_of_the_numbers_that_the_slider_passes_only_the_newest_counts(gate):
    panel = playground(gate, recorded={4: simulated(4)})
    panel.slider.value = 5
    assert gate.began.acquire(timeout=GUARD_S)
    panel.slider.value = 6
    panel.slider.value = 7
    assert is_pale(panel)
    assert "Running in simulated time with 7 workers ... The pale chart is the one before." in text_of(panel.status)
    gate.go.set()
    panel.wait(GUARD_S)
    assert gate.calls in ([5, 7], [7])
    assert b"7 workers" in panel.picture
    assert not is_pale(panel)


def test_run_in_simulated_time_that_lasts_is_predicted_meanwhile(gate, monkeypatch):
    monkeypatch.setattr(background, "TICK_S", 0.001)
    seen, said = threading.Event(), []

    def run(workers):
        with record():
            pass
        return gate(workers)

    panel = playground(run, recorded={4: simulated(4)})
    panel.chart.observe(lambda _: seen.set() if b"predicted" in panel.picture else None, names="value")
    panel.status.observe(lambda change: said.append(change["new"].lower()), names="value")
    panel.slider.value = 5
    assert seen.wait(GUARD_S)
    gate.go.set()
    panel.wait(GUARD_S)
    assert b"5 workers: 2.00 s" in panel.picture
    assert [text for text in said if "press run" in text] == []


class Parallel:
    """A run of four items for two workers, who wait for an event."""

    def __init__(self):
        self.go, self.began, self.items = threading.Event(), threading.Semaphore(0), []

    def branch(self, item):
        self.items.append(item)
        if item >= 2:  # the first two are over at once
            self.began.release()
            assert self.go.wait(GUARD_S)

    def __call__(self, workers):
        with record() as trace, get_executor("thread", 2) as executor:
            list(executor.imap(self.branch, range(6)))
        return trace


@pytest.fixture
def parallel():
    parallel = Parallel()
    yield parallel
    parallel.go.set()


@pytest.fixture
def stopped(parallel):
    panel = playground(parallel)
    panel.run_button.click()
    for _ in range(2):
        assert parallel.began.acquire(timeout=GUARD_S)
    panel.stop_button.click()
    panel.wait(GUARD_S)
    return panel


def test_stop_starts_nothing_that_is_queued(stopped, parallel):
    parallel.go.set()
    assert sorted(parallel.items) == [0, 1, 2, 3]


def test_stop_says_what_was_done_and_shows_it(stopped):
    assert "Stopped after 2 branches: no more branches are started." in text_of(stopped.status)
    assert stopped.picture.startswith(PNG)
    assert log_of(stopped) == [["4", "stopped", "2"]]
    assert stopped.traces == {}


def test_run_that_was_stopped_can_be_made_again(stopped, parallel):
    assert (stopped.run_button.disabled, stopped.stop_button.disabled) == (False, True)
    parallel.go.set()
    press(stopped)
    assert "6 branches " in text_of(stopped.status)
    assert list(stopped.traces) == [4]


def test_stop_keeps_what_was_recorded_with_the_same_settings(parallel):
    panel = playground(parallel, recorded={4: trace_of(4)})
    before = panel.chart.value
    panel.run_button.click()
    assert parallel.began.acquire(timeout=GUARD_S)
    panel.stop_button.click()
    panel.wait(GUARD_S)
    assert (panel.chart.value, tried(panel)) == (before, [4])
    assert "Stopped after" in text_of(panel.status)


def test_stop_interrupts_a_function_that_only_computes():
    began = threading.Event()

    def endless(_workers):
        with record(), span("forever"):
            began.set()
            while True:
                pass

    panel = playground(endless)
    panel.run_button.click()
    assert began.wait(GUARD_S)
    panel.stop_button.click()
    panel.wait(GUARD_S)
    assert "Stopped after 0 branches" in text_of(panel.status)


def with_options(workers=2, *, items=8, schedule="dynamic", latency_s=1.0, clock=None, verbose=True):
    return make_trace(
        *(
            bar("check", f"t-{at % workers}", at // workers * latency_s, (at // workers + 1) * latency_s)
            for at in range(items)
        )
    )


@pytest.fixture
def rich():
    panel = playground(with_options, recorded={2: with_options(2), 4: with_options(4)})
    panel.controls["items"].value = 16
    press(panel)
    return panel


def test_each_known_keyword_has_a_control_which_stands_at_its_default(rich):
    assert [*rich.controls] == ["workers", "schedule", "items", "latency_s", "clock"]
    assert rich.settings == {"workers": 2, "schedule": "dynamic", "items": 16, "latency_s": 1.0, "clock": None}


def test_function_is_called_with_what_the_controls_say():
    calls = []

    def run(count, items=3, failure_rate=0.1, **others):
        calls.append((count, items, failure_rate, others))
        return trace_of(count)

    panel = playground(run)
    panel.controls["items"].value, panel.controls["failure_rate"].value = 5, 0.3
    press(panel)
    assert calls == [(4, 5, 0.3, {})]


def test_choosing_an_entry_of_the_log_shows_it_and_sets_the_controls(rich):
    rich.log_list.index = 1
    assert (rich.settings["workers"], rich.settings["items"]) == (4, 8)
    assert "8 branches with 4 workers took 2.00 s" in text_of(rich.status)
    assert rich.log_list.index == 1


def test_entry_of_the_log_is_chosen_when_the_controls_fit_it(rich):
    rich.controls["items"].value = 8
    assert rich.log_list.index == 0
    rich.controls["items"].value = 9
    assert rich.log_list.index is None


@pytest.mark.usefixtures("drawn")
def test_prediction_for_something_that_was_not_recorded_is_left_out():
    panel = playground(never, recorded={1: trace_of(1), 4: trace_of(4)}, only="no such stage")
    assert "predicted" not in panel.chart.value
    assert "Times as fast as one worker: 1.0 with 1 worker and 4.0 with 4." in panel.chart.value


@pytest.mark.usefixtures("drawn")
def test_title_of_a_chart_says_what_was_set(rich, monkeypatch):
    titles = []
    draw = pictures.gantt
    monkeypatch.setattr(
        pictures, "gantt", lambda *args, **options: titles.append(options["title"]) or draw(*args, **options)
    )
    rich.controls["schedule"].value = "static"
    rich.wait(GUARD_S)  # nothing can be predicted for another schedule
    press(rich)
    assert titles == ["2 workers, static, items 16: 8.00 s"]


@pytest.mark.usefixtures("drawn")
def test_picture_that_was_drawn_is_not_drawn_again(panel, monkeypatch):
    panel.slider.value = 2
    monkeypatch.setattr(pictures, "gantt", None)
    panel.slider.value = 4
    assert "8 branches with 4 workers took 2.00 s" in text_of(panel.status)


def message(data):
    return {"content": {"data": data}, "buffers": []}


def test_what_is_ignored_is_said(panel):
    panel.slider._handle_msg(message({"method": "update", "state": {"value": "many"}}))
    assert "A message from the browser was ignored" in text_of(panel.status)


@pytest.mark.parametrize(
    "error", [ValueError("no such file"), SystemExit("no such file"), KeyboardInterrupt("no such file")]
)
def test_error_of_a_run_is_shown_and_the_button_works_again(error):
    def fails(_workers):
        raise error

    panel = playground(fails)
    press(panel)
    assert f"The run failed: {type(error).__name__}: no such file" in text_of(panel.status)
    assert not panel.run_button.disabled


def test_html_in_an_error_is_inert():
    def fails(_workers):
        raise ValueError("</span><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;")

    panel = playground(fails)
    press(panel)
    assert re.findall(r"<\w+", panel.status.value) == ["<span"]
    assert "&lt;script&gt;" in panel.status.value


@pytest.mark.usefixtures("drawn")
def test_html_in_the_names_of_branches_is_inert():
    hostile = "\"><script>alert(1)</script><i onmouseover='alert(2)'>"
    panel = playground(never, recorded={4: trace_of(4, hostile)})
    assert hostile not in panel.status.value + panel.log_title.value + str(log_of(panel))
    assert re.findall(r"<\w+", panel.chart.value) == ["<div", "<img", "<img", "<p"]
    assert re.findall(r' (\w+)="', panel.chart.value) == ["alt", "style", "src"] * 2


@pytest.mark.parametrize("returned", [None, [], "trace", 3])
def test_run_that_returns_no_trace_is_an_error_and_not_kept(returned):
    panel = playground(lambda workers: returned, recorded={4: trace_of(4), 2: trace_of(2)})
    press(panel)
    assert "The run failed: OptionError: what run(workers) returns must be a trace, got" in text_of(panel.status)
    assert sorted(panel.traces) == [2, 4]
    panel.slider.value = 2
    assert "8 branches with 2 workers" in text_of(panel.status)


@pytest.mark.usefixtures("drawn")
def test_chart_that_cannot_be_drawn_is_said_and_does_not_vanish(panel, monkeypatch):
    def broken(*_args, **_options):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(pictures, "gantt", broken)
    panel.slider.value = 2
    assert "The chart could not be drawn: RuntimeError: no fonts" in text_of(panel.status)


def bundle_of(panel):
    data, _metadata = panel._repr_mimebundle_()
    return data


def test_panel_leaves_a_picture_and_a_text_where_no_kernel_runs(panel):
    bundle = bundle_of(panel)
    assert base64.b64decode(bundle["image/png"]) == panel.picture
    assert panel._repr_mimebundle_()[1] == {"image/png": {"alt": panel.alt}}
    assert panel.alt.startswith("Gantt chart of 8")
    assert bundle["text/plain"] == "<Playground for 1 to 16 workers>"
    assert "application/vnd.jupyter.widget-view+json" in bundle


@pytest.mark.usefixtures("drawn")
def test_same_trace_gives_the_same_picture():
    first, second = (playground(never, recorded={4: trace_of(4)}) for _ in range(2))
    assert first.chart.value == second.chart.value


@pytest.mark.usefixtures("drawn")
def test_no_figure_of_pyplot_is_opened():
    before = plt.get_fignums()
    panel = playground(trace_of, recorded={4: trace_of(4), 2: trace_of(2)})
    panel.slider.value = 2
    press(panel)
    assert plt.get_fignums() == before


@pytest.mark.usefixtures("drawn")
def test_controls_have_names_and_the_chart_a_description(panel):
    assert panel.slider.description == "Workers"
    assert panel.run_button.description == "Run"
    assert re.search(r'<img alt="Gantt chart of 8 branches on 4 workers [^"<>]*" ', panel.chart.value)
    assert re.search(r'<img alt="Times as fast as one worker: [^"<>]*" ', panel.chart.value)
    assert "role='status'" in panel.status.value
    assert not panel.slider.continuous_update


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"workers": 0}, "workers must be a whole number from 1 to 16"),
        ({"workers": 17}, "workers must be a whole number from 1 to 16"),
        ({"workers": True}, "workers must be"),
        ({"workers": 2.5}, "workers must be"),
        ({"workers": "4"}, "workers must be"),
        ({"max_workers": 0}, "max_workers must be a whole number from 1 to 4096"),
        ({"max_workers": True}, "max_workers must be"),
        ({"max_workers": None}, "max_workers must be"),
        ({"max_workers": 1e9}, "max_workers must be"),
        ({"max_workers": 3, "workers": 4}, "workers must be a whole number from 1 to 3"),
        ({"recorded": [1]}, "recorded must be traces by number of workers"),
        ({"recorded": {4: "trace"}}, "recorded must be traces by number of workers"),
        ({"only": 3}, "only must be the name of a node"),
        ({"controls": {"colour": [1, 2]}}, "controls must be a keyword of run"),
    ],
)
def test_impossible_argument_is_a_clear_error(options, says):
    with pytest.raises(OptionError, match=says):
        playground(trace_of, **options)


def test_name_of_a_pattern_is_for_the_playground_of_the_package():
    with pytest.raises(OptionError, match=r'For example: kv.playground\("batch"\)'):
        playground("batch")


@pytest.mark.parametrize("run", [None, 4, "run"])
def test_run_that_is_no_function_is_a_clear_error(run):
    with pytest.raises(OptionError, match="run must be a function"):
        playground(run)


def test_nothing_keeps_a_panel_that_was_closed_nor_its_traces():
    def run(workers):
        trace = trace_of(workers)
        traces.append(weakref.ref(trace))
        return trace

    traces, before = [], set(widget._instances)
    panel = playground(run)
    press(panel)
    panel.close()
    panel.close()
    alive = weakref.ref(panel)
    del panel
    gc.collect()
    assert [alive(), traces[0]()] == [None, None]
    assert set(widget._instances) <= before


def test_closing_a_panel_stops_its_run():
    def run(_workers):
        begun.set()
        may_end.wait(GUARD_S)
        return trace_of(1)

    begun, may_end = threading.Event(), threading.Event()
    panel = playground(run)
    panel.run_button.click()
    begun.wait(GUARD_S)
    panel.close()
    assert panel._runs._current.was_stopped
    may_end.set()
    panel.wait(GUARD_S)


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


def test_whole_numbers_and_others_have_widgets_of_their_own(control):
    assert isinstance(control("items").main, ipywidgets.IntSlider)
    assert isinstance(control("latency_s").main, ipywidgets.FloatSlider)


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
