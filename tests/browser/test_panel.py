"""The panel in JupyterLab: each position of the slider has a chart of its own, at once."""

from __future__ import annotations

import time
from statistics import median

import pytest

IN_REAL_TIME = """
import time
import kaygraph_viz as kv

def run(workers):
    with kv.record() as trace, kv.get_executor("thread", workers) as executor:
        list(executor.imap(time.sleep, [0.02 + 0.01 * (n % 5) for n in range(12)]))
    return trace

panel = kv.playground(run, recorded={1: run(1), 4: run(4)}, workers=1)
panel
"""
IN_SIMULATED_TIME = IN_REAL_TIME.replace("record()", 'record(clock="virtual")').replace("time.sleep", "kv.sleep")
GENEROUS_S = 3.0  # for a step that takes a tenth of it where nothing else runs
TITLES = "panel => [...panel.querySelectorAll('.kv-pictures img')].map(image => image.alt)"
STATUS = "panel => panel.querySelector('.kv-status').innerText"
OPACITY = "panel => getComputedStyle(panel.querySelector('.kv-chart .widget-html-content')).opacity"


@pytest.fixture
def panel(open_cells, request):
    notebook = open_cells(request.param)
    notebook.run_all()
    assert notebook.errors() == []
    return notebook.panel()


def steps_through(panel, key, count):
    """Press a key so many times, and return how long each took until the chart had changed [s]."""
    took_s = []
    for _ in range(count):
        before, begun = panel.picture(), time.perf_counter()
        panel.press_on_slider(key)
        panel.wait_for_picture_other_than(before)
        took_s.append(time.perf_counter() - begun)
    return took_s


def steps_show_other_charts_soon(panel):
    """Step from 1 to 6 workers, and check that the chart of each was there soon."""
    took_s = steps_through(panel, "ArrowRight", 5)
    print(f"a step of the slider took {median(took_s):.2f} s")  # shown by `pytest -s`; 0.3 s is the aim
    assert median(took_s) < GENEROUS_S
    panel.wait_for_text("6 workers")
    chart, *_ = panel.root.evaluate(TITLES)
    assert "on 6 workers" in chart
    assert panel.root.evaluate(OPACITY) == "1"


@pytest.mark.parametrize("panel", [IN_REAL_TIME], indirect=True)
def test_each_step_of_the_slider_shows_a_prediction_soon_and_run_replaces_it(panel):
    steps_show_other_charts_soon(panel)
    panel.wait_for_text("Predicted from the run with 4 workers: 6 workers would take")
    assert "predicted from the run with 4 workers, not measured" in panel.root.evaluate(TITLES)[0]
    panel.click("Run")
    panel.wait_for_text("measured")
    assert "Predicted" in panel.root.evaluate(STATUS)
    assert "not measured" not in panel.root.evaluate(TITLES)[0]


@pytest.mark.parametrize("panel", [IN_SIMULATED_TIME], indirect=True)
def test_each_step_of_the_slider_runs_what_is_simulated_and_run_runs_it_again(panel):
    steps_show_other_charts_soon(panel)
    assert "predicted" not in panel.root.evaluate(TITLES)[0]
    panel.click("Run")
    panel.wait_for_text("Run 2 with these settings: the same as before")
    assert "2 runs:" in panel.log().replace("\N{NO-BREAK SPACE}", " ")
