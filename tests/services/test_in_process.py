"""Services asked without a socket, and the same program in real and in simulated time."""

from __future__ import annotations

import asyncio
import gc
import ssl
import threading
from contextlib import contextmanager, nullcontext
from weakref import WeakValueDictionary

import httpx2
import pytest

from kaygraph_viz.base.errors import OptionError, ServiceError, VirtualClockError
from kaygraph_viz.clock.clock import current_clock, use_clock
from kaygraph_viz.course.services import in_process
from kaygraph_viz.course.services.endpoints import Services, ServiceSettings
from kaygraph_viz.course.services.in_process import InProcessHost, InProcessTransport, open_async_client, open_client
from kaygraph_viz.course.services.server import InProcessServer, LocalServer, serve
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock

# == in process =====================================================================================================


EVEN = ServiceSettings(latency_s=0.25, latency_spread=0)
QUESTION = "/profile?customer_id=C00001"


@contextmanager
def asked_at(clock, settings=EVEN, **options):
    """Give a client of in-process services, and the server, under a clock."""
    with use_clock(clock), InProcessServer(settings) as server, server.client(**options) as client:
        yield client, server


def in_coroutine(settings, path, **options):
    """Ask once from a coroutine under a clock of its own; return the answer, or the error, and the time that passed."""

    async def ask():
        with InProcessServer(settings) as server:
            async with server.async_client(**options) as client:
                try:
                    return await client.get(path)
                except httpx2.HTTPError as error:
                    return error

    with use_clock(FakeClock()):
        return asyncio.run(ask()), current_clock().now_ns()


# -- time ---------------------------------------------------------------------------------------------------------


def test_answer_takes_its_latency_and_is_stamped_with_it():
    with asked_at(FakeClock(10)) as (client, server):
        assert client.get(QUESTION).json()["plan"] == "basic"
    (request,) = server.requests
    assert (request.received_ns, request.answered_ns) == (10_000_000_000, 10_250_000_000)


def test_coroutine_gets_the_same_answer_after_the_same_time():
    answer, passed_ns = in_coroutine(EVEN, QUESTION)
    with asked_at(FakeClock()) as (client, _):
        assert answer.content == client.get(QUESTION).content
    assert passed_ns == 250_000_000


def test_answer_that_comes_too_late_is_a_timeout_after_the_clients_patience():
    with asked_at(FakeClock(), timeout=0.1) as (client, server), pytest.raises(httpx2.ReadTimeout):
        client.get(QUESTION)
    assert server.requests[0].status is None
    error, passed_ns = in_coroutine(EVEN, QUESTION, timeout=0.1)
    assert (type(error), passed_ns) == (httpx2.ReadTimeout, 100_000_000)


def test_waiting_as_long_as_a_refusal_says_is_long_enough():
    clock = FakeClock(0.3)
    with asked_at(clock, ServiceSettings(latency_s=0, rate_limit=1)) as (client, _):
        client.get(QUESTION)
        clock.advance(0.123456789)
        clock.sleep(client.get(QUESTION).json()["retry_after_s"])
        assert client.get(QUESTION).status_code == 200


# -- faults -------------------------------------------------------------------------------------------------------


def test_dropped_connection_is_an_error_and_leaves_no_status():
    with asked_at(FakeClock(), ServiceSettings(drop_rate=1)) as (client, server):
        with pytest.raises(httpx2.RemoteProtocolError, match="without sending a response"):
            client.get(QUESTION)
    assert (server.requests[0].status, server.requests[0].answered_ns) == (None, None)


def test_body_that_breaks_off_can_be_read_up_to_there():
    with asked_at(FakeClock(), ServiceSettings(cut_rate=1)) as (client, server):
        with client.stream("GET", QUESTION) as answer, pytest.raises(httpx2.RemoteProtocolError) as caught:
            parts = []
            parts.extend(answer.iter_bytes())
    expected = int(answer.headers["content-length"])
    assert f"(received {expected // 2} bytes, expected {expected})" in str(caught.value)
    assert (server.requests[0].status, server.requests[0].answered_ns) == (200, None)


