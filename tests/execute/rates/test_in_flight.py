"""How many calls may be in flight: the number that adapts, by itself; with a service: ``test_adaptive_limit``."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import OptionError
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
