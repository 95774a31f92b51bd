"""Lesson 1: counting which check of which record was made."""

from __future__ import annotations

import pytest

from kaygraph_viz.lessons.goals import all_ok
from kaygraph_viz.lessons.parts.l01 import CheckLog, all_checks_made, open_checks
from kaygraph_viz.recording import record
from kaygraph_viz.services.datasets import load_customers
from kaygraph_viz.testing import bar, make_trace

RECORDS = [{"customer_id": "C1"}, {"customer_id": "C2"}]
RUN = make_trace(bar("a", "t-1", 0, 1))


def log_of(*made):
    """Return a log in which some checks were made: record, name."""
    log = CheckLog({"format": lambda record: [], "external": lambda record: []})
    for customer, name in made:
        log[name]({"customer_id": customer})
    return log


ALL = [("C1", "format"), ("C1", "external"), ("C2", "format"), ("C2", "external")]


def test_all_checks_made_once_meet_the_goal():
    assert all_checks_made(log_of(*ALL), RECORDS).evaluate(RUN).is_met


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (ALL[:3], "1 were not made once, the first is external of C2: 0 times"),
        ([*ALL, ALL[0]], "1 were not made once, the first is format of C1: 2 times"),
        ([], "4 were not made once, the first is format of C1: 0 times"),
    ],
)
def test_a_check_that_was_left_out_or_made_twice_does_not(made, reason):
    found = all_checks_made(log_of(*made), RECORDS).evaluate(RUN)
    assert (found.is_met, found.reason) == (False, reason)


def test_plain_functions_tell_nothing_of_what_was_made():
    assert not all_checks_made({"format": len}, RECORDS).evaluate(RUN).is_met


def test_a_check_that_fails_was_not_made():
    log = CheckLog({"format": lambda record: 1 / 0})
    with pytest.raises(ZeroDivisionError):
        log["format"](RECORDS[0])
    assert log.made.total() == 0


def test_the_service_answers_in_simulated_time_and_fails_as_often_as_is_asked():
    customers = load_customers(limit=4)
    with record(clock="virtual") as trace, open_checks(customers) as checks:
        assert [checks[name](customers[3]) for name in checks] == [[], [], [], []]
    assert list(checks) == ["security", "format", "business", "external"]
    assert not all_ok(1).evaluate(trace).is_met  # the checks themselves are not branches
    with record(clock="virtual"), open_checks(customers, failure_rate=1) as checks, pytest.raises(ConnectionError):
        checks["external"](customers[3])
