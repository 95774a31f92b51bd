"""Retry policies and the checks of numbers."""

from __future__ import annotations

import pytest
import tenacity

from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.limits import RetryPolicy, checked_workers, default_workers


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


def test_the_default_number_of_workers():
    assert checked_workers(None) == default_workers()
    assert 1 <= default_workers() <= 32
