"""Enrichment as an example."""

from __future__ import annotations

import pytest

from kaygraph_viz.course.examples.enrichment import BROKEN, run, settings_with_seed
from kaygraph_viz.course.examples.example import Setup
from kaygraph_viz.course.services.endpoints import DEFAULT_SETTINGS


@pytest.fixture(scope="module")
def found():
    return run(Setup(clock="virtual"))


def sources_of(trace):
    """Return the questions of a run: the branches that hold no other branch."""
    return [span for span in trace.where(kind="branch") if span.name in DEFAULT_SETTINGS]


def test_one_record_takes_as_long_as_its_slowest_source(found):
    trace = found.traces["one-record"]
    assert len(sources_of(trace)) == 4
    assert trace.makespan_s == pytest.approx(max(span.service_s for span in sources_of(trace)))


def test_broken_services_cost_their_own_facts_only(found):
    by_name = {span.name: span for span in sources_of(found.traces["broken"])}
    assert {name: span.status for name, span in by_name.items()} == {
        "profile": "ok", "location": "ok", "social": "error", "company": "ok",
    }  # fmt: skip
    assert "social timeout and company ok (attempt 2); enrichment rate 75%" in found.notes[1]


def test_every_record_is_asked_about_at_four_sources_in_both_runs(found):
    assert [len(sources_of(found.traces[name])) for name in ("serial", "parallel")] == [48, 48]
    assert found.measured.speedup > 3


def test_what_is_known_is_told(found):
    assert "has the plan" in found.notes[0] or "likes" in found.notes[0]
    assert " lives in " in found.notes[0]
    assert " works for " in found.notes[0]


def test_seed_is_the_one_of_all_services_and_changes_are_kept():
    settings = settings_with_seed(7, BROKEN)
    assert {one.seed for one in settings.values()} == {7}
    assert (settings["social"].hang_rate, settings["company"].fail_first) == (1.0, 1)
    assert settings["profile"].latency_s == DEFAULT_SETTINGS["profile"].latency_s
