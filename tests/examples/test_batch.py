"""Batch processing as an example."""

from __future__ import annotations

import pytest

from kaygraph_viz.course.examples.batch import SCHEDULES, run
from kaygraph_viz.course.examples.example import Setup

RESULTS = ("priced", "net", "tax", "gross", "planted faults found", "good orders refused")


@pytest.fixture(scope="module")
def found():
    return run(Setup(clock="virtual"))


def results(run):
    return [fact for fact in run.facts if fact.label in RESULTS]


def test_schedules_come_from_the_least_to_the_most_even(found):
    static, dynamic, longest_first = (found.traces[name].makespan_s for name in SCHEDULES)
    assert longest_first < dynamic < static < found.traces["serial"].makespan_s
    assert found.compared == SCHEDULES


def test_results_agree_with_the_answer_key(found):
    by_label = {fact.label: fact for fact in results(found)}
    assert (by_label["gross"].value, by_label["priced"].value) == ("88,010.35", "63")
    assert (by_label["planted faults found"].value, by_label["good orders refused"].value) == ("1", "0")


def test_broken_order_is_named_with_its_reason(found):
    assert found.notes[0].startswith("N05947 was not priced: ")
    assert found.measured.failed == 1
