"""Coordination as an example."""

from __future__ import annotations

import pytest

from kaygraph_viz.course.examples.coordination import MEANINGS, run
from kaygraph_viz.course.examples.example import Setup


@pytest.fixture(scope="module")
def found():
    return run(Setup(clock="virtual"))


def statuses(trace):
    return [span.status for span in trace.where(kind="branch")]


def test_there_is_a_fact_about_every_way(found):
    assert [fact.label for fact in found.facts] == list(MEANINGS)


def test_losers_are_cancelled(found):
    assert statuses(found.traces["cancellation"]).count("cancelled") == 5
    assert statuses(found.traces["deadline"]).count("cancelled") == 3
    assert "cancelled" in statuses(found.traces["first-wins"])


def test_gathering_takes_as_long_as_the_slowest_answer(found):
    branches = found.traces["parallel"].where(kind="branch")
    slowest = max(branches, key=lambda span: span.service_s)
    assert found.measured.makespan_s == pytest.approx(slowest.service_s)
    assert found.measured.bottleneck[0] == slowest.name


def test_serial_run_asks_the_same_with_one_client(found):
    names = [sorted(span.name for span in found.traces[run].where(kind="branch")) for run in ("serial", "parallel")]
    assert names[0] == names[1]
    assert len({span.lane for span in found.traces["serial"].where(kind="branch")}) == 1


def test_diagram_is_of_the_fan_out(found):
    assert found.drawn == "fan-out"
    assert found.graph.node_id == "fan-out"
