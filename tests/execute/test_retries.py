"""Trying again: attempts, policies, what a service asks for, and errors as a node may raise them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import httpx2
import pytest
import tenacity

from kaygraph_viz.base.errors import BranchError, OptionError, ServiceUnavailable
from kaygraph_viz.clock.clock import sleep_async, use_clock
from kaygraph_viz.execute.base import default_workers
from kaygraph_viz.execute.coroutines.loops import run
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.execute.retries import (
    Attempts,
    RetryPolicy,
    asked_s,
    attempt_number,
    first_attempt,
    is_refusal,
)
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import span


def where(index):
    return f"item {index}"


def test_attempts_count_from_one_and_the_number_around_comes_back():
    seen = []

    def fail(_):
        seen.append(attempt_number())
        raise ValueError("bad")

    with first_attempt():
        Attempts(fail, RetryPolicy(3), None, where).run(None, 0)
        with first_attempt():
            seen.append(attempt_number())
        seen.append(attempt_number())
    seen.append(attempt_number())
    assert seen == [1, 2, 3, 1, 3, 1]


def test_an_interrupt_is_neither_tried_again_nor_given_to_the_fallback():
    def interrupt(_):
        raise KeyboardInterrupt

    def fallback(item, error):
        raise AssertionError("was called")

    _, error, attempts = Attempts(interrupt, RetryPolicy(3), fallback, where).run(None, 0)
    assert (type(error), attempts) == (KeyboardInterrupt, 1)


def test_an_interrupt_between_two_attempts_leaves_a_valid_trace():
    class Interrupted(FakeClock):
        def sleep(self, seconds):
            raise KeyboardInterrupt

    def fail(_):
        raise ValueError("bad")

    with pytest.raises(KeyboardInterrupt), record(clock=Interrupted()) as trace, get_executor("serial") as executor:
        list(executor.imap(fail, [1], retry=RetryPolicy(3, wait=1)))
    assert [(s.kind, s.status) for s in trace] == [("branch", "cancelled"), ("attempt", "error")]


def test_a_coroutine_that_is_cancelled_while_it_waits_ends_its_wait_at_once():
    async def fail(_):
        raise ValueError("bad")

    async def cancel_while_it_waits():
        with span("branch"):
            waiting = asyncio.ensure_future(Attempts(fail, RetryPolicy(2, wait=9), None, where).run_async(None, 0))
            await sleep_async(1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError) as kept:
                await waiting
        await sleep_async(1)
        return kept  # it refers to the frames that waited, which therefore last

    with record(clock="virtual") as trace:
        run(cancel_while_it_waits())
    waits = [(each.started_ns / 1e9, each.service_s) for each in trace if each.kind == "wait"]
    assert (waits, trace.validate()) == ([(0.0, 1.0)], trace)


def test_stamps_of_branches_and_spans_come_from_one_clock():
    """Another clock may be put in force inside a recording: its times belong to another axis."""
    with record() as trace, use_clock(FakeClock(start_s=1e6)), get_executor("serial") as executor:
        list(executor.imap(str, [1]))
    assert trace.makespan_s < 1000


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
def test_what_ends_loops_can_be_tried_again_by_its_own_name(kind):
    calls = []

    def fail(_):
        calls.append(1)
        raise kind

    for retry_on in ((kind,), (Exception,), (ValueError,)):
        value, error, attempts = Attempts(fail, RetryPolicy(3, retry_on=retry_on), None, where).run(0, 0)
        assert (value, type(error), attempts) == (None, BranchError, 1 if retry_on == (ValueError,) else 3)
        assert type(error.__cause__) is kind
    assert len(calls) == 7


# -- policies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0}, {"attempts": -1}, {"attempts": True}, {"attempts": 1.5}, {"wait": -1}, {"wait": float("nan")},
        {"wait": float("inf")}, {"wait": "1"}, {"wait": 10**400}, {"retry_on": (int,)},
        {"retry_on": (KeyboardInterrupt,)}, {"retry_on": ("ValueError",)},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_policies_are_refused_when_made(options):
    (name,) = options
    with pytest.raises(OptionError, match=name):
        RetryPolicy(**options)


def test_one_class_stands_for_a_tuple_of_it():
    assert RetryPolicy(retry_on=KeyError).retry_on == (KeyError,)


def test_a_policy_applies_until_its_attempts_are_used_up_and_to_its_errors():
    policy = RetryPolicy(3, retry_on=(KeyError,))
    assert [policy.applies(attempt, KeyError()) for attempt in (1, 2, 3)] == [True, True, False]
    assert not policy.applies(1, ValueError())


def test_waiting_rules_of_tenacity():
    policy = RetryPolicy(wait=tenacity.wait_exponential(multiplier=1, max=5))
    assert [policy.wait_s(attempt, ValueError()) for attempt in (1, 2, 3, 4)] == [1, 2, 4, 5]


def test_a_waiting_rule_sees_the_error():
    policy = RetryPolicy(wait=lambda state: 7.0 if isinstance(state.outcome.exception(), KeyError) else 0.0)
    assert (policy.wait_s(1, KeyError()), policy.wait_s(1, ValueError())) == (7, 0)


@pytest.mark.parametrize(("cores", "threads", "processes"), [(1, 5, 1), (4, 8, 4), (64, 32, 64)])
def test_the_default_number_of_workers(cores, threads, processes, monkeypatch):
    monkeypatch.setattr("kaygraph_viz.execute.base.usable_cores", lambda: cores)
    assert default_workers() == default_workers("thread") == default_workers("dask") == threads
    assert default_workers("process") == processes


# -- growing waits, and what a service asks for --------------------------------------------------------------------


class Busy(Exception):
    def __init__(self, retry_after_s):
        super().__init__("busy")
        self.retry_after_s = retry_after_s


def test_exponential_waits_double_up_to_the_longest():
    policy = RetryPolicy.exponential(5, start_s=0.5, max_s=3.0, jitter_s=0)
    assert [policy.wait_s(attempt, ValueError()) for attempt in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 3.0]


def test_jitter_is_added_to_a_wait_that_a_service_asks_for():
    policy = RetryPolicy.exponential(start_s=0.5, jitter_s=2)
    waits = [policy.wait_s(1, ServiceUnavailable("geo", "too many", 429, 30)) for _ in range(200)]
    assert 30 <= min(waits) < 30.5 < 31.5 < max(waits) <= 32


@pytest.mark.parametrize("wrong", [{"start_s": -1}, {"max_s": float("nan")}, {"jitter_s": "x"}, {"attempts": 0}])
def test_exponential_checks_its_numbers(wrong):
    with pytest.raises(OptionError):
        RetryPolicy.exponential(**wrong)


@pytest.mark.parametrize(
    ("asked", "wait_s"),
    [
        (2.0, 2.0), (0.01, 0.1), (None, 0.1), (float("inf"), 0.1), ("1", 0.1), (1e300, 0.1), (10**400, 0.1),
        (True, 0.1), (-5, 0.1),
    ],
)  # fmt: skip
def test_a_service_that_asks_for_time_gets_it(asked, wait_s):
    assert RetryPolicy(3, 0.1).wait_s(1, Busy(asked)) == wait_s


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), 1e300])
@pytest.mark.parametrize("kind", ["serial", "thread", "async"])
def test_a_rule_of_waits_that_makes_no_sense_is_the_error_of_its_branch(kind, strange):
    with get_executor(kind) as executor:
        (outcome,) = executor.imap(int, ["x"], retry=RetryPolicy(2, lambda _: strange), on_error="collect")
    assert type(outcome.error) is OptionError
    assert outcome.attempts == 1


def test_a_rule_of_waits_may_fall_below_zero():
    assert RetryPolicy(2, lambda _: -0.1).wait_s(1, ValueError()) == 0


# -- what errors say about a service that is asked too often ---------------------------------------------------------


def http_error(status, **headers):
    request = httpx2.Request("GET", "http://127.0.0.1/")
    response = httpx2.Response(status, headers=headers, request=request)
    return httpx2.HTTPStatusError("refused", request=request, response=response)


@pytest.mark.parametrize(
    ("error", "seconds", "refused"),
    [
        (None, 0, False),
        (ValueError("no answer"), 0, False),
        (ServiceUnavailable("geo", "down", 503), 0, False),
        (ServiceUnavailable("geo", "down", 503, 2.5), 2.5, True),
        (ServiceUnavailable("geo", "too many", 429), 0, True),
        (http_error(429), 0, True),
        (http_error(429, **{"Retry-After": "7"}), 7, True),
        (http_error(429, **{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), 0, True),
        (http_error(500), 0, False),
    ],
)
def test_what_an_error_says(error, seconds, refused):
    assert (asked_s(error), is_refusal(error)) == (seconds, refused)


def test_an_interrupt_while_an_attribute_is_read_goes_on():
    class Interrupting(Exception):
        @property
        def retry_after_s(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asked_s(Interrupting())


def test_strange_attributes_say_nothing():
    error = ValueError()
    error.response = SimpleNamespace(headers=5, status_code=object())
    assert (asked_s(error), is_refusal(error)) == (0, False)
