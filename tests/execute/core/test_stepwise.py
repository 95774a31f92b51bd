"""Coroutines step by step: contexts kept apart, exceptions and closing passed on, CPU time of the steps."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from kaygraph_viz.execute.core.stepwise import StepTimer, in_context
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.lanes import Lane

name = contextvars.ContextVar("name", default="outside")


def test_every_step_sees_the_context_and_nobody_else_does():
    async def inside():
        name.set("inside")
        await asyncio.sleep(0)
        return name.get()

    async def main():
        found = await in_context(contextvars.copy_context(), inside())
        return found, name.get()

    assert asyncio.run(main()) == ("inside", "outside")


def test_two_in_one_task_are_kept_apart():
    async def inside(word):
        before = name.get()
        name.set(word)
        await asyncio.sleep(0)
        return before, name.get()

    async def main():
        return [await in_context(contextvars.copy_context(), inside(word)) for word in "ab"]

    assert asyncio.run(main()) == [("outside", "a"), ("outside", "b")]


def test_errors_of_what_was_awaited_arrive_inside_and_those_from_inside_outside():
    async def inside(future):
        try:
            await future
        except LookupError:
            raise ValueError("seen") from None

    async def main():
        future = asyncio.get_running_loop().create_future()
        future.set_exception(LookupError())
        await in_context(contextvars.copy_context(), inside(future))

    with pytest.raises(ValueError, match="seen"):
        asyncio.run(main())


def test_a_cancellation_arrives_inside():
    said = []

    async def inside():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            said.append("cancelled")
            await asyncio.sleep(0)
            raise

    async def main():
        task = asyncio.create_task(awaiting())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    async def awaiting():
        await in_context(contextvars.copy_context(), inside())

    assert asyncio.run(main())
    assert said == ["cancelled"]


def test_closing_arrives_inside():
    said = []

    async def inside():
        try:
            await asyncio.Event().wait()
        finally:
            said.append("closed")

    async def main():
        async def outer():
            await in_context(contextvars.copy_context(), inside())

        coroutine = outer()
        coroutine.send(None)
        coroutine.close()

    asyncio.run(main())
    assert said == ["closed"]


def test_the_first_wait_is_told_once():
    told = []

    async def inside():
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def without_a_wait():
        return 1

    async def main():
        await in_context(contextvars.copy_context(), without_a_wait(), on_wait=lambda: told.append("never"))
        await in_context(contextvars.copy_context(), inside(), on_wait=lambda: told.append("once"))

    asyncio.run(main())
    assert told == ["once"]


@pytest.mark.parametrize(("has_cpu", "expected"), [(True, 3 * 10**9), (False, -1)])
def test_the_timer_counts_steps_and_not_what_lies_between(has_cpu, expected):
    clock = FakeClock()
    timer = StepTimer(Lane("async-1", clock.cpu_ns if has_cpu else None, 0), clock.now_ns)

    async def inside():
        clock.compute(1)
        await asyncio.sleep(0)
        clock.sleep(7)
        clock.compute(2)

    async def other():
        clock.compute(50)

    async def main():
        beside = asyncio.create_task(other())
        await in_context(contextvars.copy_context(), inside(), timer)
        await beside

    asyncio.run(main())
    assert timer.cpu_ns == expected
