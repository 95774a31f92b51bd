"""Services asked without a socket, in the time of the clock in force."""

from __future__ import annotations

import asyncio
import gc
import ssl
import threading
from contextlib import contextmanager
from weakref import WeakValueDictionary

import httpx2
import pytest

from kaygraph_viz.clock import current_clock, use_clock
from kaygraph_viz.errors import ServiceError
from kaygraph_viz.services import in_process
from kaygraph_viz.services.in_process import Endpoint, InProcessTransport, open_async_client, open_client
from kaygraph_viz.services.responses import Services
from kaygraph_viz.services.server import InProcessServer
from kaygraph_viz.services.settings import ServiceSettings
from kaygraph_viz.testing import FakeClock

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


def test_log_keeps_what_was_asked():
    with asked_at(FakeClock()) as (client, server):
        client.get("/location", params={"city": "São Paulo", "country": "BR"})
    (request,) = server.requests
    assert (request.method, request.path, request.status) == ("GET", "/location", 200)
    assert request.query == "city=S%C3%A3o+Paulo&country=BR"


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


def test_hanging_request_ends_after_the_clients_patience():
    clock = FakeClock()
    with asked_at(clock, ServiceSettings(hang_rate=1), timeout=2) as (client, server):
        with pytest.raises(httpx2.ReadTimeout):
            client.get(QUESTION)
    assert (clock.now_ns(), server.requests[0].status) == (2_000_000_000, None)
    error, passed_ns = in_coroutine(ServiceSettings(hang_rate=1), QUESTION, timeout=2)
    assert (type(error), passed_ns) == (httpx2.ReadTimeout, 2_000_000_000)


def test_only_the_patience_for_reading_counts():
    with asked_at(FakeClock(), timeout=httpx2.Timeout(0.1, read=1)) as (client, _):
        assert client.get(QUESTION).status_code == 200


def test_client_without_patience_limit_waits_as_long_as_it_takes():
    with asked_at(FakeClock(), timeout=None) as (client, _):
        assert client.get(QUESTION).status_code == 200


def test_rate_is_that_of_the_clock_in_force():
    clock = FakeClock()
    with asked_at(clock, ServiceSettings(latency_s=0, rate_limit=2)) as (client, _):
        statuses = [client.get(QUESTION).status_code for _ in range(3)]
        clock.advance(1)
        assert [*statuses, client.get(QUESTION).status_code] == [200, 200, 429, 200]


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


def test_body_breaks_off_for_coroutines_too():
    error, _ = in_coroutine(ServiceSettings(cut_rate=1), QUESTION)
    assert "complete message body" in str(error)


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
    old, new = Endpoint(Services()), Endpoint(Services())
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
