"""Programs that ask services: requests at once, as the services see them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from kaygraph_viz.lessons.grade import grade
from kaygraph_viz.lessons.parts.l10 import at_most_requests, customers, simulated
from kaygraph_viz.testing import bar, make_trace


def ask(client, customer):
    return client.get("/profile", params={"customer_id": customer["customer_id"]}).status_code


def at_once(client, most=6, free=None):
    def one(customer):
        with free or threading.Semaphore(1):
            return ask(client, customer)

    with ThreadPoolExecutor(most) as pool:
        return list(pool.map(one, customers[:6]))


def test_requests_are_counted_where_they_are_answered():
    results, trace = simulated(at_once)
    assert len(results) == 6
    assert grade(trace, [at_most_requests(6)]).passed
    (found,) = grade(trace, [at_most_requests(5)]).findings
    assert (found.is_met, found.reason) == (False, "at most 6 requests were in progress at once")
    assert 0 <= found.from_s < found.to_s <= trace.makespan_s


def test_threads_that_wait_for_their_turn_are_no_requests():
    _, trace = simulated(lambda client: at_once(client, free=threading.Semaphore(2)))
    assert grade(trace, [at_most_requests(2)]).passed


def test_a_run_without_services_has_no_requests():
    assert grade(make_trace(bar("a", "t-1", 0, 1)), [at_most_requests(1)]).passed
