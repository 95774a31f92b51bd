"""Running a service in the background: real sockets, but no test waits for time to pass."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from kaygraph_viz.errors import OptionError, ServiceError
from kaygraph_viz.services import background
from kaygraph_viz.services.app import ServiceSettings
from kaygraph_viz.services.server import LocalServer, serve

QUICK = ServiceSettings(latency_s=0)
QUESTION = "/verify?domain=example.com"


@pytest.fixture
def client():
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


class Meeting:
    """An application that never answers, and says when requests have arrived."""

    def __init__(self, expected):
        self.is_complete = threading.Event()
        self.expected = expected
        self.arrived = 0

    async def __call__(self, scope, receive, send):
        self.arrived += 1
        if self.arrived == self.expected:
            self.is_complete.set()
        await asyncio.Event().wait()


def test_service_answers_on_a_port_of_this_machine_only(client):
    with serve(QUICK) as server:
        assert client.get(server.url("/health")).json() == {"status": "ok"}
        assert server.base_url.startswith("http://127.0.0.1:")


def test_with_block_starts_a_server_that_was_not_started():
    with LocalServer(QUICK) as server:
        assert server.is_running


def test_no_thread_is_left_after_the_stop():
    before = set(threading.enumerate())
    with serve(QUICK):
        pass
    assert set(threading.enumerate()) == before


def test_port_is_free_after_the_stop():
    with serve(QUICK) as server:
        port = int(server.base_url.rpartition(":")[2])
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
        assert again.getsockname()[1] == port


def test_stop_while_requests_hang_answers_them_503(client):
    app = Meeting(expected=3)
    with serve(app=app) as server, ThreadPoolExecutor(3) as pool:
        replies = [pool.submit(client.get, server.url("/")) for _ in range(3)]
        assert app.is_complete.wait(30)
        server.stop()
        assert [reply.result().status_code for reply in replies] == [503, 503, 503]


def test_stop_ends_a_half_sent_answer(client):
    class HalfAnswer(Meeting):
        async def __call__(self, scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            await super().__call__(scope, receive, send)

    app = HalfAnswer(expected=1)
    with serve(app=app) as server, client.stream("GET", server.url("/")) as reply:
        assert app.is_complete.wait(30)
        server.stop()
        assert reply.read() == b"half"


def test_stop_waits_only_a_while_for_an_application_that_does_not_end(client, monkeypatch):
    monkeypatch.setattr(background, "_GRACE_S", 0.01)
    arrived = threading.Event()

    async def deaf(scope, receive, send):
        arrived.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    with serve(app=deaf) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.get, server.url("/"))
        assert arrived.wait(30)
        server.stop()
        assert isinstance(asked.exception(30), httpx.TransportError) or asked.result().status_code >= 500


def test_stop_does_not_wait_for_the_next_tick(monkeypatch):
    monkeypatch.setattr(background, "_TICK_S", 3_600.0)
    with LocalServer(QUICK) as server:
        pass
    assert not server.is_running


def test_answers_carry_a_date_that_goes_on(client, monkeypatch):
    monkeypatch.setattr(background, "_TICK_S", 0.001)
    days = itertools.count()
    monkeypatch.setattr("uvicorn.server.formatdate", lambda *_, **__: f"day {next(days)}")
    with LocalServer(QUICK) as server:
        today = client.get(server.url("/health")).headers["date"]
        assert any(client.get(server.url("/health")).headers["date"] != today for _ in range(10_000))


def test_stop_twice_does_nothing():
    server = serve(QUICK)
    server.stop()
    server.stop()
    assert not server.is_running


def test_server_starts_only_once():
    with serve(QUICK) as server, pytest.raises(ServiceError, match="starts only once"):
        server.start()


def test_address_of_a_stopped_server_is_an_error_that_says_what_to_write():
    with pytest.raises(ServiceError, match="with serve"):
        _ = LocalServer(QUICK).base_url


def test_two_servers_at_once_keep_separate_logs(client):
    with serve(QUICK) as first, serve(QUICK) as second:
        client.get(first.url(QUESTION))
        assert (len(first.requests), len(second.requests)) == (1, 0)


def test_log_keeps_time_path_and_status_after_the_stop(client):
    with serve(ServiceSettings(latency_s=0, failure_rate=1)) as server:
        client.get(server.url(QUESTION))
    (request,) = server.requests
    assert (request.method, request.path, request.query, request.status) == (
        "GET",
        "/verify",
        "domain=example.com",
        503,
    )
    assert request.answered_ns >= request.received_ns


def test_request_whose_client_went_away_has_no_status(client):
    with serve(ServiceSettings(hang_rate=1)) as server, pytest.raises(httpx.ReadTimeout):
        client.get(server.url(QUESTION), timeout=0.2)
    (request,) = server.requests
    assert request.status in (None, 503)  # 503 when the server stopped before it saw the client leave


def test_log_never_shows_more_than_the_rate_in_any_second(client):
    with serve(ServiceSettings(latency_s=0, rate_limit=5)) as server, ThreadPoolExecutor(4) as pool:
        list(pool.map(client.get, [server.url(QUESTION)] * 40))
    admitted = [request.received_ns for request in server.requests if request.status == 200]
    assert admitted
    assert all(later - earlier >= 1_000_000_000 for earlier, later in zip(admitted, admitted[5:], strict=False))


def test_server_runs_beside_a_running_loop():
    async def in_a_notebook():
        with serve(QUICK) as server:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(server.url("/health"))).status_code

    assert asyncio.run(in_a_notebook()) == 200


def test_start_stop_and_failures_print_and_log_nothing(client, capfd, caplog):
    with serve(ServiceSettings(failure_rate=1)) as server:
        client.get(server.url(QUESTION))
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []
    assert capfd.readouterr() == ("", "")


def test_forgotten_server_is_stopped_when_it_is_collected():
    server = serve(QUICK)
    address = server.url("/health")
    del server
    gc.collect()
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)


@pytest.mark.processes
def test_forgotten_server_does_not_hinder_the_end_of_the_interpreter():
    program = "from kaygraph_viz.services.server import serve; server = serve(); print(server.is_running)"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("True\n", "")


def test_repr_names_the_address_and_nothing_of_the_memory():
    with serve(QUICK) as server:
        assert repr(server) == f"LocalServer('{server.base_url}')"
    assert repr(server) == "LocalServer(stopped)"


def test_start_that_fails_is_an_error_with_the_reason(monkeypatch):
    def refuse(*_arguments):
        raise OSError("no more ports")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ServiceError, match="no more ports"):
        serve(QUICK)


def test_settings_of_another_type_are_refused():
    with pytest.raises(OptionError, match="settings must be"):
        LocalServer({"latency_s": 0})


def test_settings_and_app_together_are_refused():
    with pytest.raises(OptionError, match="app must be left out"):
        LocalServer(QUICK, app=Meeting(1))


def test_mapping_with_an_unknown_service_is_refused():
    with pytest.raises(OptionError, match="verify, profile, location, social, company"):
        LocalServer({"weather": QUICK})


def test_client_needs_only_a_path():
    with serve(QUICK) as server, server.client() as client:
        assert client.get("/health").status_code == 200


def test_async_client_needs_only_a_path():
    async def ask():
        async with server.async_client() as client:
            return (await client.get("/health")).status_code

    with serve(QUICK) as server:
        assert asyncio.run(ask()) == 200


def test_dropped_connection_leaves_no_status_and_the_next_request_is_answered():
    with serve({"profile": ServiceSettings(drop_rate=1)}) as server, server.client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/profile?customer_id=C00001")
        assert client.get("/health").status_code == 200
    assert [(request.status, request.answered_ns is None) for request in server.requests] == [
        (None, True),
        (200, False),
    ]


def test_answer_that_breaks_off_is_noticed_by_the_client_and_never_complete_in_the_log():
    with serve({"profile": ServiceSettings(cut_rate=1, latency_s=0)}) as server, server.client() as client:
        with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
            client.get("/profile?customer_id=C00001")
    (request,) = server.requests
    assert (request.status, request.answered_ns) == (200, None)


def test_closing_connections_logs_nothing(caplog):
    settings = {"profile": ServiceSettings(drop_rate=1), "social": ServiceSettings(cut_rate=1)}
    with caplog.at_level("WARNING"), serve(settings) as server, server.client() as client:
        for name in settings:
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(f"/{name}?customer_id=C00001")
    assert caplog.records == []
