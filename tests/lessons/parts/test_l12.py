"""A day of requests: when they come, and the goals about how long they wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from kaygraph_viz.lessons.grade import grade
from kaygraph_viz.lessons.parts.l12 import answer, run_day, waits_at_most
from kaygraph_viz.testing import bar, make_trace


def one_after_the_other(coming):
    return [answer(request) for request in coming if request.kind == "short"]


def with_six_workers(coming):
    with ThreadPoolExecutor(6) as pool:
        return [each.result() for each in [pool.submit(answer, request) for request in coming]]


def test_requests_come_in_order_and_all_are_answered():
    answers, trace = run_day(with_six_workers)
    assert answers == list(range(392))
    assert [len(trace.where(name=kind)) for kind in ("short", "long")] == [360, 32]


def test_a_request_that_is_answered_at_once_does_not_wait():
    _, trace = run_day(one_after_the_other)
    assert grade(trace, [waits_at_most(0, "short")]).passed


def test_the_wait_is_that_of_so_many_of_100_and_is_shown_where_it_was():
    waits = make_trace(*(bar("short", "t-1", at, at + 1, waited_s=at) for at in range(10)))
    assert grade(waits, [waits_at_most(8, "short", of_100=90)]).passed
    (found,) = grade(waits, [waits_at_most(8, "short")]).findings
    assert (found.is_met, found.reason, found.from_s, found.to_s) == (False, "100 of 100 waited at most 9.00 s", 0, 9)


def test_requests_that_were_not_answered_are_missed():
    (found,) = grade(make_trace(bar("short", "t-1", 0, 1, waited_s=0)), [waits_at_most(1, "long")]).findings
    assert (found.is_met, found.reason) == (False, "no long request was answered")
