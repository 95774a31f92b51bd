"""What errors say about a service that is asked too often."""

from __future__ import annotations

from types import SimpleNamespace

import httpx2
import pytest

from kaygraph_viz.errors import ServiceUnavailable
from kaygraph_viz.execute.refusals import asked_s, is_refusal


def http_error(status, **headers):
    request = httpx2.Request("GET", "http://127.0.0.1/")
    response = httpx2.Response(status, headers=headers, request=request)
    return httpx2.HTTPStatusError("refused", request=request, response=response)


@pytest.mark.parametrize(
    ("error", "seconds", "refused"),
    [
        (None, 0, False),
        (ValueError("no answer"), 0, False),
        (ServiceUnavailable("geo", "down", 503), 0, False),
        (ServiceUnavailable("geo", "down", 503, 2.5), 2.5, True),
        (ServiceUnavailable("geo", "too many", 429), 0, True),
        (http_error(429), 0, True),
        (http_error(429, **{"Retry-After": "7"}), 7, True),
        (http_error(429, **{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), 0, True),
        (http_error(500), 0, False),
    ],
)
def test_what_an_error_says(error, seconds, refused):
    assert (asked_s(error), is_refusal(error)) == (seconds, refused)


def test_an_interrupt_while_an_attribute_is_read_goes_on():
    class Interrupting(Exception):
        @property
        def retry_after_s(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asked_s(Interrupting())


def test_strange_attributes_say_nothing():
    error = ValueError()
    error.response = SimpleNamespace(headers=5, status_code=object())
    assert (asked_s(error), is_refusal(error)) == (0, False)
