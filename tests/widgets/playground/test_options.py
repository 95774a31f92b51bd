"""The options that are read from the signature of a run function."""

from __future__ import annotations

from typing import Literal

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.widgets.playground.options import KNOWN, call_with, options_of


def run(workers=2, *, items=8, schedule="dynamic", latency_s=1.0, clock=None, verbose=True):
    """Stand in for a function that records a run."""


def option(function, name, given=None):
    return next(option for option in options_of(function, given) if option.name == name)


def test_known_keywords_are_options_that_start_at_their_defaults():
    found = {option.name: option.value for option in options_of(run)}
    assert found == {"workers": 2, "schedule": "dynamic", "items": 8, "latency_s": 1.0, "clock": None}
    assert [*found] == ["workers", "schedule", "items", "latency_s", "clock"]


def test_keyword_of_the_readers_own_is_an_option_where_its_choices_are_known():
    def own(workers, way: Literal["gather", "semaphore"] = "semaphore", depth=1):
        """Stand in."""

    way = option(own, "way")
    assert (list(way.choices.values()), way.value, way.is_task) == (["gather", "semaphore"], "semaphore", True)
    assert [option.name for option in options_of(own)] == ["workers", "way"]
    assert option(own, "depth", {"depth": range(1, 10)}).high == 9


def test_a_range_and_choices_can_be_given():
    given = {"items": range(10, 51, 10), "schedule": ["static", "dynamic"]}
    items, schedule = option(run, "items", given), option(run, "schedule", given)
    assert (items.low, items.high, items.step, items.value) == (10, 50, 10, 10)  # 8 is no choice any more
    assert (list(schedule.choices.values()), schedule.value) == (["static", "dynamic"], "dynamic")


def test_a_default_outside_of_the_usual_range_widens_it():
    def many(workers=64):
        """Stand in."""

    assert (option(many, "workers").value, option(many, "workers").high) == (64, 64)


@pytest.mark.parametrize("values", [[], "ab", 3, None, range(0)])
def test_nothing_to_choose_from_is_a_clear_error(values):
    with pytest.raises(OptionError, match=r"controls\['items'\] must be a range or a list of choices"):
        options_of(run, {"items": values})


def test_name_that_is_no_keyword_is_a_clear_error():
    with pytest.raises(OptionError, match="controls must be a keyword of run: workers, items"):
        options_of(run, {"colour": [1, 2]})


def test_number_of_workers_is_passed_by_keyword_or_as_the_first_argument():
    settings = {"workers": 3, "items": 5}
    assert call_with(lambda workers, items: (workers, items), settings) == (3, 5)
    assert call_with(lambda count, items: (count, items), settings) == (3, 5)
    assert call_with(lambda count, **others: (count, others), settings) == (3, {"items": 5})


def test_function_without_a_readable_signature_has_the_number_of_workers():
    assert [option.name for option in options_of(dict.fromkeys)] == ["workers"]


@pytest.mark.parametrize(
    ("name", "value", "is_allowed"),
    [
        ("items", 1, True), ("items", 201, False), ("items", 1.0, False), ("items", True, False),
        ("latency_s", 0.25, True), ("latency_s", 0, True), ("latency_s", float("nan"), False),
        ("clock", None, True), ("clock", "real", False),
    ],
)  # fmt: skip
def test_values_outside_of_the_range_or_choices_are_not_allowed(name, value, is_allowed):
    assert KNOWN[name].allows(value) is is_allowed


def test_values_are_named_where_they_would_not_be_understood_alone():
    assert KNOWN["items"].named(16) == "items 16"
    assert KNOWN["latency_s"].named(0.5) == "latency 0.5 s"
    assert KNOWN["schedule"].named("static") == "static"


def test_a_default_that_is_no_choice_becomes_one():
    def own(workers, executor="fiber", schedule=None):
        """Stand in."""

    assert list(option(own, "executor").choices) == ["fiber", "thread", "process", "async", "serial"]
    assert option(own, "schedule").choices["default"] is None
    assert [*option(run, "schedule").choices] == ["dynamic", "static", "longest-first"]


def test_an_argument_that_can_only_be_given_by_name_is_not_the_number_of_workers():
    def own(*, executor="thread"):
        """Stand in."""

    assert [each.name for each in options_of(own)] == ["workers", "executor"]
    assert [each.name for each in options_of(lambda executor="thread": executor)] == ["workers"]


def test_choices_of_an_annotation_have_the_words_that_are_known_for_them():
    def own(workers, clock: Literal["virtual"] = "virtual", executor: Literal["process", "fiber"] = "fiber"):
        """Stand in."""

    assert option(own, "clock").choices == {"simulated": "virtual"}
    assert option(own, "executor").choices == {"process": "process", "fiber": "fiber"}


def test_given_choices_start_at_the_default_where_it_is_among_them_and_else_at_the_first():
    assert option(run, "schedule", {"schedule": ["static", "dynamic"]}).value == "dynamic"
    assert option(run, "schedule", {"schedule": ["static", "longest-first"]}).value == "static"
    assert option(run, "verbose", {"verbose": [False, True]}).value is True
    assert option(run, "schedule", {"schedule": ["static"]}).label == KNOWN["schedule"].label
