"""Blocks that are left in another context, task or thread than they were entered in: record, span, clocks, executors.

Async fixtures do that, generators that are closed by someone else, and an ``ExitStack`` that is handed on.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import ExitStack

import pytest

from kaygraph_viz.clock.clock import REAL, current_clock, use_clock
from kaygraph_viz.execute.cancel import CancelToken, stopping_all
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.options import told_of_traces
from kaygraph_viz.trace.recorder import NO_SCOPE, current_scope, span
from kaygraph_viz.trace.traced import traced


def in_another_context(function):
    contextvars.copy_context().run(function)


def in_another_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def in_a_task(function):
    async def call():
        function()

    asyncio.run(call())


ELSEWHERE = [in_another_context, in_another_thread, in_a_task]
OPTIONS = [{}, {"shared_access": True}, {"memory": True}, {"clock": FakeClock()}]
elsewhere = pytest.mark.parametrize("leave", ELSEWHERE)


def is_off():
    return current_scope() is NO_SCOPE and current_clock() is REAL


@elsewhere
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_recording_ends_with_its_trace_whole_and_is_off_in_both_contexts(leave, options):
    seen = []

    def recording():
        with record(**options) as trace, span("outer"):
            with span("inner"):
                pass
            yield trace

    begun = recording()
    trace = next(begun)
    leave(lambda: (begun.close(), seen.append(is_off())))
    assert [seen, is_off(), trace.is_live] == [[True], True, False]
    assert [one.name for one in trace.validate()] == ["outer", "inner"]
    with span("later"):
        pass
    with record() as later, span("later"):
        pass
    assert (len(trace), len(later)) == (2, 1)


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("leave", [in_another_context, in_another_thread])
def test_simulated_time_ends_in_both_contexts_too(leave, seed):
    def recording():
        with record(clock="virtual", seed=seed) as trace, span("outer"):
            yield trace

    begun = recording()
    trace = next(begun)
    leave(begun.close)
    assert is_off()
    assert [one.name for one in trace.validate()] == ["outer"]
    with record(clock="virtual") as later, span("later"):
        pass
    assert len(later) == 1


def test_an_async_fixture_may_begin_and_end_in_tasks_of_its_own():
    async def fixture():
        with record() as trace:
            yield trace

    async def use(trace):
        with span("in the test"):
            assert trace.is_live

    async def end(running):
        with pytest.raises(StopAsyncIteration):
            await anext(running)

    with asyncio.Runner() as runner:
        running = fixture()
        trace = runner.run(anext(running))
        runner.run(use(trace))
        runner.run(end(running))
    assert [one.name for one in trace.validate()] == ["in the test"]
    assert is_off()


@elsewhere
def test_a_recording_around_it_goes_on(leave):
    def recording():
        with record() as trace:
            yield trace

    with record() as outer, span("first"):
        begun = recording()
        next(begun)
        leave(begun.close)
        with span("second"):
            pass
    assert [(one.name, one.parent_id) for one in outer.validate()] == [
        ("first", None),
        ("second", outer.spans[0].span_id),
    ]
    assert is_off()


@elsewhere
def test_nothing_is_put_into_a_span_that_has_ended_elsewhere(leave):
    def opened():
        with span("left"):
            yield

    with record() as trace, span("first"):
        begun = opened()
        next(begun)
        leave(begun.close)
        with span("second"):
            pass
    first = trace.spans[0].span_id
    assert [(one.name, one.parent_id, one.status) for one in trace.validate()] == [
        ("first", None, "ok"), ("left", first, "cancelled"), ("second", first, "ok"),
    ]  # fmt: skip


def test_an_async_generator_that_its_loop_closes_was_given_up():
    async def numbers():
        with span("numbers"):
            for number in range(3):
                yield number

    async def main():
        with record() as trace:
            with span("reads one"):
                async for _ in numbers():
                    break
            await asyncio.sleep(0)
        return trace

    assert [(one.name, one.status) for one in asyncio.run(main()).validate()] == [
        ("reads one", "ok"), ("numbers", "abandoned"),
    ]  # fmt: skip


@elsewhere
def test_a_traced_generator_may_be_closed_elsewhere(leave):
    @traced
    def numbers():
        yield from range(3)

    with record() as trace:
        begun = numbers()
        next(begun)
        leave(begun.close)
    assert [one.name for one in trace.validate()] == ["numbers"]


@elsewhere
@pytest.mark.parametrize("kind", ["thread", "serial", "async"])
def test_an_executor_may_be_shut_elsewhere(leave, kind):
    with record() as trace:
        stack = ExitStack()
        executor = stack.enter_context(get_executor(kind, 2))
        assert [outcome.value for outcome in executor.imap(str.upper, "ab")] == ["A", "B"]
        leave(stack.close)
    assert [one.status for one in trace.validate()] == ["ok", "ok"]


@elsewhere
@pytest.mark.parametrize(
    "block", [lambda: use_clock(FakeClock()), lambda: stopping_all(CancelToken()), lambda: told_of_traces(print)]
)
def test_other_blocks_may_be_left_elsewhere(leave, block):
    stack = ExitStack()
    stack.enter_context(block())
    leave(stack.close)
    assert is_off()


# -- what goes on after the block around it ----------------------------------------------------------------------


def test_a_task_that_outlives_the_span_around_it_belongs_to_what_goes_on():
    async def later(may_end):
        with span("task"):
            await may_end.wait()
            with span("in the task"):
                pass

    async def main():
        with record() as trace, span("first"):
            may_end = asyncio.Event()
            with span("second"), span("third"):
                task = asyncio.create_task(later(may_end))
                await asyncio.sleep(0)
            may_end.set()
            await task
        return trace

    trace = asyncio.run(main()).validate()
    names = {one.span_id: one.name for one in trace}
    assert [(one.name, names.get(one.parent_id), one.status) for one in trace] == [
        ("first", None, "ok"), ("second", "first", "ok"), ("third", "second", "ok"), ("task", "first", "ok"),
        ("in the task", "task", "ok"),
    ]  # fmt: skip


def test_a_task_that_outlives_all_spans_around_it_is_at_the_top():
    async def later():
        await asyncio.sleep(0)
        with span("task"):
            await asyncio.sleep(0)

    async def main():
        with record() as trace:
            with span("first"):
                task = asyncio.create_task(later())
                await asyncio.sleep(0)
            await task
        return trace

    assert [(one.name, one.parent_id) for one in asyncio.run(main()).validate()] == [("first", None), ("task", None)]
