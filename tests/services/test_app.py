"""The verification service, asked in the same process without a network."""

from __future__ import annotations

import asyncio
import math
import statistics

import httpx
import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.services.app import ServiceSettings, create_app, request_key, verify

QUICK = ServiceSettings(latency_s=0)


def ask(app, *paths):
    """Ask one after the other and return the responses."""

    async def run():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return [await client.get(path) for path in paths]

    return asyncio.run(run())


def recorded_latencies(settings, *domains):
    """Return the latencies that the service waits when it is asked about these domains in turn."""
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    ask(create_app(settings, sleep=sleep), *(f"/verify?domain={domain}" for domain in domains))
    return waits


def test_answer_tells_city_and_domain():
    (response,) = ask(create_app(QUICK), "/verify?city=Lyon&country=FR&domain=example.com")
    assert response.json() == {
        "city": "Lyon",
        "country": "FR",
        "domain": "example.com",
        "city_known": True,
        "domain_status": "deliverable",
    }


@pytest.mark.parametrize(
    ("domain", "status"),
    [
        ("example.com", "deliverable"),
        ("EXAMPLE.com.", "deliverable"),
        ("closed.example.com", "undeliverable"),
        ("throwaway.example.org", "disposable"),
        ("nobody.knows.example.org", "unknown"),
    ],
)
def test_domain_status(domain, status):
    assert verify(domain=domain)["domain_status"] == status


@pytest.mark.parametrize(
    ("city", "country", "known"),
    [
        ("São Paulo", "BR", True),
        ("sao paulo", "br", True),
        ("São Paulo", "PT", False),
        ("Atlantis", "GR", False),
        ("x" * 100_000, "GR", False),
    ],
)
def test_city_is_known_only_in_its_country(city, country, known):
    assert verify(city, country)["city_known"] is known


def test_what_was_not_asked_is_not_answered():
    assert verify(domain="example.com")["city_known"] is None
    assert verify("Lyon", "FR")["domain_status"] is None


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


def test_same_latency_when_asked_again():
    first, second = recorded_latencies(ServiceSettings(), "example.com", "example.com")
    assert first == second


def test_other_seed_gives_other_latencies():
    keys = [request_key(domain=f"d{number}.example.com") for number in range(20)]
    one, two = ([ServiceSettings(seed=seed).latency_of(key) for key in keys] for seed in (1, 2))
    assert one != two


def test_mean_latency_is_the_one_asked_for():
    settings = ServiceSettings(latency_s=0.02)
    assert statistics.fmean(settings.latency_of(str(n)) for n in range(5000)) == pytest.approx(0.02, rel=0.03)


def test_latencies_are_clipped():
    settings = ServiceSettings(latency_s=1, latency_spread=2)
    latencies = [settings.latency_of(str(number)) for number in range(1000)]
    assert (min(latencies), max(latencies)) == (0.2, 5.0)


def test_share_of_failures_is_the_one_asked_for():
    settings = ServiceSettings(failure_rate=0.25)
    assert sum(settings.fails(str(number), 1) for number in range(4000)) / 4000 == pytest.approx(0.25, abs=0.03)


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1.5),
        ("seed", True),
        ("latency_s", -0.1),
        ("latency_s", math.nan),
        ("latency_s", 61),
        ("latency_spread", 2.1),
        ("latency_spread", "wide"),
        ("failure_rate", 1.1),
        ("failure_rate", None),
        ("hang_rate", -1),
        ("rate_limit", 0),
        ("rate_limit", 2.5),
        ("rate_limit", True),
    ],
)
def test_impossible_setting_is_refused_by_name(name, value):
    with pytest.raises(OptionError, match=f"^{name} must be"):
        ServiceSettings(**{name: value})
