"""Sources, questions to them, results, and when there is another attempt."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from pydantic import BaseModel

from kaygraph_viz.clock import use_clock
from kaygraph_viz.errors import DeadlineExceeded, OptionError, ServiceUnavailable, WorkerLostError
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.limits import RetryPolicy
from kaygraph_viz.patterns.sources import NoAnswer, Question, Source, SourceResult, retry_in_time, wait_for_service
from kaygraph_viz.testing import FakeClock


class Answer(BaseModel):
    number: int


SOURCE = Source("numbers", "http://127.0.0.1:1/numbers", ("city", "country"), Answer)
RECORD = {"city": "Lyon", "country": "FR", "name": "Ann"}


def question(record=RECORD, end_s=1.0):
    return Question(SOURCE, record, round(end_s * 1e9))


# -- sources and questions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", 7), ("url", "127.0.0.1"), ("url", None), ("fields", ()), ("fields", "city"),
        ("answer", dict), ("answer", Answer(number=1)), ("deadline_s", 0), ("deadline_s", float("nan")),
        ("deadline_s", True), ("deadline_s", "1"), ("limit", 5),
    ],
)  # fmt: skip
def test_source_that_cannot_be_asked_is_refused(field, value):
    with pytest.raises(OptionError, match=f"^{field} must be"):
        replace(SOURCE, **{field: value})


@pytest.mark.parametrize("value", ["", "   ", None, 7, "a\0b", "x" * 256, "\ud800"])
def test_field_that_is_missing_or_too_broken_is_named(value):
    assert question(RECORD | {"city": value}).missing == ["city"]


@pytest.mark.parametrize("record", [None, "Lyon", ["Lyon", "FR"], 7])
def test_record_that_is_no_mapping_lacks_every_field(record):
    assert question(record).missing == ["city", "country"]


def test_time_that_is_left_ends_at_the_deadline():
    with use_clock(FakeClock(0.25)) as clock:
        assert question().left_s() == 0.75
        clock.advance(0.75)
        with pytest.raises(NoAnswer, match="before the deadline"):
            question().left_s()


# -- results ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        (Outcome(0, error=NoAnswer("refused", question(), "nobody there"), status="error"), "refused", "nobody there"),
        (Outcome(0, error=DeadlineExceeded("it", 1.0), status="timeout"), "timeout", "no complete answer"),
        (Outcome(0, error=WorkerLostError(7, -9, "it"), status="lost"), "unavailable", "WorkerLostError: worker"),
        (Outcome(0, error=ZeroDivisionError("oops"), status="error"), "unavailable", "ZeroDivisionError: oops"),
        (Outcome(0, status="skipped"), "unavailable", "skipped"),
    ],
)  # fmt: skip
def test_every_way_to_fail_is_a_status_with_a_reason(outcome, status, error):
    result = SourceResult.of("numbers", outcome)
    assert (result.source, result.status, result.value) == ("numbers", status, None)
    assert result.error.startswith(error)
    assert not result.answered


def test_answer_takes_over_attempts_and_time_of_its_branch():
    outcome = Outcome(0, SourceResult("numbers", "ok", Answer(number=3)), attempts=2, started_ns=5, ended_ns=10**9 + 5)
    result = SourceResult.of("numbers", outcome)
    assert (result.status, result.value, result.attempts, result.service_s) == ("ok", Answer(number=3), 2, 1.0)


def test_error_survives_pickling_with_its_facts():
    error = pickle.loads(pickle.dumps(NoAnswer("rate limited", question(), "it answered 429", 429, 2.0)))
    assert (error.outcome, error.reason, error.status, error.retry_after_s) == (
        "rate limited",
        "it answered 429",
        429,
        2.0,
    )
    assert error.until_ns == 1_000_000_000


# -- trying again -------------------------------------------------------------------------------------------------


def test_only_missing_answers_are_tried_again():
    policy = retry_in_time(attempts=2)
    assert policy.applies(1, NoAnswer("unavailable", question(), "it answered 503", 503))
    assert not policy.applies(2, NoAnswer("unavailable", question(), "it answered 503", 503))
    assert not policy.applies(1, ZeroDivisionError())


@pytest.mark.parametrize(("retry_after_s", "wait_s"), [(None, 0.05), (0.9, 0.9)])
def test_wait_that_fits_in_before_the_deadline_is_made(retry_after_s, wait_s):
    error = NoAnswer("unavailable", question(), "it answered 503", 503, retry_after_s)
    with use_clock(FakeClock()):
        assert retry_in_time().wait_s(1, error) == wait_s


@pytest.mark.parametrize(("now_s", "retry_after_s"), [(0.96, None), (0.0, 1.0), (0.2, 0.9)])
def test_wait_that_would_last_past_the_deadline_ends_the_attempts(now_s, retry_after_s):
    error = NoAnswer("rate limited", question(), "it answered 429", 429, retry_after_s)
    with use_clock(FakeClock(now_s)), pytest.raises(NoAnswer) as caught:
        retry_in_time().wait_s(1, error)
    assert caught.value is error


@pytest.mark.parametrize(
    ("attempt", "retry_after_s", "wait_s"),
    [(1, None, 0.05), (2, None, 0.1), (3, None, 0.2), (20, None, 5.0), (1, 1.5, 1.5), (3, 0.0, 0.0)],
)
def test_wait_is_what_the_service_asks_for_or_grows_up_to_five_seconds(attempt, retry_after_s, wait_s):
    error = ServiceUnavailable("http://service.example.com", "it answered 429", 429, retry_after_s)
    assert RetryPolicy(99, wait_for_service).wait_s(attempt, error) == pytest.approx(wait_s)


def test_service_that_asks_for_an_hour_is_given_up_rather_than_asked_too_early():
    error = ServiceUnavailable("http://service.example.com", "it answered 429", 429, 3600.0)
    with pytest.raises(ServiceUnavailable, match="3600"):
        RetryPolicy(99, wait_for_service).wait_s(1, error)
