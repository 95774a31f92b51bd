"""Sources: requests in threads and as coroutines, every kind of failure, limits, and strict answers."""

from __future__ import annotations

import asyncio
import gzip
import json
import pickle
import socket
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import httpx2
import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from kaygraph_viz.base.errors import DeadlineExceeded, OptionError, ServiceError, ServiceUnavailable, WorkerLostError
from kaygraph_viz.clock.clock import current_clock, use_clock
from kaygraph_viz.course.patterns import client as module
from kaygraph_viz.course.patterns.client import ClientOwner, retry_after_s
from kaygraph_viz.course.patterns.sources import (
    AGREEMENTS,
    CompanyAnswer,
    LocationAnswer,
    NoAnswer,
    ProfileAnswer,
    Question,
    SocialAnswer,
    Source,
    SourceResult,
    Sources,
    customer_sources,
    read_answer,
    retry_in_time,
    wait_for_service,
)
from kaygraph_viz.course.services.endpoints import ServiceSettings, company, location, profile
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.rates.rate_limit import RateLimit
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock

# == source client ==================================================================================================


GUARD_S = 30.0  # against a test that hangs; never waited for
RECORD = {"customer_id": "C00003"}


class Followers(BaseModel):
    model_config = ConfigDict(strict=True)

    followers: int


def social(base_url, **options):
    return Sources([Source("social", f"{base_url}/social", ("customer_id",), Followers, GUARD_S, **options)])


def asked(sources, how, *, within_s=GUARD_S, record=RECORD):
    """Ask the only source of some sources once, in this thread or as a coroutine."""
    (source,) = sources
    question = Question(source, record, current_clock().now_ns() + round(within_s * 1e9))
    if how == "thread":
        return sources.ask(question)
    return asyncio.run(as_coroutine(sources, question))


async def as_coroutine(sources, question):
    async with sources.opened():
        return await sources.ask_async(question)


def failure(base_url, how, **options):
    with social(base_url) as sources, pytest.raises(NoAnswer) as caught:
        asked(sources, how, **options)
    return caught.value


