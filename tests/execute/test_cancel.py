"""Stopping calls from outside: tokens and deadlines, for the kinds that share memory."""

from __future__ import annotations

import asyncio
import threading

import pytest

from kaygraph_viz.base.errors import CallCancelled, OptionError
from kaygraph_viz.execute.call import MemoryBudget
from kaygraph_viz.execute.cancel import CancelToken, cancel_after, interrupt, stopping_all
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record

GUARD_S = 20.0
KINDS = ["serial", "thread", "async"]


@pytest.fixture(params=KINDS)
def executor(request):
    with get_executor(request.param, 2) as made:
        yield made


def test_a_token_tells_each_listener_once():
    token, told = CancelToken(), []
    with token.stopping(told.append):
        token.cancel()
        token.cancel(ValueError("too late"))
    assert token.is_cancelled
    assert told == [token.reason]
    assert type(token.reason) is CallCancelled
    with token.stopping(told.append):
        assert told == [token.reason] * 2


def test_a_listener_that_has_left_is_not_told():
    token, told = CancelToken(), []
    with token.stopping(told.append):
        pass
    token.cancel()
    assert told == []


def test_a_token_says_what_it_is():
    token = CancelToken()
    assert repr(token) == "<CancelToken, not cancelled>"
    token.cancel(LookupError("enough"))
    assert repr(token) == "<CancelToken, cancelled: LookupError: enough>"


def test_a_call_that_ends_in_time_cancels_nothing():
    token = CancelToken()
    with cancel_after(token, GUARD_S, ValueError("late")):
        pass
    assert not token.is_cancelled


@pytest.mark.parametrize("kind", ["thread", "async"])
def test_one_token_stops_several_calls_that_would_not_end(kind):
    token, barrier, go = CancelToken(), threading.Barrier(3), threading.Event()
    caught = []

    async def forever(_):
        await asyncio.to_thread(barrier.wait, GUARD_S)
        await asyncio.Event().wait()

    def blocked(_):
        barrier.wait(GUARD_S)
        go.wait(GUARD_S)

    def read():
        with pytest.raises(CallCancelled), get_executor(kind, 1) as executor:
            list(executor.imap(forever if kind == "async" else blocked, [1], cancel=token))
        caught.append(True)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    barrier.wait(GUARD_S)
    token.cancel()
    for reader in readers:
        reader.join(GUARD_S)
    go.set()
    assert caught == [True, True]


@pytest.mark.parametrize("kind", ["thread", "async"])
def test_a_memory_budget_that_is_used_up_leaves_no_look_ahead(kind, monkeypatch):
    monkeypatch.setattr("kaygraph_viz.execute.call.used_bytes", lambda: 2_000)
    for budget, most in ((MemoryBudget(1_000), 2), (MemoryBudget(10_000), 2 + 50)):
        pulled = ahead = 0

        def items():
            nonlocal pulled
            for number in range(20):
                pulled += 1
                yield number

        with get_executor(kind, 2) as executor:
            outcomes = executor.imap(str, items(), memory=budget, window=50)
            for delivered, outcome in enumerate(outcomes, 1):
                ahead = max(ahead, pulled - delivered)
                assert outcome.value == str(delivered - 1)
        assert pulled == 20
        assert ahead <= most


def test_the_memory_is_not_looked_up_all_the_time(monkeypatch):
    looked = []
    monkeypatch.setattr("kaygraph_viz.execute.call.used_bytes", lambda: looked.append(1) or 1)
    monkeypatch.setattr("kaygraph_viz.execute.call.time.monotonic_ns", lambda: 10**12)
    budget = MemoryBudget(5)
    assert [budget.is_tight() for _ in range(10)] == [False] * 10
    assert len(looked) == 1


@pytest.mark.parametrize("most", [0, -1, True, 1.5, None])
def test_impossible_budgets(most):
    with pytest.raises(OptionError, match="max_bytes"):
        MemoryBudget(most)


# -- stopping calls that somebody else makes ------------------------------------------------------------------------


def test_an_outer_token_stops_calls_that_do_not_know_it(executor):
    token, done = CancelToken(), []
    with stopping_all(token), pytest.raises(CallCancelled):
        for outcome in executor.imap(str, range(100), window=0):
            done.append(outcome.index)
            token.cancel()
    assert len(done) < 100


def test_an_outer_token_reaches_the_calls_of_branches():
    token, inner = CancelToken(), []

    def branch(_):
        token.cancel()
        with get_executor("serial") as executor:
            list(executor.imap(inner.append, [1]))

    with stopping_all(token), get_executor("thread", 1) as executor, pytest.raises(CallCancelled):
        list(executor.imap(branch, [1]))
    assert inner == []


def test_calls_after_the_block_are_not_stopped(executor):
    token = CancelToken()
    with stopping_all(token):
        pass
    token.cancel()
    assert [outcome.value for outcome in executor.imap(str, [1])] == ["1"]


def test_an_outer_token_does_not_interfere_with_simulated_time():
    token = CancelToken()
    with stopping_all(token), record(clock="virtual"), get_executor("thread", 2) as executor:
        for _ in executor.imap(str, [1, 2, 3]):
            assert not token.is_in_use


def test_a_token_knows_whether_it_would_stop_anything(executor):
    token = CancelToken()
    assert not token.is_in_use
    with stopping_all(token):
        for _ in executor.imap(str, [1]):
            assert token.is_in_use
    assert not token.is_in_use


def test_a_thread_that_computes_can_be_interrupted():
    caught, began = [], threading.Event()

    def endless():
        try:
            began.set()
            while True:
                pass
        except KeyboardInterrupt as error:
            caught.append(error)

    thread = threading.Thread(target=endless)
    thread.start()
    assert began.wait(GUARD_S)
    interrupt(thread)
    thread.join(GUARD_S)
    assert len(caught) == 1
    interrupt(thread)  # it is over: nothing happens
