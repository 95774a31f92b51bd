"""The laws of a limit, checked where the calls arrive, and what its blocks accept and leave behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from kaygraph_viz.base.errors import OptionError, ServiceUnavailable
from kaygraph_viz.clock.clock import current_clock, sleep, sleep_async, use_clock
from kaygraph_viz.execute.rates.rate_limit import RateLimit
from kaygraph_viz.execute.rates.turns import Obstacles
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock

SECOND, MINUTE = 10**9, 60 * 10**9


@dataclass(frozen=True)
class Job:
    """A call: when it is asked for, how many units it takes, and how long."""

    asked_s: int
    units: int
    lasts_s: int


@dataclass
class Arrival:
    job: Job
    asked_ns: int
    begun_ns: int = -1
    ended_ns: int = -1


class Service:
    """Notes the calls in the order in which they arrive."""

    def __init__(self, limit, has_units):
        self.limit, self.has_units, self.log = limit, has_units, []

    def block(self, job):
        return self.limit.units(job.units) if self.has_units else self.limit

    def call(self, job):
        sleep(job.asked_s)
        arrival = Arrival(job, current_clock().now_ns())
        with self.block(job):
            self.begin(arrival)
            sleep(job.lasts_s)
            arrival.ended_ns = current_clock().now_ns()

    async def call_async(self, job):
        await sleep_async(job.asked_s)
        arrival = Arrival(job, current_clock().now_ns())
        async with self.block(job):
            self.begin(arrival)
            await sleep_async(job.lasts_s)
            arrival.ended_ns = current_clock().now_ns()

    def begin(self, arrival):
        arrival.begun_ns = current_clock().now_ns()
        self.log.append(arrival)


def run(kind, limits, jobs):
    """Run all jobs side by side and return the log of the service."""
    service = Service(RateLimit(**limits), "units_per_minute" in limits)
    with record(clock="virtual") as trace, get_executor(kind, max(1, len(jobs))) as executor:
        list(executor.imap(service.call_async if kind == "async" else service.call, jobs))
    assert len(service.log) == len(jobs)
    assert not service.limit._turns._inside
    assert not service.limit._turns._queue
    trace.validate()
    return service.log


def amount_in(log, start_ns, period_ns, amount):
    return sum(amount(each) for each in log if start_ns <= each.begun_ns < start_ns + period_ns)


def keeps(log, limits, now_ns, units):
    """Return whether one more call of so many units may begin now, after those in the log."""
    rules = (("per_second", SECOND, lambda each: 1, 1), ("per_minute", MINUTE, lambda each: 1, 1),
             ("units_per_minute", MINUTE, lambda each: each.job.units, units))  # fmt: skip
    inside = sum(each.ended_ns > now_ns for each in log)
    return inside < limits.get("in_flight", 10**9) and all(
        amount_in(log, now_ns - period + 1, period, amount) + more <= limits[name]
        for name, period, amount, more in rules
        if name in limits
    )


LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "per_second": st.integers(1, 4),
        "per_minute": st.integers(1, 12),
        "in_flight": st.integers(1, 4),
        "units_per_minute": st.integers(5, 40),
    },
).filter(bool)
JOBS = st.lists(st.builds(Job, st.integers(0, 30), st.integers(0, 5), st.integers(0, 40)), max_size=20)


@pytest.mark.parametrize("kind", ["thread", "async"])
@settings(deadline=None)
@given(limits=LIMITS, jobs=JOBS)
def test_no_limit_is_ever_exceeded_none_is_overtaken_and_none_waits_without_need(kind, limits, jobs):
    log = run(kind, limits, jobs)
    for place, each in enumerate(log):
        before = log[:place]
        assert keeps(before, limits, each.begun_ns, each.job.units), "above a limit"
        earliest_ns = max([each.asked_ns, *(other.begun_ns for other in before)])
        moments = {other.ended_ns for other in before} | {earliest_ns}
        moments |= {other.begun_ns + period for other in before for period in (SECOND, MINUTE)}
        earlier = [at for at in moments if earliest_ns <= at < each.begun_ns]
        assert not any(keeps(before, limits, at, each.job.units) for at in earlier), "there was room before"
    assert all(one.asked_ns <= other.asked_ns for one, other in pairwise(log)), "overtaken"


@pytest.mark.parametrize("kind", ["thread", "async"])
def test_a_call_of_many_units_is_not_overtaken_for_ever_by_small_ones(kind):
    small = [Job(second, 5, 1) for second in range(0, 240, 3)]
    log = run(kind, {"units_per_minute": 100}, [*small, Job(10, 100, 1)])
    (large,) = (each for each in log if each.job.units == 100)
    before = [each for each in small if each.asked_s <= 10]
    assert large.begun_ns == before[-1].asked_s * SECOND + MINUTE  # as soon as the last of those has left the window


@pytest.mark.parametrize("kind", ["thread", "async"])
def test_units_that_were_not_needed_are_free_at_once(kind):
    limit, begun_s = RateLimit(units_per_minute=100), []

    def call(x):
        with limit.units(100) as asked:
            begun_s.append(current_clock().now_ns() / 1e9)
            sleep(2)
            asked.used(30)

    async def call_async(x):
        async with limit.units(100) as asked:
            begun_s.append(current_clock().now_ns() / 1e9)
            await sleep_async(2)
        asked.used(0)

    with record(clock="virtual"), get_executor(kind, 4) as executor:
        list(executor.imap(call_async if kind == "async" else call, range(2)))
    assert begun_s == ([0, 2] if kind == "async" else [0, 60])  # 30 are used: 100 do not fit in before


def test_units_that_were_needed_on_top_make_the_next_calls_wait():
    limit = RateLimit(units_per_minute=100)
    with record(clock="virtual"):
        with limit.units(10) as call:
            call.used(95)
        with limit.units(10):
            assert current_clock().now_ns() == 60 * SECOND


@given(cancelled=st.sets(st.integers(0, 9)), at_s=st.integers(0, 5))
@settings(deadline=None)
def test_what_a_cancelled_call_had_or_waited_for_is_free(cancelled, at_s):
    async def main():
        limit = RateLimit(in_flight=2, units_per_minute=60)

        async def call(x):
            async with limit.units(20):
                await asyncio.sleep(4)

        tasks = [asyncio.create_task(call(x)) for x in range(10)]
        await asyncio.sleep(at_s)
        for x in cancelled:
            tasks[x].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [task.cancelled() for task in tasks] == [x in cancelled and not (x < 2 and at_s > 4) for x in range(10)]
        assert not limit._turns._inside
        assert not limit._turns._queue
        begun = [begun_ns for begun_ns, _ in limit._turns._units[0]._begun.values()]
        assert limit._turns._units[0].used == 20 * len(begun) <= 60

    from kaygraph_viz.clock.sync import run_loop

    with record(clock="virtual"):
        run_loop(main())


def test_a_wait_says_what_it_was_for_and_the_trace_has_the_curves():
    limit = RateLimit(in_flight=2, per_minute=5)

    def call(x):
        with limit:
            sleep(1)

    with record(clock="virtual") as trace, get_executor("thread", 10) as executor:
        list(executor.imap(call, range(10)))
    waits = {span.ended_ns // SECOND: span.attributes["limit"] for span in trace.where(kind="wait")}
    assert waits == {1: "calls in flight", 2: "calls in flight", 60: "calls per minute", 61: "calls per minute",
                     62: "calls per minute"}  # fmt: skip
    flight = trace.gauges["rate limit: calls in flight"]
    assert (max(flight.used), set(flight.most), flight.used[-1]) == (2, {2}, 0)
    assert max(trace.gauges["rate limit: calls per minute"].used) == 5


# -- blocks -------------------------------------------------------------------------------------------------------


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


# -- what held up calls -------------------------------------------------------------------------------------------


def test_only_what_came_later_counts():
    obstacles = Obstacles()
    obstacles.now("a", 0)
    before = obstacles.so_far(100)
    assert obstacles.longest_since(before) == ""
    obstacles.now("b", 101)
    obstacles.now("", 110)
    assert obstacles.longest_since(before) == "b"
