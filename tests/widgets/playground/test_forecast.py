"""What a panel shows for settings that were not run."""

from __future__ import annotations

import pytest

from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.playground import pictures
from kaygraph_viz.widgets.playground.forecast import forecast, preview
from kaygraph_viz.widgets.playground.options import KNOWN
from kaygraph_viz.widgets.playground.state import Log


def trace_of(workers):
    return make_trace(*(bar("check", f"t-{at % workers}", at // workers, at // workers + 1) for at in range(8)))


@pytest.fixture
def log():
    log = Log([KNOWN["workers"], KNOWN["items"]])
    log.add({"workers": 4, "items": 8}, trace_of(4))
    return log


def test_a_prediction_is_that_of_what_if_for_the_nearest_run(log):
    found = forecast(log, {"workers": 2, "items": 8})
    assert (found.source, found.trace.makespan_s) == (log.entries[0], 4.0)
    assert found.trace.predicted_from == "the run with 4 workers"
    assert found.sentence == "Predicted from the run with 4 workers: 2 workers would take 4.00 s."


def test_nothing_is_predicted_for_another_workload(log):
    assert forecast(log, {"workers": 2, "items": 9}) is None
    assert preview(log, {"workers": 2, "items": 9}, last=16) is None


def test_the_pictures_of_a_prediction_say_that_it_is_one(log, monkeypatch):
    asked = []
    draw = pictures.gantt
    monkeypatch.setattr(pictures, "gantt", lambda *args, **options: asked.append(options) or draw(*args, **options))
    found = preview(log, {"workers": 1, "items": 8}, last=16)
    assert (asked[0]["title"], asked[0]["end_s"]) == ("1 worker: predicted 8.00 s", 8.0)
    assert "predicted from the run with 4 workers, not measured" in found.chart.alt
    assert found.sketch is not None
