"""What `record` accepts, what stands for None, and who is told of a trace."""

from __future__ import annotations

import contextvars

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.clock.clock import REAL, use_clock
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.options import checked_cap, checked_clock, checked_period, checked_watch, told_of_traces


def test_without_a_clock_that_in_force_is_taken():
    fake = FakeClock()
    assert checked_clock(None, None) is REAL
    with use_clock(fake):
        assert checked_clock(None, None) is fake
    assert checked_clock(fake, None) is fake


def test_a_simulated_clock_can_be_named_with_its_seed():
    assert isinstance(checked_clock("virtual", None), VirtualClock)
    assert [checked_clock("virtual", seed).seed for seed in (None, 3)] == [0, 3]


@pytest.mark.parametrize("clock", [None, FakeClock()])
def test_a_seed_needs_a_simulated_clock(clock):
    with pytest.raises(OptionError, match='seed must be given with clock="virtual", got 3'):
        checked_clock(clock, 3)


@pytest.mark.parametrize("clock", [object(), "real", VirtualClock, 0])
def test_what_is_no_clock_is_refused(clock):
    with pytest.raises(OptionError, match="clock must be None for the real clock, 'virtual'"):
        checked_clock(clock, None)


def test_a_million_spans_are_kept_by_default():
    assert (checked_cap(None), checked_cap(5)) == (1_000_000, 5)


@pytest.mark.parametrize("max_spans", [0, True, 1e6, "5"])
def test_an_impossible_cap_is_refused(max_spans):
    with pytest.raises(OptionError, match="max_spans must be a whole number, 1 or more"):
        checked_cap(max_spans)


def test_cpu_clocks_are_not_sampled_unless_asked_for():
    assert checked_period(None) is None
    assert [checked_period(seconds) for seconds in (0.0005, 1)] == [0.0005, 1.0]


@pytest.mark.parametrize("sample_s", [0, 0.0001, 1.5, True, "often", float("nan")])
def test_an_impossible_period_is_refused(sample_s):
    with pytest.raises(OptionError, match=r"sample_s must be None, or a number of seconds from 0\.0005 to 1, got"):
        checked_period(sample_s)


def test_accesses_are_noted_only_when_asked_for():
    assert checked_watch(False) is None
    assert [checked_watch(wish).strict for wish in (True, "strict")] == [False, True]


@pytest.mark.parametrize("wrong", ["yes", 2, None])
def test_a_wrong_wish_is_refused(wrong):
    with pytest.raises(OptionError, match="shared_access must be False, True or 'strict'"):
        checked_watch(wrong)


@pytest.mark.parametrize("options", [{"clock": object()}, {"max_spans": 0}, {"shared_access": "yes"}, {"sample_s": 0}])
def test_record_refuses_impossible_options_before_the_block(options):
    begun = []
    with pytest.raises(OptionError), record(**options):
        begun.append(1)
    assert begun == []


def test_traces_are_told_as_soon_as_they_begin():
    told = []
    with told_of_traces(told.append), record() as trace:
        assert told == [trace]
        assert trace.is_live
    with record():
        pass
    assert told == [trace]


def test_the_inner_of_two_listeners_is_told():
    outer, inner = [], []
    with told_of_traces(outer.append):
        with told_of_traces(inner.append), record() as first:
            pass
        with record() as second:
            pass
    assert (outer, inner) == ([second], [first])


def test_another_context_is_not_listened_to():
    told = []

    def elsewhere():
        with record():
            pass

    context = contextvars.copy_context()
    with told_of_traces(told.append):
        context.run(elsewhere)
    assert told == []
