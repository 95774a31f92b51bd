"""The thread that serves: how it starts and ends, and what it does with connections."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from kaygraph_viz.errors import ServiceError
from kaygraph_viz.services import background
from kaygraph_viz.services.app import ServiceSettings
from kaygraph_viz.services.server import LocalServer, serve

QUICK = ServiceSettings(latency_s=0)
QUESTION = "/verify?domain=example.com"


@pytest.fixture
def client():
    with httpx2.Client(trust_env=False, timeout=30) as client:
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


@pytest.mark.parametrize("turns", range(5))
def test_stop_closes_connections_that_are_just_being_made(monkeypatch, turns):
    made, is_held, go_on = [], threading.Event(), threading.Event()
    make = background._Connection.connection_made
    monkeypatch.setattr(background._Connection, "connection_made", lambda *args: (made.append(args[1]), make(*args)))
    thread = background.ServerThread(Meeting(1))
    thread.start()
    loop = thread._server.loop

    def stop_after(turns):
        if turns:
            loop.call_soon(stop_after, turns - 1)
        else:
            thread._front.end_requests()
            thread._server.should_exit = True
            thread._server.is_told_to_end.set()

    loop.call_soon_threadsafe(lambda: (is_held.set(), go_on.wait()))
    is_held.wait()
    clients = [socket.create_connection(thread._socket.getsockname()) for _ in range(3)]
    loop.call_soon_threadsafe(stop_after, turns)
    go_on.set()
    thread.stop()
    assert all(transport.is_closing() for transport in made)
    for client in clients:
        client.close()


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
        assert isinstance(asked.exception(30), httpx2.TransportError) or asked.result().status_code >= 500


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


def test_request_whose_client_went_away_has_no_status(client):
    with serve(ServiceSettings(hang_rate=1)) as server, pytest.raises(httpx2.ReadTimeout):
        client.get(server.url(QUESTION), timeout=0.2)
    (request,) = server.requests
    assert request.status in (None, 503)  # 503 when the server stopped before it saw the client leave


def test_start_that_fails_is_an_error_with_the_reason(monkeypatch):
    def refuse(*_arguments):
        raise OSError("no more ports")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ServiceError, match="no more ports"):
        serve(QUICK)


def test_dropped_connection_leaves_no_status_and_the_next_request_is_answered():
    with serve({"profile": ServiceSettings(drop_rate=1)}) as server, server.client() as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            client.get("/profile?customer_id=C00001")
        assert client.get("/health").status_code == 200
    assert [(request.status, request.answered_ns is None) for request in server.requests] == [
        (None, True),
        (200, False),
    ]


def test_answer_that_breaks_off_is_noticed_by_the_client_and_never_complete_in_the_log():
    with serve({"profile": ServiceSettings(cut_rate=1, latency_s=0)}) as server, server.client() as client:
        with pytest.raises(httpx2.RemoteProtocolError, match="complete message body"):
            client.get("/profile?customer_id=C00001")
    (request,) = server.requests
    assert (request.status, request.answered_ns) == (200, None)


def test_closing_connections_logs_nothing(caplog):
    settings = {"profile": ServiceSettings(drop_rate=1), "social": ServiceSettings(cut_rate=1)}
    with caplog.at_level("WARNING"), serve(settings) as server, server.client() as client:
        for name in settings:
            with pytest.raises(httpx2.RemoteProtocolError):
                client.get(f"/{name}?customer_id=C00001")
    assert caplog.records == []
