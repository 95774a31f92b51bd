"""Lesson 6: a service that counts its calls."""

from __future__ import annotations

import asyncio

import pytest

from kaygraph_viz.execute.coroutines.loops import run
from kaygraph_viz.lessons.parts.l06 import Service, each_called_once
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace

RUN = make_trace(bar("a", "t-1", 0, 1))


def called(*numbers):
    """Return a service after calls of it, all at once, and the trace of them."""
    service = Service(0.2)

    async def calls():
        return await asyncio.gather(*[service.call(number) for number in numbers])

    with record(clock="virtual") as trace:
        assert run(calls()) == [f"answer {number}" for number in numbers]
    return service, trace


def test_each_call_waits_and_is_a_branch():
    _, trace = called(0, 1, 2)
    assert [branch.service_s for branch in trace.where(kind="branch")] == [0.2, 0.2, 0.2]
    assert trace.makespan_s == 0.2


@pytest.mark.parametrize(
    ("numbers", "is_met", "reason"),
    [
        ([0, 1, 2], True, "3 calls were answered"),
        ([0, 2], False, "call 1 was answered 0 times"),
        ([0, 1, 2, 2], False, "call 2 was answered 2 times"),
    ],
)
def test_each_number_has_to_be_called_once(numbers, is_met, reason):
    found = each_called_once(called(*numbers)[0], range(3)).evaluate(RUN)
    assert (found.is_met, found.reason) == (is_met, reason)


def test_what_is_no_service_was_not_called():
    assert not each_called_once(None, range(1)).evaluate(RUN).is_met
