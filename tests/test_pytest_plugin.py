"""The fixture for tests of readers."""

from __future__ import annotations

import pytest

from kaygraph_viz.clock.clock import REAL, current_clock, sleep
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span


def test_the_fixture_puts_simulated_time_in_force(virtual_clock):
    sleep(3600)
    assert virtual_clock.now_ns() == 3_600_000_000_000


@pytest.mark.virtual_clock(seed=7)
def test_the_fixture_takes_what_the_marker_says(virtual_clock):
    assert virtual_clock.seed == 7


def test_what_is_recorded_is_simulated(virtual_clock):
    with record() as trace, span("a"):
        sleep(5)
    assert trace.makespan_s == 5
    assert current_clock() is virtual_clock


@pytest.mark.virtual_clock(cores=3, gil=False)
def test_the_marker_takes_all_options_of_the_clock(virtual_clock):
    with record() as trace:
        pass
    assert (trace.machine.cores, trace.machine.has_gil, virtual_clock.gil) == (3, False, False)


def test_without_the_fixture_time_is_real():
    assert current_clock() is REAL


def test_the_marker_is_registered(pytestconfig):
    assert any(line.startswith("virtual_clock(seed=0, ...)") for line in pytestconfig.getini("markers"))
