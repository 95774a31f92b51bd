"""One branch: the attempt number, and errors as a node may raise them."""

from __future__ import annotations

import asyncio

import pytest

from kaygraph_viz.clock import sleep_async, use_clock
from kaygraph_viz.errors import BranchError
from kaygraph_viz.execute.core.retries import (
    ONCE,
    as_node_error,
    attempt_number,
    first_attempt,
    run_attempts,
    run_attempts_async,
)
from kaygraph_viz.execute.coroutines.loops import run
from kaygraph_viz.execute.limits import RetryPolicy
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import span


def where(index):
    return f"item {index}"


def test_attempts_count_from_one_and_the_number_around_comes_back():
    seen = []

    def fail(_):
        seen.append(attempt_number())
        raise ValueError("bad")

    with first_attempt():
        run_attempts(fail, None, 0, RetryPolicy(3), None, where)
        with first_attempt():
            seen.append(attempt_number())
        seen.append(attempt_number())
    seen.append(attempt_number())
    assert seen == [1, 2, 3, 1, 3, 1]


def test_an_interrupt_is_neither_tried_again_nor_given_to_the_fallback():
    def interrupt(_):
        raise KeyboardInterrupt

    def fallback(item, error):
        raise AssertionError("was called")

    _, error, attempts = run_attempts(interrupt, None, 0, RetryPolicy(3), fallback, where)
    assert (type(error), attempts) == (KeyboardInterrupt, 1)


def test_an_interrupt_between_two_attempts_leaves_a_valid_trace():
    class Interrupted(FakeClock):
        def sleep(self, seconds):
            raise KeyboardInterrupt

    def fail(_):
        raise ValueError("bad")

    with pytest.raises(KeyboardInterrupt), record(clock=Interrupted()) as trace, get_executor("serial") as executor:
        list(executor.imap(fail, [1], retry=RetryPolicy(3, wait=1)))
    assert [(s.kind, s.status) for s in trace] == [("branch", "cancelled"), ("attempt", "error")]


def test_a_coroutine_that_is_cancelled_while_it_waits_ends_its_wait_at_once():
    async def fail(_):
        raise ValueError("bad")

    async def cancel_while_it_waits():
        with span("branch"):
            waiting = asyncio.ensure_future(run_attempts_async(fail, None, 0, RetryPolicy(2, wait=9), None, where))
            await sleep_async(1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError) as kept:
                await waiting
        await sleep_async(1)
        return kept  # it refers to the frames that waited, which therefore last

    with record(clock="virtual") as trace:
        run(cancel_while_it_waits())
    waits = [(each.started_ns / 1e9, each.service_s) for each in trace if each.kind == "wait"]
    assert (waits, trace.validate()) == ([(0.0, 1.0)], trace)


def test_stamps_of_branches_and_spans_come_from_one_clock():
    """Another clock may be put in force inside a recording: its times belong to another axis."""
    with record() as trace, use_clock(FakeClock(start_s=1e6)), get_executor("serial") as executor:
        list(executor.imap(str, [1]))
    assert trace.makespan_s < 1000


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), RecursionError()])
def test_ordinary_errors_and_interrupts_stay_what_they_are(error):
    assert as_node_error(error, "item 3") is error


@pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit()])
def test_other_exits_become_branch_errors(error):
    made = as_node_error(error, "item 3")
    assert type(made) is BranchError
    assert made.__cause__ is error
    assert "item 3" in str(made)


def test_once_means_once():
    assert not ONCE.applies(1, ValueError())


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
def test_what_ends_loops_can_be_tried_again_by_its_own_name(kind):
    calls = []

    def fail(_):
        calls.append(1)
        raise kind

    for retry_on in ((kind,), (Exception,), (ValueError,)):
        value, error, attempts = run_attempts(fail, 0, 0, RetryPolicy(3, retry_on=retry_on), None, "item {}".format)
        assert (value, type(error), attempts) == (None, BranchError, 1 if retry_on == (ValueError,) else 3)
        assert type(error.__cause__) is kind
    assert len(calls) == 7
