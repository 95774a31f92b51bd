"""Errors: messages from fields, the builtin they inherit, pickling, and notes."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import dataclass

import pytest

from kaygraph_viz.base import errors
from kaygraph_viz.base.checks import (
    checked_flag,
    checked_function,
    checked_number,
    checked_seconds,
    checked_whole,
    checked_word,
    checked_workers,
)
from kaygraph_viz.base.errors import OptionError, add_note_once, short

MADE = [
    errors.KayGraphVizError("message"),
    errors.OptionError("workers", 0, "a whole number", "workers=4"),
    errors.TraceError("message", violations=("a", "b")),
    errors.TraceFormatError("message"),
    errors.GraphError("message"),
    errors.WiringError("message"),
    errors.StepLimitExceeded("message"),
    errors.NodeError("message"),
    errors.BranchError("message"),
    errors.DeadlineExceeded("item 3 of 'Check'", 2.0),
    errors.OutputExistsError("chart.svg"),
    errors.MissingDependencyError("dask", "dask"),
    errors.PlatformError("threads need an installed Python"),
    errors.ServiceError("message"),
    errors.DataError("message"),
    errors.ServiceUnavailable("http://127.0.0.1/", "it answered 429", 429, 1.0),
    errors.RateLimitError("message"),
    errors.WorkerLostError(4711, -9, "item 3 of 'Check'"),
    errors.WorkerStartError(7, 3),
    errors.RemoteWorkerLostError("item 3 of 'Check'", "tcp://127.0.0.1:1", 4711, 2),
    errors.SchedulerLostError("tcp://127.0.0.1:1"),
    errors.SharedConflictError("total", 4, 9),
    errors.CallCancelled("message"),
    errors.VirtualClockError("message"),
    errors.DeadlockError([], [errors.Wait("the main program", "a.py:3 in f", "", "an event")]),
    errors.RealWaitError("message"),
]
CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.KayGraphVizError)]


def test_every_error_class_is_tried_here():
    assert {type(error) for error in MADE} == set(CLASSES)


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_survives_pickling_with_message_fields_and_notes(error):
    error = copy.copy(error)
    error.add_note("in item 3")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (errors.OptionError, ValueError),
        (errors.TraceFormatError, ValueError),
        (errors.GraphError, ValueError),
        (errors.WiringError, TypeError),
        (errors.StepLimitExceeded, RuntimeError),
        (errors.BranchError, RuntimeError),
        (errors.DeadlineExceeded, TimeoutError),
        (errors.MissingDependencyError, ImportError),
        (errors.PlatformError, RuntimeError),
        (errors.ServiceUnavailable, ConnectionError),
    ],
)
def test_is_caught_by_the_builtin(cls, builtin):
    assert issubclass(cls, builtin)


def test_a_note_is_added_once():
    error = ValueError("bad")
    add_note_once(error, "in item 3")
    add_note_once(error, "in item 3")
    assert error.__notes__ == ["in item 3"]


def test_an_error_that_takes_no_notes_stays_as_it_is():
    @dataclass(frozen=True)
    class FrozenError(Exception):
        code: int

    error = FrozenError(7)
    add_note_once(error, "in item 3")
    assert error.code == 7


@pytest.mark.parametrize("base", [Exception, RecursionError])
def test_short_survives_a_repr_that_raises(base):
    class Rude:
        def __repr__(self):
            raise base("no")

    assert short(Rude()) == "<Rude>"


def test_short_cuts():
    assert len(short("x" * 10_000)) == 80


# -- checks --------------------------------------------------------------------------------------------------------


NO_NUMBERS = [True, None, "4", [4], 4j, float("nan"), float("inf"), -float("inf")]


@pytest.mark.parametrize("value", [*NO_NUMBERS, 2.0, 0, 5])
def test_what_is_no_whole_number_of_the_range_is_refused(value):
    with pytest.raises(OptionError, match=r"^runs must be a whole number from 1 to 4, got .*\. For example: runs=2$"):
        checked_whole("runs", value, 1, 4, "runs=2")


def test_both_bounds_of_a_range_belong_to_it():
    assert [checked_whole("runs", value, 1, 4) for value in (1, 4)] == [1, 4]
    assert [checked_number("share", value, 0, 1) for value in (0, 1)] == [0.0, 1.0]


def test_a_whole_number_without_an_upper_bound_may_be_of_any_size():
    assert checked_whole("max_spans", 10**400, 1) == 10**400
    with pytest.raises(OptionError, match="max_spans must be a whole number, 1 or more, got 0"):
        checked_whole("max_spans", 0, 1)


def test_no_number_of_workers_stands_for_the_default():
    assert checked_workers(None) is None
    assert checked_workers(4096) == 4096


def test_the_example_of_a_number_of_workers_is_within_its_bound():
    with pytest.raises(
        OptionError, match=r"workers must be a whole number from 1 to 2, got 3\. For example: workers=2"
    ):
        checked_workers(3, "workers", limit=2)


@pytest.mark.parametrize("value", [*NO_NUMBERS, -0.1, 10**400])
def test_what_is_no_finite_number_is_refused_even_without_an_upper_bound(value):
    with pytest.raises(OptionError, match=r"^end_s must be a number, 0 or more, got"):
        checked_number("end_s", value)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"low": 0, "high": 1}, "a share from 0 to 1"),
        ({"low": 0.0005, "high": 1.0}, "a share from 0.0005 to 1"),
        ({"low": 1e-6, "high": 1e9}, "a share from 1e-06 to 1e9"),
        ({"low": 2}, "a share, 2 or more"),
        ({"above": True}, "a share above 0"),
        ({"high": 1e9, "above": True}, "a share above 0, at most 1e9"),
    ],
)
def test_a_range_is_said_in_words(bounds, expected):
    with pytest.raises(OptionError) as caught:
        checked_number("share", -1, what="a share", **bounds)
    assert caught.value.expected == expected


def test_a_lower_bound_that_is_excluded_is_refused_and_what_follows_is_not():
    with pytest.raises(OptionError, match="dpi must be a number above 0"):
        checked_number("dpi", 0, above=True)
    assert checked_number("dpi", 1e-300, above=True) == 1e-300


def test_numbers_come_back_as_floats():
    assert isinstance(checked_number("wait", 2), float)


def test_no_duration_is_longer_than_what_the_system_can_wait():
    assert checked_seconds("timeout", 1e9) == 1e9
    with pytest.raises(OptionError, match="timeout must be a number of seconds from 0 to 1e9, got 1000000001"):
        checked_seconds("timeout", 1_000_000_001)


@pytest.mark.parametrize("value", ["sideways", ["name"], None, 3])
def test_a_word_that_is_not_known_is_refused_with_those_that_are(value):
    with pytest.raises(
        OptionError, match=r"by must be one of 'name', 'span', 'kind', got .*\. For example: by=\"kind\""
    ):
        checked_word("by", value, ("name", "span", "kind"))


def test_two_known_words_are_joined_by_or():
    with pytest.raises(OptionError, match="on_error must be 'raise' or 'collect', got 'ignore'"):
        checked_word("on_error", "ignore", ("raise", "collect"))


def test_a_known_word_may_be_a_key_of_a_mapping():
    assert checked_word("format", "dot", {"dot": 1, "mermaid": 2}) == "dot"


@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_only_true_and_false_are_flags(value):
    assert checked_flag("memory", False) is False
    with pytest.raises(OptionError, match=r"memory must be True or False, got .*\. For example: memory=True"):
        checked_flag("memory", value)


def test_a_flag_may_be_left_open_where_none_is_allowed():
    assert checked_flag("gil", None, or_none=True) is None
    with pytest.raises(OptionError, match="gil must be True, False or None, got 0"):
        checked_flag("gil", 0, or_none=True)


def test_what_cannot_be_called_is_no_function():
    assert checked_function("fn", str.upper, "a function") is str.upper
    with pytest.raises(OptionError, match=r"fn must be a function of one item, got 'upper'\. For example: fn=len"):
        checked_function("fn", "upper", "a function of one item", "fn=len")
