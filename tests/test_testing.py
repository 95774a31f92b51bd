"""The helpers for tests: the clock that stands still, and traces made by hand."""

from __future__ import annotations

import threading

import pytest

from kaygraph_viz.base.errors import OptionError, TraceError
from kaygraph_viz.clock.clock import REAL, current_clock, sleep
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, assert_trace, bar, make_trace
from kaygraph_viz.trace.recorder import span


def test_fake_clock_moves_only_when_told():
    clock = FakeClock(start_s=2)
    assert clock.now_ns() == clock.now_ns() == 2_000_000_000
    clock.advance(0.5)
    assert clock.now_ns() == 2_500_000_000


def test_sleep_takes_no_cpu_and_work_does():
    clock = FakeClock()
    clock.sleep(1)
    assert clock.cpu_ns() == 0
    clock.compute(2)
    assert (clock.now_ns(), clock.cpu_ns()) == (3_000_000_000, 2_000_000_000)


def test_cpu_time_belongs_to_the_thread_that_used_it():
    clock = FakeClock()
    threads = [threading.Thread(target=clock.compute, args=(0.001,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now_ns() == 20_000_000
    assert clock.cpu_ns() == 0


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_fake_clock_refuses_impossible_times(seconds):
    with pytest.raises(OptionError, match="number of seconds"):
        FakeClock().sleep(seconds)


def test_spans_are_numbered_around_the_numbers_that_are_given():
    trace = make_trace(bar("a", "t", 0, 1), bar("b", "t", 1, 2, span_id=7), bar("c", "t", 2, 3))
    assert [s.span_id for s in trace] == [8, 7, 9]


def test_pairs_nest_to_any_depth():
    tree = bar("leaf", "t", 0, 1)
    for _ in range(5_000):
        tree = (bar("n", "t", 0, 1, kind="node"), [tree])
    trace = make_trace(tree)
    assert len(trace) == 5_001
    assert {s.name: s.parent_id for s in trace}["leaf"] == 5_000


def test_everything_of_a_bar_arrives_in_the_trace():
    made = bar("a", "t", 1, 2, queued_s=0.5, cpu_s=0.25, blocked_s=0.125, status="error", attempt=3, index=4,
               error="ValueError: no", city="Oslo")  # fmt: skip
    found = make_trace(made).spans[0]
    assert found.queue_wait_s == 0.5
    assert (found.cpu_ns, found.blocked_ns) == (250_000_000, 125_000_000)
    assert (found.status, found.attempt, found.index, found.error) == ("error", 3, 4, "ValueError: no")
    assert dict(found.attributes) == {"city": "Oslo"}


def test_an_impossible_trace_is_refused_unless_asked_for():
    overlapping = bar("a", "t", 0, 2), bar("b", "t", 1, 3)
    with pytest.raises(TraceError, match="overlap"):
        make_trace(*overlapping)
    assert len(make_trace(*overlapping, check=False)) == 2


def test_what_is_not_a_span_is_refused():
    with pytest.raises(OptionError, match="Span objects or pairs"):
        make_trace("a")


# -- assert_trace and the fixture --------------------------------------------------------------------------------------


def wait_a_second(_):
    sleep(1)


@pytest.fixture
def two_seconds(virtual_clock):
    """Three items of a second on two threads."""
    with record() as trace, get_executor("thread", 2) as executor:
        list(executor.imap(wait_a_second, range(3), name="wait"))
    return trace


def bars(*ends):
    return [
        bar("wait", "thread-1", 0, 1, index=0),
        bar("wait", "thread-2", 0, 1, index=1),
        bar("wait", "thread-1", 1, ends[0], index=2, queued_s=1),
    ]


def test_a_trace_as_it_was_expected_passes(two_seconds):
    assert_trace(two_seconds, bars(2))
    assert_trace(two_seconds, two_seconds)


def test_a_difference_is_shown_as_lines(two_seconds):
    with pytest.raises(AssertionError) as caught:
        assert_trace(two_seconds, bars(3))
    assert [line.split() for line in str(caught.value).splitlines()[-2:]] == [
        ["-", "wait", "2", "thread-1", "0", "s", "1", "s", "3", "s", "ok"],
        ["+", "wait", "2", "thread-1", "0", "s", "1", "s", "2", "s", "ok"],
    ]


def test_missing_and_additional_spans_are_shown(two_seconds):
    with pytest.raises(AssertionError, match=r"\+ wait 2"):
        assert_trace(two_seconds, bars(2)[:2])
    with pytest.raises(AssertionError) as caught:
        assert_trace(two_seconds, bars(2)[:2])
    assert sum(line.startswith("  + ") for line in str(caught.value).splitlines()) == 1
    with pytest.raises(AssertionError, match="- more"):
        assert_trace(two_seconds, [*bars(2), bar("more", "thread-1", 2, 3)])


def test_times_may_be_off_by_the_tolerance(two_seconds):
    assert_trace(two_seconds, bars(2.1), tolerance_s=0.11)
    with pytest.raises(AssertionError):
        assert_trace(two_seconds, bars(2.1), tolerance_s=0.09)


def test_cpu_time_counts_where_it_was_expected():
    found = make_trace(bar("a", "t", 0, 1, cpu_s=0.5))
    assert_trace(found, [bar("a", "t", 0, 1)])
    assert_trace(found, [bar("a", "t", 0, 1, cpu_s=0.5)])
    with pytest.raises(AssertionError, match=r"CPU 0\.25 s"):
        assert_trace(found, [bar("a", "t", 0, 1, cpu_s=0.25)])


WAITS_THEN_COMPUTES = [("wait", 0.5), ("cpu", 0.5)]


def test_parts_count_where_they_were_expected():
    found = make_trace(bar("a", "t", 1, 2, parts=WAITS_THEN_COMPUTES))
    assert_trace(found, [bar("a", "t", 0, 1)])
    assert_trace(found, [bar("a", "t", 0, 1, parts=WAITS_THEN_COMPUTES)])
    with pytest.raises(AssertionError) as caught:
        assert_trace(found, [bar("a", "t", 0, 1, parts=[("cpu", 0.5), ("wait", 0.5)])])
    assert [line.split("ok")[1].strip() for line in str(caught.value).splitlines()[-2:]] == [
        "cpu 0.5 s, wait 0.5 s", "wait 0.5 s, cpu 0.5 s"
    ]  # fmt: skip


def test_parts_of_which_only_sums_are_known_count_too():
    found = make_trace(bar("a", "t", 0, 1, cpu_s=0.5))
    assert_trace(found, [bar("a", "t", 0, 1, parts=[("unknown", 1, 0.5)])])
    with pytest.raises(AssertionError, match=r"unknown 1 s \(50\.0% CPU\)"):
        assert_trace(found, [bar("a", "t", 0, 1, parts=WAITS_THEN_COMPUTES)])


def test_ends_of_parts_may_be_off_by_the_tolerance():
    found = make_trace(bar("a", "t", 0, 1, parts=WAITS_THEN_COMPUTES))
    expected = [bar("a", "t", 0, 1, parts=[("wait", 0.6), ("cpu", 0.4)])]
    assert_trace(found, expected, tolerance_s=0.11)
    with pytest.raises(AssertionError):
        assert_trace(found, expected, tolerance_s=0.09)


def test_parts_of_two_traces_count_where_both_have_noted_them():
    noted, sums = (make_trace(bar("a", "t", 0, 1, parts=parts)) for parts in (WAITS_THEN_COMPUTES, None))
    assert_trace(noted, noted)
    assert_trace(sums, noted)
    assert_trace(noted, sums)
    with pytest.raises(AssertionError):
        assert_trace(noted, make_trace(bar("a", "t", 0, 1, parts=[("cpu", 0.5), ("wait", 0.5)])))


def test_statuses_and_attempts_count():
    found = make_trace(bar("a", "t", 0, 1, status="error", attempt=2))
    with pytest.raises(AssertionError, match="error, 2 attempts"):
        assert_trace(found, [bar("a", "t", 0, 1)])


# -- pytest plugin -------------------------------------------------------------------------------------------------


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
