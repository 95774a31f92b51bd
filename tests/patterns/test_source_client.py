"""Requests to one source, in threads and as coroutines: answers, every kind of failure, and limits."""

from __future__ import annotations

import asyncio
import gzip
import pickle
import socket
import threading
from collections.abc import Iterable

import pytest
from pydantic import BaseModel, ConfigDict

from kaygraph_viz.clock import current_clock, use_clock
from kaygraph_viz.errors import OptionError, ServiceError
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.patterns.source_client import Sources
from kaygraph_viz.patterns.sources import NoAnswer, Question, Source
from kaygraph_viz.recording import record
from kaygraph_viz.services.server import serve
from kaygraph_viz.services.settings import ServiceSettings
from kaygraph_viz.testing import FakeClock

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


def test_closed_sources_say_so():
    sources = social("http://127.0.0.1:1")
    sources.close()
    with pytest.raises(ServiceError, match="closed"):
        asked(sources, "thread")


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
