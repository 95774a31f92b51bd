"""Lesson 2: what the log of the services proves."""

from __future__ import annotations

import pytest

from kaygraph_viz.lessons.parts.l02 import each_source_is_asked, most_in_one_second, refused, within_limit
from kaygraph_viz.services.request_log import LoggedRequest
from kaygraph_viz.testing import bar, make_trace

RUN = make_trace(bar("a", "t-1", 0, 1))
SECOND_NS = 1_000_000_000


def calls(service, *times_s, status=200):
    return [LoggedRequest("GET", f"/{service}", "", round(at * SECOND_NS), 0, status) for at in times_s]


def test_calls_are_counted_in_every_second_and_for_each_service_alone():
    log = calls("social", 0, 0.5, 0.9, 1.2, 1.3, 3) + calls("profile", 0.6, 0.7)
    assert (most_in_one_second(log, "social"), most_in_one_second(log, "company")) == (4, 0)


@pytest.mark.parametrize(
    ("log", "is_met", "reason"),
    [
        (calls("social", 0, 0.5, 1), True, "none was refused, and social got at most 2 calls in one second"),
        (calls("social", 0, 0.5, 0.9), False, "none was refused, and social got at most 3 calls in one second"),
        (calls("social", 0, 2, status=429), False, "2 calls were refused"),
        (calls("social", 0, status=429), False, "1 call was refused"),
    ],
)
def test_a_limit_is_kept_where_none_is_refused_and_none_would_be(log, is_met, reason):
    found = within_limit(log, "social", 2).evaluate(RUN)
    assert (found.is_met, found.reason) == (is_met, reason)


def test_refused_calls_are_those_with_status_429():
    assert refused(calls("social", 0, 1, status=429) + calls("social", 2, status=503)) == 2


def test_each_source_has_to_answer_about_each_record():
    records = [{}, {}]
    log = [call for name in ("profile", "location", "social") for call in calls(name, 0, 1)]
    found = each_source_is_asked(log + calls("company", 0) + calls("company", 1, status=503), records).evaluate(RUN)
    assert (found.is_met, found.reason) == (False, "company answered 1 questions, but there are 2 customers")
    assert each_source_is_asked(log + calls("company", 0, 1, status=404), records).evaluate(RUN).is_met
