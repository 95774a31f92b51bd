"""The external check: a service that answers, and one that fails."""

from __future__ import annotations

import gzip
import pickle
import socket
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from kaygraph_viz.errors import OptionError, ServiceError, ServiceUnavailable
from kaygraph_viz.patterns import external
from kaygraph_viz.patterns.external import AddressVerifier
from kaygraph_viz.services.app import ServiceSettings
from kaygraph_viz.services.datasets import load_customers
from kaygraph_viz.services.server import serve

CUSTOMERS = load_customers(limit=200)
GOOD = CUSTOMERS[0]


def answer(status=200, body=b"", headers=()):
    """Return an application that gives one fixed answer."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    return app


def failure(base_url, timeout_s=30):
    """Return the error that a check raises when the service at this address gives no usable answer."""
    with AddressVerifier(base_url, timeout_s=timeout_s) as verifier, pytest.raises(ServiceUnavailable) as caught:
        verifier.check(GOOD)
    return caught.value


@pytest.mark.parametrize("status", [500, 503, 404, 302, 204])
def test_answer_other_than_200_is_unavailable_and_never_a_pass(status):
    with serve(app=answer(status)) as server:
        error = failure(server.base_url)
    assert (error.status, error.retry_after_s) == (status, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"fine",
        b"[]",
        b"{}",
        b'{"city_known": null, "domain_status": "deliverable"}',
        b'{"city_known": "yes", "domain_status": "deliverable"}',
        b'{"city_known": true, "domain_status": "perhaps"}',
        b"[" * 60_000,
        b" " * 70_000,
        b"\xff\xfe",
    ],
)
def test_nonsense_is_unavailable_and_never_a_pass(body):
    with serve(app=answer(body=body)) as server:
        assert failure(server.base_url)


def test_half_a_body_is_unavailable():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"50")]})
        await send({"type": "http.response.body", "body": b'{"city_known": true', "more_body": False})

    with serve(app=app) as server:
        assert failure(server.base_url)


def test_hanging_service_is_unavailable():
    with serve(ServiceSettings(hang_rate=1)) as server:
        assert failure(server.base_url, timeout_s=0.05).reason == "no complete answer within 0.05 s"


def test_answer_that_comes_in_drops_after_the_deadline_is_given_up(verifier, monkeypatch):
    times_ns = iter([0, round((verifier.timeout_s + 1) * 1e9)])
    monkeypatch.setattr(external, "current_clock", lambda: SimpleNamespace(now_ns=lambda: next(times_ns)))
    with pytest.raises(ServiceUnavailable, match="no complete answer within 30 s"):
        verifier.check(GOOD)


def test_service_that_is_down_is_unavailable():
    with socket.socket() as taken:  # bound but not listening: nobody else can take the port meanwhile
        taken.bind(("127.0.0.1", 0))
        error = failure(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert error.reason.startswith("ConnectError")
    assert isinstance(error, ConnectionError)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"city": ""}, "city"), ({"country": None}, "country"), ({"email": "ann"}, "email"), ({"city": "a\0"}, "city")],
)
def test_question_that_cannot_be_asked_is_a_finding_without_a_request(changes, field):
    with serve(app=answer(500)) as server, AddressVerifier(server.base_url) as verifier:
        findings = verifier.check(GOOD | changes)
        assert [(finding.field, finding.code) for finding in findings] == [(field, "not_verifiable")]
        assert server.requests == ()


def test_threads_may_share_a_verifier(verifier):
    with ThreadPoolExecutor(8) as pool:
        findings = list(pool.map(verifier.check, CUSTOMERS))
    assert findings == [verifier.check(customer) for customer in CUSTOMERS]


def test_pickled_verifier_works(verifier):
    with pickle.loads(pickle.dumps(verifier)) as again:
        assert again.check(GOOD) == []
        assert repr(again) == repr(verifier)


def test_closed_verifier_says_so(server):
    verifier = AddressVerifier(server.base_url)
    verifier.close()
    with pytest.raises(ServiceError, match="closed"):
        verifier.check(GOOD)


@pytest.mark.parametrize("base_url", ["", "127.0.0.1:80", "ftp://127.0.0.1", None])
def test_address_that_is_no_http_address_is_refused(base_url):
    with pytest.raises(OptionError, match="base_url must be"):
        AddressVerifier(base_url)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), "2", True])
def test_timeout_that_is_no_positive_number_is_refused(timeout_s):
    with pytest.raises(OptionError, match="timeout_s must be"):
        AddressVerifier("http://127.0.0.1:80", timeout_s=timeout_s)


def test_a_compressed_answer_is_refused_before_it_is_unpacked():
    with serve(app=answer(body=gzip.compress(b" " * 1_000_000), headers=[(b"content-encoding", b"gzip")])) as server:
        assert "is compressed (gzip)" in str(failure(server.base_url))


def test_credentials_in_the_address_are_not_shown():
    with AddressVerifier(f"http://ada:{'hunter2'}@127.0.0.1:1") as verifier:
        assert "hunter2" not in repr(verifier)
        with pytest.raises(ServiceUnavailable) as caught:
            verifier.check(GOOD)
    assert "hunter2" not in str(caught.value) + caught.value.url
