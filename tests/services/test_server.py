"""Servers: a thread that serves, how it starts and ends, its connections, and the web application."""

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

import httpx2
import pytest

from kaygraph_viz.base.errors import OptionError, ServiceError
from kaygraph_viz.course.services import background
from kaygraph_viz.course.services.endpoints import ServiceSettings, request_key
from kaygraph_viz.course.services.server import LocalServer, create_app, serve

# == server =========================================================================================================


QUICK = ServiceSettings(latency_s=0)
QUESTION = "/verify?domain=example.com"


@pytest.fixture
def client():
    with httpx2.Client(trust_env=False, timeout=30) as client:
        yield client


def test_service_answers_on_a_port_of_this_machine_only(client):
    with serve(QUICK) as server:
        assert client.get(server.url("/health")).json() == {"status": "ok"}
        assert server.base_url.startswith("http://127.0.0.1:")


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


def test_log_never_shows_more_than_the_rate_in_any_second(client):
    with serve(ServiceSettings(latency_s=0, rate_limit=5)) as server, ThreadPoolExecutor(4) as pool:
        list(pool.map(client.get, [server.url(QUESTION)] * 40))
    admitted = [request.received_ns for request in server.requests if request.status == 200]
    assert admitted
    assert all(later - earlier >= 1_000_000_000 for earlier, later in zip(admitted, admitted[5:], strict=False))


def test_server_runs_beside_a_running_loop():
    async def in_a_notebook():
        with serve(QUICK) as server:
            async with httpx2.AsyncClient(trust_env=False) as client:
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
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(address, trust_env=False)


@pytest.mark.processes
def test_forgotten_server_does_not_hinder_the_end_of_the_interpreter():
    program = "from kaygraph_viz.course.services.server import serve; server = serve(); print(server.is_running)"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("True\n", "")


def test_settings_and_app_together_are_refused():
    with pytest.raises(OptionError, match="app must be left out"):
        LocalServer(QUICK, app=object())


# == background =====================================================================================================


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


# == app ============================================================================================================


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


def test_other_server_that_cannot_close_connections_is_an_error_that_says_so():
    with pytest.raises(ServiceError, match="LocalServer"):
        ask(create_app(ServiceSettings(drop_rate=1)), "/profile?customer_id=C00001")


@pytest.mark.processes
def test_services_in_simulated_time_need_no_uvicorn():
    program = (
        "import sys; sys.modules['uvicorn'] = None\n"  # as in a browser tab
        "import kaygraph_viz as kv\n"
        "from kaygraph_viz.course.services.server import serve\n"
        "with kv.record(clock='virtual'), serve() as server, server.client() as client:\n"
        "    print(client.get('/health').status_code)"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("200\n", "")
