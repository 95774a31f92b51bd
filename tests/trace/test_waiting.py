"""What this package makes a branch wait for is a wait span, and a part of the branch."""

from __future__ import annotations

import pytest

from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import held_up, span


@pytest.fixture
def clock():
    return FakeClock(start_s=100)


def told(trace, name):
    (one,) = trace.where(name=name)
    return one


def test_a_wait_is_a_span_in_the_one_around_it_and_one_of_its_parts(clock):
    with record(clock=clock) as trace, span("ask"):
        clock.sleep(1)
        with held_up("blocked", "rate limit"):
            clock.sleep(2)
        clock.sleep(1)
    ask, wait = told(trace, "ask"), told(trace, "rate limit")
    assert (wait.kind, wait.parent_id, wait.lane) == ("wait", ask.span_id, ask.lane)
    assert (wait.started_ns, wait.ended_ns, wait.blocked_ns) == (101 * 10**9, 103 * 10**9, 2 * 10**9)
    assert [part.kind for part in wait.parts] == ["blocked"]
    (blocked,) = (part for part in ask.parts if part.kind == "blocked")
    assert (blocked.started_ns, blocked.ended_ns) == (101 * 10**9, 103 * 10**9)


def test_a_pause_knows_after_which_attempt_it_comes_and_is_not_blocked(clock):
    with record(clock=clock) as trace, span("ask"), held_up("pause", "before attempt 3", attempt=2):
        clock.sleep(1)
    pause = told(trace, "before attempt 3")
    assert (pause.attempt, pause.blocked_ns, [part.kind for part in pause.parts]) == (2, 0, ["pause"])


@pytest.mark.parametrize(("lasts_s", "is_shown"), [(0.0, False), (0.001, False), (0.002, True)])
def test_what_is_too_short_was_no_wait(clock, lasts_s, is_shown):
    with record(clock=clock) as trace, span("ask"), held_up("blocked", "limit", least_ns=2_000_000):
        clock.sleep(lasts_s)
    assert bool(trace.where(name="limit")) is is_shown


def test_a_wait_that_ends_with_an_error_is_recorded_and_the_error_goes_on(clock):
    with record(clock=clock) as trace:
        with pytest.raises(TimeoutError), span("ask"), held_up("blocked", "limit"):
            clock.sleep(1)
            raise TimeoutError
    assert told(trace, "limit").status == "ok"
    assert told(trace, "ask").status == "error"


def test_without_a_recording_nothing_happens(clock):
    with held_up("blocked", "limit"):
        clock.sleep(1)
    with record(clock=clock) as trace:
        pass
    assert len(trace) == 0
