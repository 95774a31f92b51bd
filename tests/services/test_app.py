"""The services as a web application, asked in the same process without a network."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from kaygraph_viz.errors import ServiceError
from kaygraph_viz.services.app import ServiceSettings, create_app, request_key

QUICK = ServiceSettings(latency_s=0)


def ask(app, *paths):
    """Ask one after the other and return the responses."""

    async def run():
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            return [await client.get(path) for path in paths]

    return asyncio.run(run())


def recorded_latencies(settings, *domains):
    """Return the latencies that the service waits when it is asked about these domains in turn."""
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    ask(create_app(settings, sleep=sleep), *(f"/verify?domain={domain}" for domain in domains))
    return waits


def test_health_is_answered_whatever_the_settings():
    settings = ServiceSettings(failure_rate=1, hang_rate=1, rate_limit=1)
    assert [response.status_code for response in ask(create_app(settings), "/health", "/health")] == [200, 200]


@pytest.mark.parametrize("query", ["", "city=Lyon", "country=FR", "city=Lyon&domain=example.com"])
def test_incomplete_question_is_answered_400_with_an_example(query):
    (response,) = ask(create_app(QUICK), f"/verify?{query}")
    assert response.status_code == 400
    assert "/verify?city=Lyon&country=FR" in response.json()["error"]


def test_same_latencies_whatever_the_order():
    domains = [f"d{number}.example.com" for number in range(20)]
    settings = ServiceSettings(seed=3)
    assert recorded_latencies(settings, *domains) == recorded_latencies(settings, *domains[::-1])[::-1]


def test_failure_depends_on_the_try():
    settings = ServiceSettings(latency_s=0, failure_rate=0.5)
    key = request_key(domain="example.com")
    expected = [503 if settings.fails(key, attempt) else 200 for attempt in range(1, 11)]
    responses = ask(create_app(settings), *["/verify?domain=example.com"] * 10)
    assert [response.status_code for response in responses] == expected
    assert set(expected) == {200, 503}


def test_calls_above_the_rate_are_answered_429_with_retry_after():
    app = create_app(ServiceSettings(latency_s=0, rate_limit=2), clock=lambda: 0.0)
    responses = ask(app, *["/verify?domain=example.com"] * 3)
    assert [response.status_code for response in responses] == [200, 200, 429]
    assert responses[-1].headers["Retry-After"] == "1"
    assert responses[-1].json()["retry_after_s"] == 1.0


def test_call_is_let_through_after_the_time_that_the_refusal_named():
    times = iter([0.0, 0.4, 0.5, 1.0])
    app = create_app(ServiceSettings(latency_s=0, rate_limit=2), clock=lambda: next(times))
    responses = ask(app, *["/verify?domain=example.com"] * 4)
    assert [response.status_code for response in responses] == [200, 200, 429, 200]
    assert responses[2].json()["retry_after_s"] == 0.5


def test_refused_calls_do_not_count():
    times = iter([0.0, 0.5, 0.9, 1.0])
    app = create_app(ServiceSettings(latency_s=0, rate_limit=1), clock=lambda: next(times))
    responses = ask(app, *["/verify?domain=example.com"] * 4)
    assert [response.status_code for response in responses] == [200, 429, 429, 200]


def test_hanging_request_ends_when_the_client_goes_away():
    messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])
    sent = []

    async def receive():
        return next(messages)

    async def send(message):
        assert next(messages, None) is None, "answered while the client was still there"
        sent.append(message["type"])

    scope = {"type": "http", "method": "GET", "path": "/verify", "query_string": b"domain=example.com", "headers": []}
    asyncio.run(create_app(ServiceSettings(hang_rate=1))(scope, receive, send))
    assert sent == ["http.response.start", "http.response.body"]


def test_every_service_has_a_path_of_its_own():
    paths = ["/profile?customer_id=C00003", "/social?customer_id=C00003", "/company?customer_id=C00003"]
    responses = ask(create_app(QUICK), *paths, "/location?city=Lyon&country=FR")
    assert [response.status_code for response in responses] == [200] * 4
    assert {response.headers["content-type"] for response in responses} == {"application/json"}


def test_services_take_settings_of_their_own():
    app = create_app({"social": ServiceSettings(failure_rate=1, failure_status=500), "profile": QUICK})
    responses = ask(app, "/social?customer_id=C00001", "/profile?customer_id=C00001")
    assert [response.status_code for response in responses] == [500, 200]


def test_other_server_that_cannot_close_connections_is_an_error_that_says_so():
    with pytest.raises(ServiceError, match="LocalServer"):
        ask(create_app(ServiceSettings(drop_rate=1)), "/profile?customer_id=C00001")
