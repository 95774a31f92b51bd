"""The block of a call with units: what it accepts, and what is left after it."""

from __future__ import annotations

import asyncio

import pytest

from kaygraph_viz.clock import use_clock
from kaygraph_viz.errors import OptionError, ServiceUnavailable
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.testing import FakeClock


@pytest.mark.parametrize("units", [-1, 101, 1.5, True, None])
def test_impossible_units_are_refused(units):
    with pytest.raises(OptionError):
        RateLimit(units_per_minute=100).units(units)


def test_units_without_a_limit_on_them_and_a_limit_on_them_without_units_are_refused():
    with pytest.raises(OptionError, match="units_per_minute"):
        RateLimit(per_minute=5).units(3)
    with pytest.raises(OptionError, match=r"limit\.units"), RateLimit(units_per_minute=5):
        pass


def test_a_refused_call_makes_the_others_wait_and_its_units_count():
    limit = RateLimit(units_per_minute=100)
    with use_clock(FakeClock()) as clock:
        with pytest.raises(ServiceUnavailable), limit.units(10):
            raise ServiceUnavailable("geo", "too many", 429, 5)
        with limit.units(10):
            assert clock.now_ns() == 5 * 10**9
    assert limit._turns._units[0].used == 20


def test_a_wrong_correction_is_refused():
    with RateLimit(units_per_minute=100).units(10) as call, pytest.raises(OptionError):
        call.used(-1)


@pytest.mark.parametrize("is_async", [True, False])
def test_an_interrupt_in_the_wait_gives_the_units_back(is_async):
    class Interrupting(FakeClock):
        def sleep(self, seconds):
            raise KeyboardInterrupt

    limit = RateLimit(units_per_minute=100, in_flight=2)

    async def ask():
        async with limit.units(50):
            pass

    with use_clock(Interrupting()):
        with limit.units(60), pytest.raises(KeyboardInterrupt):
            if is_async:
                asyncio.run(ask())
            else:
                limit.units(50).__enter__()
        assert limit._turns._units[0].used == 60
        assert not limit._turns._queue
        assert not limit._turns._inside
