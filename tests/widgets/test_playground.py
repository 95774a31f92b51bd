"""The panel without a front end: what slider and button do, and what is shown."""

from __future__ import annotations

import base64
import re
import threading

import matplotlib.pyplot as plt
import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets import playground as module
from kaygraph_viz.widgets.playground import Playground, playground

GUARD_S = 30  # against a test that hangs; never waited for
PNG = b"\x89PNG\r\n\x1a\n"


def trace_of(workers, name="check"):
    """Return eight branches of one second on so many workers."""
    return make_trace(*(bar(name, f"t-{at % workers}", at // workers, at // workers + 1) for at in range(8)))


def never(_workers):
    raise AssertionError("nobody pressed Run")


def press(panel):
    panel.button.click()
    panel.wait(GUARD_S)


def text_of(widget):
    return re.sub(r"<[^>]*>", " ", widget.value)


def tried(panel):
    """Return the numbers of workers in the log."""
    return [int(number) for number in re.findall(r"<tr><td[^>]*>(\d+)</td>", panel.tried.value)]


@pytest.fixture
def panel():
    return playground(trace_of, recorded={4: trace_of(4), 2: trace_of(2)})


def test_recorded_run_is_shown_at_once(panel):
    assert panel.picture.startswith(PNG)
    assert "8 branches on 4 workers took 2.00 s" in text_of(panel.status)
    assert tried(panel) == [2, 4]


def test_slider_shows_what_was_recorded_with_that_number(panel):
    before = panel.chart.value
    panel.slider.value = 2
    assert panel.picture.startswith(PNG)
    assert panel.chart.value != before
    assert "8 branches on 2 workers took 4.00 s" in text_of(panel.status)


def test_slider_says_when_nothing_was_recorded_with_that_number(panel):
    panel.slider.value = 3
    assert "Nothing recorded with 3 workers yet: press Run." in text_of(panel.status)
    panel.slider.value = 1
    assert "Nothing recorded with 1 worker yet" in text_of(panel.status)


def test_slider_never_runs_anything():
    panel = playground(never, recorded={4: trace_of(4)})
    panel.slider.value = 3
    assert list(panel.traces) == [4]


def test_run_records_anew_with_the_number_of_the_slider(panel):
    panel.slider.value = 8
    before = panel.chart.value
    press(panel)
    assert panel.chart.value != before
    assert "8 branches on 8 workers took 1.00 s" in text_of(panel.status)
    assert sorted(panel.traces) == tried(panel) == [2, 4, 8]


def test_log_holds_the_last_run_of_each_number():
    names = iter(["first", "second"])
    panel = playground(lambda workers: trace_of(workers, next(names)), workers=2)
    press(panel)
    press(panel)
    assert tried(panel) == [2]
    assert {span.name for span in panel.traces[2]} == {"second"}


def test_log_shows_what_was_measured():
    panel = playground(never, recorded={4: trace_of(4)})
    assert re.findall(r"<td[^>]*>([^<]*)</td>", panel.tried.value) == ["4", "4", "4.0", "100%"]


def test_panel_without_a_recording_is_empty_and_says_what_to_do():
    panel = playground(trace_of)
    assert (panel.picture, panel.chart.value, panel.tried.value) == (b"", "", "")
    assert "press Run" in text_of(panel.status)


def test_given_mapping_is_not_changed():
    recorded = {4: trace_of(4)}
    panel = playground(trace_of, recorded=recorded, workers=2)
    press(panel)
    assert list(recorded) == [4]


# -- while a run is going on --------------------------------------------------------------------------------------


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
    panel.button.click()
    assert slow.started.wait(GUARD_S)
    yield panel
    slow.end.set()
    panel.wait(GUARD_S)


def test_click_returns_while_the_run_goes_on_and_says_so(running):
    assert running.button.disabled
    assert "Running with 4 workers ..." in text_of(running.status)


def test_second_click_while_running_does_nothing(running, slow):
    running.button.click()
    slow.end.set()
    running.wait(GUARD_S)
    assert slow.calls == [4]


def test_button_works_again_when_the_run_has_ended(running, slow):
    slow.end.set()
    running.wait(GUARD_S)
    assert not running.button.disabled
    press(running)
    assert slow.calls == [4, 4]


def test_slider_stays_alive_while_running(running):
    running.slider.value = 2
    assert "8 branches on 2 workers" in text_of(running.status)


def test_run_that_ends_does_not_take_the_chart_from_another_number(running, slow):
    running.slider.value = 2
    shown = running.chart.value
    slow.end.set()
    running.wait(GUARD_S)
    assert running.chart.value == shown
    assert "8 branches on 2 workers" in text_of(running.status)
    assert tried(running) == [1, 2, 4]


def test_waiting_without_a_run_returns_at_once(panel):
    panel.wait()


# -- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [ValueError("no such file"), SystemExit("no such file"), KeyboardInterrupt("no such file")]
)
def test_error_of_a_run_is_shown_and_the_button_works_again(error):
    def fails(_workers):
        raise error

    panel = playground(fails)
    press(panel)
    assert f"The run failed: {type(error).__name__}: no such file" in text_of(panel.status)
    assert not panel.button.disabled


def test_error_leaves_chart_and_log_as_they_were():
    panel = playground(lambda workers: 1 // 0, recorded={4: trace_of(4)})
    before = panel.chart.value, panel.tried.value, dict(panel.traces)
    press(panel)
    assert (panel.chart.value, panel.tried.value, panel.traces) == before


def test_html_in_an_error_is_inert():
    def fails(_workers):
        raise ValueError("</span><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;")

    panel = playground(fails)
    press(panel)
    assert re.findall(r"<\w+", panel.status.value) == ["<span"]
    assert "&lt;script&gt;" in panel.status.value


def test_html_in_the_names_of_branches_is_inert():
    hostile = "\"><script>alert(1)</script><i onmouseover='alert(2)'>"
    panel = playground(never, recorded={4: trace_of(4, hostile)})
    assert hostile not in panel.status.value + panel.tried.value
    assert re.findall(r"<\w+", panel.chart.value) == ["<img"]
    assert re.findall(r' (\w+)="', panel.chart.value) == ["alt", "style", "src"]


def test_huge_error_is_cut():
    def fails(_workers):
        raise ValueError("x" * 1_000_000)

    panel = playground(fails)
    press(panel)
    assert len(panel.status.value) < 1_000


@pytest.mark.parametrize("returned", [None, [], "trace", 3])
def test_run_that_returns_no_trace_is_an_error_and_not_kept(returned):
    panel = playground(lambda workers: returned, recorded={4: trace_of(4), 2: trace_of(2)})
    press(panel)
    assert "The run failed: OptionError: what run(workers) returns must be a trace, got" in text_of(panel.status)
    assert sorted(panel.traces) == [2, 4]
    panel.slider.value = 2
    assert "8 branches on 2 workers" in text_of(panel.status)


def test_chart_that_cannot_be_drawn_is_said_and_does_not_vanish(panel, monkeypatch):
    def broken(*_args, **_options):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(module, "gantt", broken)
    panel.slider.value = 2
    assert "The chart could not be drawn: RuntimeError: no fonts" in text_of(panel.status)


@pytest.mark.parametrize("value", [0, 17, 10**9])
def test_slider_stays_in_its_range(panel, value):
    panel.slider.value = value
    assert 1 <= panel.slider.value <= 16


# -- where no kernel runs -----------------------------------------------------------------------------------------


def bundle_of(panel):
    data, _metadata = panel._repr_mimebundle_()
    return data


def test_panel_leaves_a_picture_and_a_text_where_no_kernel_runs(panel):
    bundle = bundle_of(panel)
    assert base64.b64decode(bundle["image/png"]) == panel.picture
    assert bundle["text/plain"] == "<Playground for 1 to 16 workers>"
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_text_of_the_panel_holds_no_address(panel):
    assert not re.search("0x[0-9a-f]{6,}|object at", bundle_of(panel)["text/plain"])


def test_panel_without_a_recording_leaves_no_empty_picture():
    assert "image/png" not in bundle_of(playground(trace_of))


def test_same_trace_gives_the_same_picture():
    first, second = (playground(never, recorded={4: trace_of(4)}) for _ in range(2))
    assert first.chart.value == second.chart.value


def test_no_figure_of_pyplot_is_opened():
    before = plt.get_fignums()
    panel = playground(trace_of, recorded={4: trace_of(4), 2: trace_of(2)})
    panel.slider.value = 2
    press(panel)
    assert plt.get_fignums() == before


def test_controls_have_names_and_the_chart_a_description(panel):
    assert panel.slider.description == "Workers"
    assert panel.button.description == "Run"
    assert re.match(r'<img alt="Gantt chart of 8 branches on 4 workers [^"<>]*" ', panel.chart.value)
    assert "role='status'" in panel.status.value
    assert not panel.slider.continuous_update


# -- arguments ----------------------------------------------------------------------------------------------------


def test_playground_is_a_panel():
    assert isinstance(playground(trace_of, max_workers=5), Playground)
    assert playground(trace_of, max_workers=5).slider.max == 5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"workers": 0}, "workers must be a whole number from 1 to 16"),
        ({"workers": 17}, "workers must be a whole number from 1 to 16"),
        ({"workers": True}, "workers must be"),
        ({"workers": 2.5}, "workers must be"),
        ({"workers": "4"}, "workers must be"),
        ({"workers": None}, "workers must be"),
        ({"max_workers": 0}, "max_workers must be a whole number from 1 to 4096"),
        ({"max_workers": True}, "max_workers must be"),
        ({"max_workers": 1e9}, "max_workers must be"),
        ({"max_workers": 3}, "workers must be a whole number from 1 to 3"),
        ({"recorded": [1]}, "recorded must be traces by number of workers"),
        ({"recorded": {4: "trace"}}, "recorded must be traces by number of workers"),
    ],
)
def test_impossible_argument_is_a_clear_error(options, says):
    with pytest.raises(OptionError, match=says):
        playground(trace_of, **options)


@pytest.mark.parametrize("run", [None, 4, "run"])
def test_run_that_is_no_function_is_a_clear_error(run):
    with pytest.raises(OptionError, match="run must be a function"):
        playground(run)
