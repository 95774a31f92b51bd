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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({"clock": clock, "seed": 3}, 'seed must be given with clock="virtual"') for clock in (None, FakeClock())),
        *(({"clock": clock}, "clock must be None for the real clock, 'virtual'") for clock in (object(), "real", 0)),
        *(({"max_spans": most}, "max_spans must be a whole number, 1 or more") for most in (0, True, 1e6, "5")),
        *(
            ({"sample_s": seconds}, r"sample_s must be None, or a number of seconds from 0\.0005 to 1, got")
            for seconds in (0, 0.0001, 1.5, True, "often", float("nan"))
        ),
        *(({"shared_access": wish}, "shared_access must be False, True or 'strict'") for wish in ("yes", 2, None)),
    ],
)
def test_what_cannot_be_is_refused_before_the_block(options, message):
    begun = []
    with pytest.raises(OptionError, match=message), record(**options):
        begun.append(1)
    assert begun == []


def test_what_stands_for_none():
    assert (checked_cap(None), checked_cap(5)) == (1_000_000, 5)
    assert [checked_period(seconds) for seconds in (None, 0.0005, 1)] == [None, 0.0005, 1.0]
    assert checked_watch(False) is None
    assert [checked_watch(wish).strict for wish in (True, "strict")] == [False, True]


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