def answer(status=200, body=b'{"followers": 3}', headers=()):
    """Return an application that gives one fixed answer."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    return app


both = pytest.mark.parametrize("how", ["thread", "coroutine"])


# -- answers and everything else ----------------------------------------------------------------------------------


@both
def test_answer_is_a_value_of_the_right_type(how):
    with serve(ServiceSettings(latency_s=0)) as server, social(server.base_url) as sources:
        result = asked(sources, how)
    assert (result.status, result.value) == ("ok", Followers(followers=70_612))


@both
def test_source_that_knows_nothing_has_answered(how):
    with serve(app=answer(404)) as server, social(server.base_url) as sources:
        result = asked(sources, how)
    assert (result.status, result.value, result.answered) == ("not found", None, True)


@both
def test_question_that_cannot_be_asked_is_not_sent(how):
    with serve(app=answer()) as server, social(server.base_url) as sources:
        result = asked(sources, how, record={"customer_id": " "})
        assert server.requests == ()
    assert (result.status, result.error) == ("not asked", "missing or too damaged to ask with: customer_id")


@both
@pytest.mark.parametrize("status", [500, 503, 400, 302, 204])
def test_other_status_is_unavailable(how, status):
    with serve(app=answer(status, b"")) as server:
        error = failure(server.base_url, how)
    assert (error.outcome, error.reason, error.status) == ("unavailable", f"it answered {status}", status)


@both
def test_refused_call_is_rate_limited_and_says_for_how_long(how):
    with serve(app=answer(429, headers=[(b"retry-after", b"2")])) as server:
        error = failure(server.base_url, how)
    assert (error.outcome, error.retry_after_s) == ("rate limited", 2.0)


@both
@pytest.mark.parametrize(
    "body", [b"", b"fine", b"[]", b"{}", b'{"followers": "3"}', b'{"followers": 3', b"[" * 60_000, b" " * 70_000]
)
def test_nonsense_is_a_broken_answer(how, body):
    with serve(app=answer(body=body)) as server:
        assert failure(server.base_url, how).outcome == "broken answer"


@both
@pytest.mark.parametrize(
    ("fault", "outcome"),
    [({"cut_rate": 1}, "broken answer"), ({"drop_rate": 1}, "unavailable"), ({"failure_rate": 1}, "unavailable")],
)
def test_fault_of_the_service_is_told_apart(how, fault, outcome):
    with serve(ServiceSettings(latency_s=0, **fault)) as server:
        assert failure(server.base_url, how).outcome == outcome


@both
def test_address_where_nothing_listens_has_refused(how):
    with socket.socket() as taken:  # bound but not listening: nobody else can take the port meanwhile
        taken.bind(("127.0.0.1", 0))
        error = failure(f"http://127.0.0.1:{taken.getsockname()[1]}", how)
    assert (error.outcome, error.reason) == ("refused", "no connection could be made")


@both
def test_service_that_hangs_is_a_timeout(how):
    with serve(ServiceSettings(hang_rate=1)) as server:
        assert failure(server.base_url, how, within_s=0.05).outcome == "timeout"


@both
def test_body_that_comes_in_drops_is_a_timeout(how):
    clock = FakeClock()

    async def dripping(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"followers"', "more_body": True})
        clock.advance(GUARD_S + 1)
        await send({"type": "http.response.body", "body": b": 3}"})

    with serve(app=dripping) as server, use_clock(clock):
        assert failure(server.base_url, how).outcome == "timeout"


@both
def test_no_time_left_is_a_timeout_without_a_request(how):
    with serve(app=answer()) as server:
        assert failure(server.base_url, how, within_s=0).outcome == "timeout"
        assert server.requests == ()


# -- limits -------------------------------------------------------------------------------------------------------


@both
def test_pause_that_a_source_asks_for_holds_for_all_questions(how):
    with record(clock="virtual"), serve(ServiceSettings(latency_s=0, rate_limit=1)) as server:
        with social(server.base_url) as sources:
            asked(sources, how)
            with pytest.raises(NoAnswer, match="429"):
                asked(sources, how)
            assert asked(sources, how, record={"customer_id": "C00004"}).status == "ok"
    received = [request.received_ns for request in server.requests]
    assert received == [0, 0, 1_000_000_000]


@both
def test_pause_that_lasts_past_the_deadline_is_not_waited_for(how):
    with record(clock="virtual"), serve(ServiceSettings(latency_s=0, rate_limit=1)) as server:
        with social(server.base_url) as sources:
            asked(sources, how)
            with pytest.raises(NoAnswer, match="429"):
                asked(sources, how)
            with pytest.raises(NoAnswer, match="it asked for a pause of 1 s more") as caught:
                asked(sources, how, within_s=0.9)
            assert current_clock().now_ns() == 0
    assert caught.value.outcome == "rate limited"
    assert len(server.requests) == 2


@both
def test_turn_at_a_limit_is_waited_for_no_longer_than_there_is_time(how):
    limit = RateLimit(per_second=1)
    with record(clock="virtual"), serve(ServiceSettings(latency_s=0)) as server:
        with social(server.base_url, limit=limit) as sources:
            asked(sources, how)
            with pytest.raises(NoAnswer, match="its rate limit gave no slot") as caught:
                asked(sources, how, within_s=0.5)
            assert current_clock().now_ns() == 500_000_000
            assert asked(sources, how, within_s=0.6).status == "ok"
    assert caught.value.outcome == "rate limited"
    assert [request.received_ns for request in server.requests] == [0, 1_000_000_000]


@both
def test_place_at_a_limit_is_given_back_whatever_happens(how):
    limit = RateLimit(in_flight=1)
    with record(clock="virtual"), serve(ServiceSettings(latency_s=0, fail_first=1)) as server:
        with social(server.base_url, limit=limit) as sources:
            with pytest.raises(NoAnswer):
                asked(sources, how)
            assert asked(sources, how).status == "ok"


# -- connections --------------------------------------------------------------------------------------------------


def test_threads_may_share_sources():
    customers = [{"customer_id": f"C{number:05d}"} for number in range(2, 40)]
    with serve(ServiceSettings(latency_s=0)) as server, social(server.base_url) as sources:
        one_by_one = [asked(sources, "thread", record=customer) for customer in customers]
        with get_executor("thread", 8) as executor:
            asked_at_once = executor.imap(lambda customer: asked(sources, "thread", record=customer), customers)
            assert [outcome.value for outcome in asked_at_once] == one_by_one


def test_pickled_sources_ask_with_connections_of_their_own():
    with serve(ServiceSettings(latency_s=0)) as server, social(server.base_url) as sources:
        with pickle.loads(pickle.dumps(sources)) as again:
            assert asked(again, "thread") == asked(sources, "thread")
            assert repr(again) == repr(sources) == "<Sources: social>"


def test_coroutine_outside_of_the_block_is_told_what_to_write():
    sources = social("http://127.0.0.1:1")
    (source,) = sources
    with pytest.raises(ServiceError, match=r"async with sources\.opened\(\)"):
        asyncio.run(sources.ask_async(Question(source, RECORD, current_clock().now_ns() + 10**9)))


@pytest.mark.parametrize("sources", [(), ["social"], [None]])
def test_sources_that_are_none_are_refused(sources: Iterable[object]):
    with pytest.raises(OptionError, match="sources must be objects of the class Source"):
        Sources(sources)


def test_no_thread_is_left_by_a_wait_that_ends_at_the_deadline():
    before = threading.active_count()
    with serve(app=answer()) as server, social(server.base_url, limit=RateLimit(per_second=1)) as sources:
        asked(sources, "thread")
        with pytest.raises(NoAnswer, match="its rate limit gave no slot"):
            asked(sources, "thread", within_s=0.3)
    assert threading.active_count() == before


# -- answers that are no plain ones -------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"gzip, gzip", b"\x1b"])
def test_a_compressed_answer_is_refused_before_it_is_unpacked(how, encoding):
    bomb = gzip.compress(b'{"followers": 3}' + b" " * 1_000_000)
    with serve(app=answer(body=bomb, headers=[(b"content-encoding", encoding)])) as server:
        error = failure(server.base_url, how)
    assert "is compressed" in str(error)
    assert str(error).isprintable()


@both
def test_an_answer_is_asked_for_plainly(how):
    seen = []

    async def app(scope, receive, send):
        seen.extend(value for name, value in scope["headers"] if name == b"accept-encoding")
        await answer()(scope, receive, send)

    with serve(app=app) as server, social(server.base_url) as sources:
        asked(sources, how)
    assert seen == [b"identity"]


@both
def test_a_redirect_is_not_followed(how):
    with serve(app=answer(302, headers=[(b"location", b"/elsewhere")])) as server:
        assert "it answered 302" in str(failure(server.base_url, how))


# == sources ========================================================================================================


class Numbers(BaseModel):
    number: int


SOURCE = Source("numbers", "http://127.0.0.1:1/numbers", ("city", "country"), Numbers)
PLACE = {"city": "Lyon", "country": "FR", "name": "Ann"}


def question(record=PLACE, end_s=1.0):
    return Question(SOURCE, record, round(end_s * 1e9))


# -- sources and questions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", 7), ("url", "127.0.0.1"), ("url", None), ("fields", ()), ("fields", "city"),
        ("answer", dict), ("answer", Numbers(number=1)), ("deadline_s", 0), ("deadline_s", float("nan")),
        ("deadline_s", True), ("deadline_s", "1"), ("limit", 5),
    ],
)  # fmt: skip
def test_source_that_cannot_be_asked_is_refused(field, value):
    with pytest.raises(OptionError, match=f"^{field} must be"):
        replace(SOURCE, **{field: value})


@pytest.mark.parametrize("value", ["", "   ", None, 7, "a\0b", "x" * 256, "\ud800"])
def test_field_that_is_missing_or_too_broken_is_named(value):
    assert question(PLACE | {"city": value}).missing == ["city"]


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
    outcome = Outcome(0, SourceResult("numbers", "ok", Numbers(number=3)), attempts=2, started_ns=5, ended_ns=10**9 + 5)
    result = SourceResult.of("numbers", outcome)
    assert (result.status, result.value, result.attempts, result.service_s) == ("ok", Numbers(number=3), 2, 1.0)


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


# == client =========================================================================================================


class Requests(ClientOwner):
    when_closed = "this asker is closed; make a new one"

    def client(self):
        return self._opened()


@pytest.fixture
def opened(monkeypatch):
    """The clients that are opened during the test."""
    found = []

    def open_client():
        found.append(httpx2.Client(trust_env=False))
        return found[-1]

    monkeypatch.setattr(module, "open_client", open_client)
    return found


def test_nothing_is_opened_before_it_is_used(opened):
    with Requests():
        pass
    assert opened == []


def test_threads_share_one_client(opened):
    with Requests() as asking, ThreadPoolExecutor(8) as threads:
        clients = {id(each) for each in threads.map(lambda _: asking.client(), range(32))}
    assert clients == {id(client) for client in opened}
    assert len(opened) == 1


def test_the_end_of_the_block_closes_the_client_also_after_an_error(opened):
    with pytest.raises(KeyError), Requests() as asking:
        asking.client()
        raise KeyError
    assert opened[0].is_closed


def test_a_closed_one_says_what_to_write_and_opens_nothing(opened):
    asking = Requests()
    asking.close()
    asking.close()
    with pytest.raises(ServiceError, match="this asker is closed; make a new one"):
        asking.client()
    assert opened == []


def test_a_client_that_is_given_is_used_and_stays_open(opened):
    with httpx2.Client(trust_env=False) as client:
        with Requests(client) as asking:
            assert asking.client() is client
        assert not client.is_closed
    assert opened == []


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("2", 2.0), ("0.25", 0.25), ("-1", 0.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None), ("nan", None),
        ("inf", None), ("", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds(header, wait_s):
    assert retry_after_s(header) == wait_s


# == customer sources ===============================================================================================


EMPLOYED = "C00003"
CUSTOMER = {"customer_id": EMPLOYED, "phone": "+33 1 23 45 67 89"}
ANSWERS = {
    "profile": ProfileAnswer(**profile(EMPLOYED) | {"interests": ()}),
    "location": LocationAnswer(**location("Lyon", "FR") | {"phone_prefixes": ("33",)}),
    "social": SocialAnswer(customer_id=EMPLOYED, accounts=(), followers=0),
    "company": CompanyAnswer(**company(customer_id=EMPLOYED)),
}
RESULTS = {name: SourceResult(name, "ok", answer) for name, answer in ANSWERS.items()}


def compared(record=CUSTOMER, **changed):
    """Compare the answers, of which some are replaced by another result."""
    return {name: agreement(record, RESULTS | changed) for name, agreement in AGREEMENTS.items()}


# -- which sources ------------------------------------------------------------------------------------------------


def test_each_source_has_its_own_address_deadline_and_limit():
    limit = RateLimit(5)
    sources = customer_sources("http://127.0.0.1:1/", ("verify", "social"), deadline_s=3, limits={"social": limit})
    assert [(one.url, one.deadline_s, one.limit) for one in sources] == [
        ("http://127.0.0.1:1/verify", 3, None),
        ("http://127.0.0.1:1/social", 3, limit),
    ]


def test_limit_alone_is_one_for_each_source():
    limit = RateLimit(5, in_flight=2, per_minute=60, name="ours")
    limits = [source.limit for source in customer_sources("http://127.0.0.1:1", ("verify", "social"), limits=limit)]
    assert [repr(each) for each in limits] == [repr(limit)] * 2
    assert limits[0] is not limits[1]


@pytest.mark.parametrize("options", [{"names": ("profile", "weather")}, {"limits": {"weather": RateLimit(5)}}])
def test_source_that_does_not_exist_is_refused(options):
    with pytest.raises(OptionError, match="weather"):
        customer_sources("http://127.0.0.1:1", **options)


# -- whether answers agree ----------------------------------------------------------------------------------------


def test_answers_about_one_customer_agree():
    assert compared() == {"employer": True, "customer": True, "phone": True}


def test_company_other_than_that_of_the_profile_is_a_contradiction():
    other = replace(ANSWERS["company"], company_id="K999")
    assert compared(company=SourceResult("company", "ok", other))["employer"] is False
    assert compared(company=SourceResult("company", "not found"))["employer"] is False


def test_customer_known_to_one_source_only_is_a_contradiction():
    assert compared(social=SourceResult("social", "not found"))["customer"] is False
    both = {name: SourceResult(name, "not found") for name in ("profile", "social")}
    assert compared(**both)["customer"] is True


@pytest.mark.parametrize(
    ("phone", "agrees"), [("+44 20 7946 0000", False), ("+3 31", True), ("01 23 45 67 89", None), ("", None)]
)
def test_phone_number_is_compared_by_the_prefix_of_the_country(phone, agrees):
    assert compared(CUSTOMER | {"phone": phone})["phone"] is agrees


@pytest.mark.parametrize("status", ["timeout", "not asked", "broken answer"])
def test_source_that_did_not_answer_is_not_compared(status):
    silent = {name: SourceResult(name, status) for name in RESULTS}
    assert set(compared(**silent).values()) == {None}


# == answers ========================================================================================================


@dataclass(frozen=True)
class Point:
    x: float


@dataclass(frozen=True)
class Answer:
    name: str
    count: int
    share: float
    plan: Literal["basic", "pro"]
    note: str | None
    points: tuple[Point, ...]
    known: bool = True


class PointModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    x: float


class AnswerModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    name: str
    count: int
    share: float
    plan: Literal["basic", "pro"]
    note: str | None
    points: tuple[PointModel, ...]
    known: bool = True


GOOD = {"name": "é", "count": 3, "share": 0.5, "plan": "pro", "note": None, "points": [{"x": 1}], "known": False}
VALUES = (
    "",
    "pro",
    "basic",
    "x",
    0,
    7,
    -1.5,
    1e300,
    True,
    False,
    None,
    [],
    {},
    [{"x": 2}],
    [{"x": "2"}],
    [3],
    "\ud800",
)


def test_an_answer_is_an_object_of_its_class():
    found = read_answer(Answer, json.dumps(GOOD | {"more": 1}).encode())
    assert found == Answer("é", 3, 0.5, "pro", None, (Point(1.0),), known=False)


@pytest.mark.parametrize("field", GOOD)
def test_each_value_is_taken_or_refused_as_by_pydantic(field):
    for value in VALUES:
        body = json.dumps(GOOD | {field: value}).encode()
        assert _taken(Answer, body) == _taken(AnswerModel, body), (field, value)


def test_a_model_of_pydantic_reads_answers_itself():
    assert read_answer(PointModel, b'{"x": 2}') == PointModel(x=2.0)
    with pytest.raises(ValidationError):
        read_answer(PointModel, b'{"x": "2"}')


def _taken(kind, body):
    try:
        return bool(read_answer(kind, body))
    except ValueError:
        return False
