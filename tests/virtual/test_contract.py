"""The contract of all kinds of executor, kept by simulated workers too: its very tests, run under a virtual clock.

All of them, but for one whose barrier is a real one: it has a twin here that meets in simulated time.
"""

from __future__ import annotations

import pytest

from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from tests.execute import test_contract as contract
from tests.execute.test_contract import *  # noqa: F403  (the tests)


@pytest.fixture(autouse=True)
def simulated_time(monkeypatch):
    """Put a virtual clock in force, also where a test would take one that only moves when it is told to."""
    with VirtualClock() as clock:
        monkeypatch.setattr(contract, "FakeClock", lambda start_s=0: clock)
        yield


@pytest.fixture
def dask_client():
    """None: no cluster is needed."""


@pytest.mark.parametrize("kind", ["thread", "process", "dask"])
def test_four_branches_really_run_at_once(kind):
    with get_executor(kind, 4) as four, record() as trace:
        list(four.imap(sleep, [1] * 4))
    assert len({s.lane for s in trace}) == 4
    assert {(s.started_ns, s.ended_ns) for s in trace} == {(0, 10**9)}
