"""The log of requests: any number of threads write into it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError

import pytest

from kaygraph_viz.services.request_log import RequestLog


def test_requests_keep_the_order_of_their_arrival():
    log = RequestLog()
    places = [log.arrived("GET", f"/{name}", "", at) for at, name in enumerate("abc")]
    assert places == [0, 1, 2]
    assert [request.path for request in log.requests] == ["/a", "/b", "/c"]


def test_what_is_noted_later_belongs_to_its_request():
    log = RequestLog()
    first, second = log.arrived("GET", "/a", "", 1), log.arrived("GET", "/b", "", 2)
    log.note(second, status=503)
    log.note(first, status=200)
    log.note(first, answered_ns=9)
    assert [(one.status, one.answered_ns) for one in log.requests] == [(200, 9), (503, None)]


def test_requests_that_were_read_do_not_change_any_more():
    log = RequestLog()
    at = log.arrived("GET", "/a", "", 1)
    before = log.requests
    log.note(at, status=200)
    assert before[0].status is None
    with pytest.raises(FrozenInstanceError):
        before[0].status = 200


def test_threads_get_places_of_their_own():
    log = RequestLog()

    def ask(number):
        at = log.arrived("GET", f"/{number}", "", number)
        log.note(at, status=number)
        return at

    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(ask, range(200)))
    assert sorted(places) == list(range(200))
    assert all(one.path == f"/{one.status}" for one in log.requests)


def test_credentials_in_a_query_are_masked():
    log = RequestLog()
    at = log.arrived("GET", "/verify", "city=Oslo&api_key=hunter2", 1)
    assert log[at].query == "city=Oslo&api_key=***"
