"""Stages: their options, and the facts about them after a run."""

from __future__ import annotations

import pickle

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.execute.pipeline.stages import DeadLetter, Stage, StageFacts, checked_stages
from kaygraph_viz.execute.retries import RetryPolicy


async def coroutine(item):
    return item


@pytest.mark.parametrize("size", [0, -1, 1_000_001, 2.5, True, "8", None, float("nan")])
def test_a_queue_has_a_sensible_number_of_places(size):
    with pytest.raises(OptionError, match="buffer must be a whole number from 1 to 1000000"):
        Stage("parse", int, buffer=size)


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_one_place_is_enough_and_a_million_are_allowed(size):
    assert Stage("parse", int, buffer=size).buffer == size


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": ""}, "name must be a text"),
        ({"name": 7}, "name must be a text"),
        ({"fn": 7}, "fn must be a function"),
        ({"workers": 0}, "workers must be a whole number"),
        ({"workers": None}, "workers must be a whole number"),
        ({"workers": 5000}, "workers must be a whole number from 1 to 4096"),
        ({"timeout": -1}, "timeout must be a number of seconds"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"timeout": float("nan")}, "timeout must be a number of seconds"),
        ({"executor": "fork"}, "executor must be one of 'thread', 'process', 'async', 'serial'"),
        ({"executor": ["thread"]}, "executor must be one of"),
        ({"fn": coroutine}, "executor must be 'async' for a coroutine function"),
        ({"retry": 3}, "retry must be a RetryPolicy"),
    ],
)
def test_options_out_of_their_range_are_refused_by_name(options, told):
    with pytest.raises(OptionError, match=told):
        Stage(**{"name": "parse", "fn": int} | options)


def test_coroutines_may_be_many():
    assert Stage("ask", coroutine, workers=100_000, executor="async").workers == 100_000


def test_a_serial_stage_has_one_item_in_hand():
    assert Stage("parse", int, workers=8, executor="serial").workers == 1


def test_a_stage_can_be_tried_again():
    assert Stage("parse", int, retry=RetryPolicy(3)).retry == RetryPolicy(3)


@pytest.mark.parametrize(
    "stages",
    [[], None, int, [int], "ab", [Stage("a", int), None], [Stage("a", int), Stage("a", str)], [Stage("source", int)]],
)
def test_stages_are_a_list_of_stages_with_different_names(stages):
    with pytest.raises(OptionError, match="stages must be"):
        checked_stages(stages)


def test_a_dead_letter_is_an_outcome_that_knows_its_stage_and_item():
    letter = DeadLetter(3, error=ValueError("bad"), status="error", attempts=2, stage="parse", item="x")
    again = pickle.loads(pickle.dumps(letter))
    assert (again.index, again.stage, again.item, again.attempts, again.ok) == (3, "parse", "x", 2, False)
    assert repr(again) == "DeadLetter(3, 'parse', ValueError: bad)"
    with pytest.raises(ValueError, match="bad"):
        again.unwrap()


def test_shares_add_up_to_one():
    facts = StageFacts("parse", 2, 10, 2, busy_s=4.0, blocked_s=3.0, makespan_s=5.0)
    assert facts.busy + facts.blocked + facts.starved == pytest.approx(1)
    assert (facts.busy, facts.blocked, facts.parallelism) == (0.4, 0.3, 0.8)
    assert (facts.throughput_per_s, facts.capacity_per_s) == (2.0, 6.0)


def test_a_run_that_took_no_time_has_no_shares():
    facts = StageFacts("parse", 2, 0, 0, busy_s=0.0, blocked_s=0.0, makespan_s=0.0)
    assert (facts.busy, facts.blocked, facts.starved, facts.throughput_per_s) == (0, 0, 1, 0)
    assert facts.capacity_per_s == float("inf")