# -- addresses ----------------------------------------------------------------------------------------------------


def test_two_servers_have_two_addresses_and_one_client_reaches_both():
    with InProcessServer(EVEN) as one, InProcessServer(EVEN) as other, use_clock(FakeClock()):
        assert one.base_url != other.base_url
        with one.client() as client:
            assert client.get(other.url(QUESTION)).status_code == 200
    assert (len(one.requests), len(other.requests)) == (0, 1)


def test_address_of_a_stopped_server_refuses_the_connection():
    with InProcessServer(EVEN) as server:
        address = server.url(QUESTION)
        client = server.client()
    with client, pytest.raises(httpx2.ConnectError, match=r"no service of this process is at http://127\.0\.0\.1"):
        client.get(address)


@pytest.mark.parametrize("address", ["http://example.com/verify", "http://127.0.0.1/verify"])
def test_address_of_anybody_else_refuses_the_connection(address):
    with httpx2.Client(transport=InProcessTransport()) as client, pytest.raises(httpx2.ConnectError):
        client.get(address)


def test_forgotten_server_is_not_reached_any_more():
    server = InProcessServer(EVEN).start()
    address = server.url("/health")
    del server
    gc.collect()
    with httpx2.Client(transport=InProcessTransport()) as client, pytest.raises(httpx2.ConnectError):
        client.get(address)


def test_server_starts_only_once():
    with InProcessServer() as server, pytest.raises(ServiceError, match="starts only once"):
        server.start()


def test_stop_twice_does_nothing():
    server = InProcessServer().start()
    server.stop()
    server.stop()
    assert repr(server) == "InProcessServer(stopped)"


def test_address_of_a_server_that_does_not_run_is_an_error():
    with pytest.raises(ServiceError, match="with serve"):
        InProcessServer().client()


def test_no_thread_is_started():
    before = set(threading.enumerate())
    with asked_at(FakeClock()) as (client, _):
        client.get(QUESTION)
        assert set(threading.enumerate()) == before


# -- clients for the clock in force -------------------------------------------------------------------------------


def test_client_under_the_real_clock_goes_through_sockets():
    with InProcessServer(EVEN) as server, open_client() as client, pytest.raises(httpx2.ConnectError, match="Errno"):
        client.get(server.url())


def test_coroutine_under_the_real_clock_goes_through_sockets():
    async def ask():
        async with open_async_client() as client:
            await client.get(server.url())

    with InProcessServer(EVEN) as server, pytest.raises(httpx2.ConnectError, match="connection attempts failed"):
        asyncio.run(ask())


def test_certificates_are_loaded_once_for_all_clients(monkeypatch):
    loaded = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *given, **named: loaded.append(given))
    in_process._certificates.cache_clear()
    try:
        for _ in range(2):
            open_client().close()
            open_async_client()
    finally:
        in_process._certificates.cache_clear()
    assert len(loaded) == 1


def test_a_server_that_is_collected_while_another_one_takes_an_address_holds_up_nothing(monkeypatch):
    old, new = InProcessHost(Services()), InProcessHost(Services())
    old.start()

    class Collecting(WeakValueDictionary):
        def __contains__(self, port):
            old.stop()  # as garbage collection may, at any moment
            return super().__contains__(port)

    monkeypatch.setattr(in_process, "_listening", Collecting(in_process._listening))
    thread = threading.Thread(target=new.start, daemon=True)
    thread.start()
    thread.join(10)  # not for ever, where it hangs
    assert new.is_alive()
    assert not old.is_alive()
    new.stop()


# == both worlds ====================================================================================================


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


@pytest.mark.parametrize(("world", "kind"), [(real, LocalServer), (virtual, InProcessServer)])
def test_server_fits_the_clock_in_force(world, kind):
    with world(), serve(QUICK) as server:
        assert type(server) is kind


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
