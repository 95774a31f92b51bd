"""Loops of our own: in a thread for callers that cannot await, for single calls, and the ticker."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

import kaygraph_viz as kv
from kaygraph_viz.execute.coroutines import loops
from kaygraph_viz.execute.coroutines.loops import Service, run_in_private_loop, with_ticker
from kaygraph_viz.recording import record

GUARD_S = 20.0
city = contextvars.ContextVar("city", default="nowhere")


async def answer():
    await asyncio.sleep(0)
    return 42


async def fail():
    raise LookupError("no answer")


def test_results_and_errors_come_back():
    assert run_in_private_loop(answer) == 42
    with pytest.raises(LookupError, match="no answer"):
        run_in_private_loop(fail)


def test_the_context_reaches_it_and_stays_as_it_is():
    async def see_and_leave():
        seen = city.get()
        city.set("left")
        return seen

    token = city.set("Oslo")
    try:
        assert run_in_private_loop(see_and_leave) == "Oslo"
        assert city.get() == "Oslo"
    finally:
        city.reset(token)


def test_spans_are_on_the_lane_of_the_one_who_waits():
    async def work():
        with kv.span("inside"):
            await asyncio.sleep(0)

    with record() as trace, kv.span("outside"):
        run_in_private_loop(work)
    outside, inside = trace
    assert (inside.lane, inside.parent_id) == (outside.lane, outside.span_id)
    assert all(s.cpu_ns >= 0 for s in trace)


def test_an_interrupt_cancels_it_and_waits_for_its_cleanup(monkeypatch):
    began, cleaned = threading.Event(), []

    async def forever():
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    class Interrupted(threading.Event):
        waits = 0

        def wait(self, timeout=None):
            Interrupted.waits += 1
            if Interrupted.waits == 1:
                assert began.wait(GUARD_S)
                raise KeyboardInterrupt
            return super().wait(GUARD_S)

    private = loops._PrivateLoop.__init__

    def with_interrupt(self, make):
        private(self, make)
        self.finished = Interrupted()

    monkeypatch.setattr(loops._PrivateLoop, "__init__", with_interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_in_private_loop(forever)
    assert cleaned == [True]


def test_a_cancellation_before_the_loop_exists_is_not_lost():
    for _ in range(20):
        private = loops._PrivateLoop(lambda: asyncio.Event().wait())
        private.thread.start()
        private.give_up()
        assert private.finished.wait(GUARD_S)
        with pytest.raises(asyncio.CancelledError):
            private.outcome()


@pytest.mark.parametrize("make", [answer, fail])
def test_the_ticker_changes_no_result_and_ends(make):
    async def main():
        try:
            return await with_ticker(make())
        except LookupError:
            return 42
        finally:
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    assert asyncio.run(main()) == 42


def test_the_ticker_wakes_a_loop_that_only_waits(monkeypatch):
    monkeypatch.setattr(loops, "TICK_S", 0)
    turns = []

    async def main():
        done, loop = asyncio.Event(), asyncio.get_running_loop()
        once = loop._run_once

        def counted():
            turns.append(1)
            if len(turns) > 50:
                done.set()
            once()

        monkeypatch.setattr(loop, "_run_once", counted)
        async with asyncio.timeout(GUARD_S):
            return await with_ticker(done.wait())

    assert asyncio.run(main()) is True


def test_a_service_lets_what_was_cancelled_clean_up_before_it_ends():
    service, began, cleaned = Service(2), threading.Event(), []

    async def forever(_):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    service.submit(forever, "forever")
    assert began.wait(GUARD_S)
    service.cancel()
    service.close()
    assert cleaned == [True]


def test_an_interrupt_while_the_loop_is_started_cancels_the_coroutine(monkeypatch):
    begun, ended, threads = threading.Event(), [], []

    async def forever():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    def start(thread):
        original(thread)
        threads.append(thread)
        assert begun.wait(GUARD_S)
        raise KeyboardInterrupt

    original = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        run_in_private_loop(forever)
    threads[0].join(GUARD_S)
    assert ended == [True]
