"""Running a service in the background: real sockets, but no test waits for time to pass."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from kaygraph_viz.errors import OptionError, ServiceError
from kaygraph_viz.services.app import ServiceSettings
from kaygraph_viz.services.server import LocalServer, serve

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


def test_with_block_starts_a_server_that_was_not_started():
    with LocalServer(QUICK) as server:
        assert server.is_running


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
    program = "from kaygraph_viz.services.server import serve; server = serve(); print(server.is_running)"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("True\n", "")


def test_repr_names_the_address_and_nothing_of_the_memory():
    with serve(QUICK) as server:
        assert repr(server) == f"LocalServer('{server.base_url}')"
    assert repr(server) == "LocalServer(stopped)"


def test_settings_of_another_type_are_refused():
    with pytest.raises(OptionError, match="settings must be"):
        LocalServer({"latency_s": 0})


def test_settings_and_app_together_are_refused():
    with pytest.raises(OptionError, match="app must be left out"):
        LocalServer(QUICK, app=object())


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
