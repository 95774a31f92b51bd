"""Retry policies and the checks of numbers."""

from __future__ import annotations

import pytest
import tenacity

from kaygraph_viz.errors import OptionError, ServiceUnavailable
from kaygraph_viz.execute.limits import RetryPolicy, default_workers
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.virtual.clock import VirtualClock


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
    monkeypatch.setattr("kaygraph_viz.execute.limits.usable_cores", lambda: cores)
    assert default_workers() == default_workers("thread") == default_workers("dask") == threads
    assert default_workers("process") == processes


def test_the_default_number_of_workers_in_simulated_time():
    with VirtualClock():
        assert [default_workers(kind) for kind in ("thread", "process", "dask")] == [4, 4, 4]


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


def test_jitter_adds_at_most_what_is_allowed():
    policy = RetryPolicy.exponential(start_s=1.0, jitter_s=0.5)
    assert all(1.0 <= policy.wait_s(1, ValueError()) <= 1.5 for _ in range(100))


def test_exponential_is_bounded_by_default():
    assert RetryPolicy.exponential().attempts == 3


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
