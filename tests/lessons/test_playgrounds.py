"""Panels of the shipped patterns, by name."""

from __future__ import annotations

import inspect

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.course.lessons.playgrounds import PATTERNS, playground
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.playground import pictures
from kaygraph_viz.widgets.playground.options import KNOWN, options_of

GUARD_S = 60


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "DPI", 24)


@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_runs_in_simulated_time_and_more_workers_are_faster(name):
    pattern, _ = PATTERNS[name]
    one, four = pattern(1, items=8), pattern(4, items=8)
    assert pattern(4, items=8).makespan_s == four.makespan_s
    assert four.makespan_s < one.makespan_s
    assert "workers" in inspect.signature(pattern).parameters


@pytest.mark.parametrize("name", PATTERNS)
def test_every_keyword_of_a_pattern_has_a_control_that_fits(name):
    pattern, ranges = PATTERNS[name]
    options = {option.name: option for option in options_of(pattern, ranges)}
    assert options.keys() == inspect.signature(pattern).parameters.keys() <= KNOWN.keys()
    for parameter in inspect.signature(pattern).parameters.values():
        assert options[parameter.name].value == parameter.default
        assert options[parameter.name].allows(parameter.default)


@pytest.mark.parametrize("name", ["validation", "enrichment", "pipeline"])
def test_services_of_a_pattern_are_as_slow_and_unreliable_as_wanted(name):
    pattern, _ = PATTERNS[name]
    usual = pattern(2, items=4)
    assert pattern(2, items=4, latency_s=0.2).makespan_s > usual.makespan_s
    assert kv.summarize(pattern(2, items=4, failure_rate=0.5)).counts.get("retries", 0) > 0
    assert pattern(2, items=4, seed=1).makespan_s != usual.makespan_s


def test_panel_of_a_pattern_has_a_sweep_to_begin_with():
    panel = kv.playground("batch", workers=2, controls={"items": [8, 64]})
    assert [*panel.traces] == [1, 2, 4, 8]
    assert panel.settings["items"] == 64
    assert panel.picture
    panel.controls["schedule"].value = "longest-first"
    panel.wait(GUARD_S)  # else Run would stop the run that the control has begun
    panel.run_button.click()
    panel.wait(GUARD_S)
    assert any("longest-first" in label for label, _ in panel.log_list.options)


def test_prediction_of_the_pipeline_is_for_the_stage_that_gets_the_workers():
    panel = playground("pipeline", controls={"items": [12, 40]})
    tried = panel.tried.find(panel.settings)
    makespans = panel.tried.predicted(tried).makespan_s
    assert {
        count: pytest.approx(trace.makespan_s) for count, trace in panel.traces.items()
    }.items() <= makespans.items()


def test_sweep_ends_where_the_slider_does():
    assert [*playground("coordination", max_workers=3).traces] == [1, 2]


def test_function_is_passed_on():
    one = make_trace(bar("a", "t-1", 0, 1))
    assert playground(lambda workers: one, recorded={1: one}, workers=1).traces == {1: one}


def test_pattern_that_does_not_exist_is_a_clear_error():
    with pytest.raises(OptionError, match="run must be a function, or one of validation, enrichment, batch"):
        playground("sorting")
