"""Several modules together: one program gets the same answers and faults over sockets and in simulated time."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import httpx2
import pytest

from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import OptionError, VirtualClockError
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.services.in_process import open_client
from kaygraph_viz.services.server import InProcessServer, LocalServer, serve
from kaygraph_viz.services.settings import ServiceSettings

QUICK = ServiceSettings(latency_s=0)
MIXED = ServiceSettings(
    seed=5, latency_s=0.001, failure_rate=0.2, failure_status=500, drop_rate=0.2, cut_rate=0.2, fail_first=1
)
CUSTOMERS = [f"C{number:05d}" for number in range(1, 9)]
QUESTIONS = [
    *(f"/{name}?customer_id={customer}" for name in ("profile", "social", "company") for customer in CUSTOMERS),
    "/location?city=Lyon&country=FR",
    "/location?city=Atlantis&country=GR",
    "/verify?domain=example.com",
    "/verify",
    "/health",
    "/nowhere?",
]


def real():
    return nullcontext()


def virtual():
    return record(clock="virtual", seed=0)


def outcome(client, question, **options):
    """Ask once; return what a program can tell about the answer."""
    try:
        answer = client.get(question, **options)
    except httpx2.HTTPError as error:
        return type(error).__name__, str(error)
    return told_by(answer)


def told_by(answer):
    named = ("content-type", "content-length", "retry-after", "allow")
    return answer.status_code, answer.content, {name: answer.headers.get(name) for name in named}


def outcomes(world):
    with world(), serve(MIXED) as server, server.client(timeout=30) as client:
        found = [outcome(client, question) for question in QUESTIONS * 4]
    return found, [(request.path, request.query, request.status) for request in server.requests]


async def outcomes_of_coroutines():
    with serve(MIXED) as server:
        async with server.async_client(timeout=30) as client:
            return [await outcome_of_coroutine(client, question) for question in QUESTIONS * 4]


async def outcome_of_coroutine(client, question):
    try:
        return told_by(await client.get(question))
    except httpx2.HTTPError as error:
        return type(error).__name__, str(error)


def test_answers_faults_and_log_are_the_same_in_both_worlds():
    found, log = outcomes(real)
    assert (found, log) == outcomes(virtual)
    assert {one[0] for one in found} == {200, 400, 404, 500, "RemoteProtocolError"}


def test_coroutines_meet_the_same_answers_and_faults():
    found, _ = outcomes(virtual)
    assert asyncio.run(outcomes_of_coroutines()) == found
    with virtual():
        assert asyncio.run(outcomes_of_coroutines()) == found


@pytest.mark.parametrize("world", [real, virtual])
def test_five_services_can_have_five_different_faults(world):
    faults = {
        "profile": ServiceSettings(drop_rate=1),
        "location": ServiceSettings(hang_rate=1),
        "social": ServiceSettings(latency_s=0, fail_first=1, failure_status=500),
        "company": ServiceSettings(latency_s=0, rate_limit=1),
        "verify": ServiceSettings(cut_rate=1, latency_s=0),
    }
    names = ("profile", "location", "social", "social", "company", "company", "verify")
    paths = [f"/{name}?customer_id=C00003&city=Lyon&country=FR" for name in names]
    with world(), serve(faults) as server, server.client(timeout=0.2) as client:
        found = [outcome(client, path)[0] for path in paths]
    assert found == ["RemoteProtocolError", "ReadTimeout", 500, 200, 200, 429, "RemoteProtocolError"]


@pytest.mark.parametrize("world", [real, virtual])
def test_hanging_service_costs_the_client_its_patience(world):
    with world(), serve(ServiceSettings(hang_rate=1)) as server, server.client(timeout=0.1) as client:
        began_ns = current_clock().now_ns()
        assert outcome(client, QUESTIONS[0])[0] == "ReadTimeout"
        assert current_clock().now_ns() - began_ns >= 100_000_000
    assert server.requests[0].answered_ns is None or server.requests[0].status == 503


@pytest.mark.parametrize("world", [real, virtual])
def test_refusal_names_the_time_to_wait(world):
    with world(), serve(ServiceSettings(latency_s=0, rate_limit=1)) as server, server.client() as client:
        status, _, headers = [outcome(client, QUESTIONS[0]) for _ in range(2)][-1]
    assert (status, headers["retry-after"]) == (429, "1")


@pytest.mark.parametrize("world", [real, virtual])
def test_stopped_server_refuses_connections(world):
    with world():
        with serve(QUICK) as server:
            address = server.url(QUESTIONS[0])
        with open_client() as client:
            assert outcome(client, address)[0] == "ConnectError"


@pytest.mark.parametrize(("world", "kind"), [(real, LocalServer), (virtual, InProcessServer)])
def test_server_fits_the_clock_in_force(world, kind):
    with world(), serve(QUICK) as server:
        assert type(server) is kind


def test_client_fits_the_clock_in_force():
    with virtual(), serve(QUICK) as server, open_client() as client:
        assert outcome(client, server.url("/health"))[0] == 200


def test_application_needs_the_real_clock():
    async def app(scope, receive, send):
        pass

    with virtual(), pytest.raises(OptionError, match="app must be left out under a virtual clock"):
        serve(app=app)


def test_simulated_run_with_faults_limits_and_threads_is_repeatable():
    assert simulated_run() == simulated_run()


def simulated_run():
    settings = ServiceSettings(failure_rate=0.2, drop_rate=0.1, hang_rate=0.1, rate_limit=20)
    with virtual() as trace, serve(settings) as server, server.client(timeout=0.2) as client:
        with get_executor("thread", 6) as executor:
            found = [one.value for one in executor.imap(lambda one: outcome(client, one), QUESTIONS * 3)]
    return found, server.requests, [(span.lane, span.started_ns, span.ended_ns) for span in trace]


def test_waits_of_threads_pass_at_the_same_time_in_simulated_time():
    even = ServiceSettings(latency_s=1, latency_spread=0)
    with virtual(), serve(even) as server, server.client() as client, get_executor("thread", 4) as executor:
        list(executor.imap(lambda one: outcome(client, one), QUESTIONS[:4]))
        assert current_clock().now_ns() == 1_000_000_000
    assert [request.received_ns for request in server.requests] == [0, 0, 0, 0]


def test_waiting_for_ever_is_noticed_in_simulated_time():
    with pytest.raises(VirtualClockError, match="deadlock in simulated time"):
        with virtual(), serve(ServiceSettings(hang_rate=1)) as server, server.client(timeout=None) as client:
            client.get(QUESTIONS[0])


def test_waiting_for_ever_in_a_coroutine_is_noticed_in_simulated_time():
    async def ask():
        with serve(ServiceSettings(hang_rate=1)) as server:
            async with server.async_client(timeout=None) as client:
                await client.get(QUESTIONS[0])

    with pytest.raises(VirtualClockError, match="deadlock in simulated time"), virtual():
        asyncio.run(ask())
