"""The shared HTTP client is opened late and closed once; Retry-After is read as seconds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from kaygraph_viz.errors import ServiceError
from kaygraph_viz.patterns import client as module
from kaygraph_viz.patterns.client import ClientOwner, retry_after_s


class Requests(ClientOwner):
    when_closed = "this asker is closed; make a new one"

    def client(self):
        return self._opened()


@pytest.fixture
def opened(monkeypatch):
    """The clients that are opened during the test."""
    found = []

    def open_client():
        found.append(httpx2.Client(trust_env=False))
        return found[-1]

    monkeypatch.setattr(module, "open_client", open_client)
    return found


def test_nothing_is_opened_before_it_is_used(opened):
    with Requests():
        pass
    assert opened == []


def test_threads_share_one_client(opened):
    with Requests() as asking, ThreadPoolExecutor(8) as threads:
        clients = {id(each) for each in threads.map(lambda _: asking.client(), range(32))}
    assert clients == {id(client) for client in opened}
    assert len(opened) == 1


def test_the_end_of_the_block_closes_the_client_also_after_an_error(opened):
    with pytest.raises(KeyError), Requests() as asking:
        asking.client()
        raise KeyError
    assert opened[0].is_closed


def test_a_closed_one_says_what_to_write_and_opens_nothing(opened):
    asking = Requests()
    asking.close()
    asking.close()
    with pytest.raises(ServiceError, match="this asker is closed; make a new one"):
        asking.client()
    assert opened == []


def test_a_client_that_is_given_is_used_and_stays_open(opened):
    with httpx2.Client(trust_env=False) as client:
        with Requests(client) as asking:
            assert asking.client() is client
        assert not client.is_closed
    assert opened == []


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("2", 2.0), ("0.25", 0.25), ("-1", 0.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None), ("nan", None),
        ("inf", None), ("", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds(header, wait_s):
    assert retry_after_s(header) == wait_s
