"""How many calls may be in flight: the number that adapts, by itself and with a simulated service."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import kaygraph_viz as kv
from kaygraph_viz.base.errors import OptionError, ServiceUnavailable
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.services.text_service import TextService, TextSettings
from kaygraph_viz.execute.rates.in_flight import AdaptiveBound, AdaptiveLimit, bound_of


def well(bound, times, began=1, ended=2, is_full=True):
    for _ in range(times):
        bound.went_well(began, ended, is_full=is_full)


def test_it_grows_by_one_for_each_call_until_the_first_refusal_and_then_by_one_a_round():
    bound = AdaptiveBound(AdaptiveLimit(start=4, decrease=0.5))
    well(bound, 4)
    assert bound.most == 8
    bound.refused(3, 5)
    assert bound.most == 4
    well(bound, 4, began=6)
    assert bound.most == 4
    well(bound, 1, began=6)
    assert bound.most == 5


def test_it_does_not_grow_while_it_is_not_in_full_use():
    bound = AdaptiveBound(AdaptiveLimit(start=4))
    well(bound, 50, is_full=False)
    assert bound.most == 4


def test_refusals_of_calls_that_were_in_flight_together_count_once():
    bound = AdaptiveBound(AdaptiveLimit(start=10))
    for began in (1, 2, 3):
        bound.refused(began, 10 + began)
    assert bound.most == 8
    bound.refused(12, 20)
    assert bound.most == 6


def test_it_stays_within_its_bounds():
    bound = AdaptiveBound(AdaptiveLimit(start=4, lowest=3, highest=6))
    well(bound, 50)
    assert bound.most == 6
    for began in range(10, 100, 10):
        bound.refused(began, began + 1)
    assert bound.most == 3


def test_calls_that_have_become_slow_count_as_a_refusal_where_that_was_asked_for():
    bound = AdaptiveBound(AdaptiveLimit(start=10, slow=2))
    well(bound, 5, began=0, ended=100, is_full=False)
    well(bound, 5, began=200, ended=500, is_full=False)
    assert bound.most == 8
    well(bound, 5, began=300, ended=900, is_full=False)  # they were in flight at the same time
    assert bound.most == 8
    blind = AdaptiveBound(AdaptiveLimit(start=10))
    well(blind, 5, began=0, ended=100, is_full=False)
    well(blind, 5, began=200, ended=900, is_full=False)
    assert blind.most == 10


def test_with_another_clock_times_begin_anew():
    bound = AdaptiveBound(AdaptiveLimit(start=10))
    bound.refused(1_000, 2_000)
    bound.restart()
    bound.refused(5, 6)
    assert bound.most == 6


@pytest.mark.parametrize("wrong", ["often", 0, 1.5, True, [3]])
def test_what_a_user_may_not_ask_for(wrong):
    with pytest.raises(OptionError):
        bound_of(wrong)


@pytest.mark.parametrize(
    "options",
    [{"start": 0}, {"lowest": 5}, {"highest": 3}, {"decrease": 1}, {"decrease": 0}, {"slow": 1}, {"slow": "much"}],
    ids=str,
)
def test_impossible_rules(options):
    with pytest.raises(OptionError):
        AdaptiveLimit(**options)


# -- with a service that allows so many ---------------------------------------------------------------------------


SECOND = 10**9


def bound_over_time(at_once, limit, calls, kind="async", seed=0):
    """Call a service that works on so many calls at once; return the trace and the service."""
    service = TextService(TextSettings(seed=seed, at_once=at_once, first_token_s=0.5, answer_tokens=50, token_s=0.01))

    def asked(number):
        return service.reply("POST", "/write", "", current_clock().now_ns(), b'{"prompt": "call %d"}' % number)

    def told(reply):
        if reply.status != 200:
            raise ServiceUnavailable("text", "too many", reply.status, reply.content["retry_after_s"])

    def call(number):
        with limit:
            reply = asked(number)
            kv.sleep(reply.latency_s)
            told(reply)

    async def call_async(number):
        async with limit:
            reply = asked(number)
            await kv.sleep_async(reply.latency_s)
            told(reply)

    retry = kv.RetryPolicy(50)
    with kv.record(clock="virtual") as trace, kv.get_executor(kind, 100) as executor:
        list(executor.imap(call_async if kind == "async" else call, range(calls), retry=retry))
    return trace, service


def mean_bound(trace, from_s, to_s):
    """Return the mean of the number over a stretch of time."""
    gauge = trace.gauges["rate limit: calls in flight"]
    times = np.array(gauge.times_ns)
    moments = np.linspace(from_s, to_s, 400) * SECOND
    return float(np.array(gauge.most)[np.searchsorted(times, moments, side="right") - 1].mean())


@given(at_once=st.integers(2, 25), start=st.integers(1, 60), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=5)
def test_it_finds_what_the_service_allows(at_once, start, seed):
    limit = kv.RateLimit(in_flight=kv.AdaptiveLimit(start=start))
    trace, service = bound_over_time(at_once, limit, 15 * at_once, seed=seed)
    end_s = trace.makespan_s
    assert mean_bound(trace, 0.5 * end_s, 0.9 * end_s) == pytest.approx(at_once, rel=0.2)
    assert not limit._turns._inside
    refused = sum(each.status == 429 for each in service.usage)
    assert refused < len(service.usage) / at_once + 10 + start  # a few at each peak, and too many at the start


@pytest.mark.parametrize(("kind", "before", "after"), [("async", 24, 8), ("thread", 8, 20)])
def test_it_follows_a_step(kind, before, after):
    trace, _ = bound_over_time(((0, before), (30, after)), kv.RateLimit(in_flight="adaptive"), 1_000, kind)
    assert mean_bound(trace, 15, 30) == pytest.approx(before, rel=0.2)
    assert mean_bound(trace, 48, 60) == pytest.approx(after, rel=0.2)


def test_a_service_that_becomes_slow_is_noticed_where_that_was_asked_for():
    at_once = []
    limit = kv.RateLimit(in_flight=kv.AdaptiveLimit(slow=1.5))

    def call(_):
        with limit:
            at_once.append(1)
            kv.sleep(0.1 * max(1, len(at_once) / 10))  # ten fit in, more of them share
            at_once.pop()

    with kv.record(clock="virtual") as trace, kv.get_executor("thread", 60) as executor:
        list(executor.imap(call, range(1_500)))
    assert mean_bound(trace, 0.5 * trace.makespan_s, trace.makespan_s) == pytest.approx(14, rel=0.25)


def test_the_call_that_ends_is_the_one_of_its_own_thread():
    """A bare block does not name its call: the times of another one would count."""
    limit = kv.RateLimit(in_flight=kv.AdaptiveLimit(start=2, slow=1.5))

    def call(seconds):
        with limit:
            kv.sleep(seconds)

    with kv.record(clock="virtual"), kv.get_executor("thread", 2) as executor:
        list(executor.imap(call, [10.0, 1.0, 1.0, 1.0]))
    assert limit._turns._bound._fastest_ns == SECOND
