"""Coroutines as branches: slots, cancelling, clean ends, and what a trace of them says."""

from __future__ import annotations

import asyncio
import itertools
import threading
from contextlib import aclosing, closing

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import BranchError, CallCancelled, DeadlineExceeded
from kaygraph_viz.clock.clock import compute, sleep_async
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.coroutines.executor import AsyncExecutor
from kaygraph_viz.execute.retries import RetryPolicy, attempt_number
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock

GUARD_S = 20.0


async def double(x):
    await asyncio.sleep(0)
    return 2 * x


async def fail_odd(x):
    await asyncio.sleep(0)
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


async def forever(_=None):
    await asyncio.Event().wait()


class Inside:
    """Counts how many are inside at once, and who began, ended, cleaned up."""

    def __init__(self):
        self.now = self.most = 0
        self.begun, self.ended = [], []

    async def __call__(self, x):
        self.now += 1
        self.most = max(self.most, self.now)
        self.begun.append(x)
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            return x
        finally:
            self.now -= 1
            self.ended.append(x)


def run(coroutine):
    async def guarded():
        async with asyncio.timeout(GUARD_S):
            return await coroutine

    return asyncio.run(guarded())


async def collected(executor, fn, items, **options):
    return [outcome async for outcome in executor.aimap(fn, items, **options)]


def read(executor, is_inside, fn, items, **options):
    """Run a call inside a loop or from plain code, and return its outcomes."""
    if is_inside:
        return run(collected(executor, fn, items, **options))
    return list(executor.imap(fn, items, **options))


def both(fn, items, workers=None, **options):
    """Return the outcomes of the call from plain code and of the one inside a loop, which are the same."""
    with AsyncExecutor(workers) as executor:
        plain, inside = (read(executor, is_inside, fn, items, **options) for is_inside in (False, True))
    say = [[(o.index, o.value, repr(o.error), o.status, o.attempts) for o in some] for some in (plain, inside)]
    assert sorted(say[0]) == sorted(say[1])
    return inside


# -- slots ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fn", [double, lambda x: 2 * x, lambda x: asyncio.sleep(0, 2 * x)], ids=["async", "plain", "lambda"]
)
@pytest.mark.parametrize("workers", [None, 1, 3])
@pytest.mark.parametrize("ordered", [True, False])
def test_values_come_once_each_and_in_order_where_wanted(fn, workers, ordered):
    outcomes = both(fn, range(50), workers, ordered=ordered)
    assert sorted(o.index for o in outcomes) == list(range(50))
    assert all(o.value == 2 * o.index for o in outcomes)
    if ordered:
        assert [o.index for o in outcomes] == list(range(50))


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_never_more_than_the_workers_are_inside(workers):
    inside = Inside()
    both(inside, range(40), workers)
    assert inside.most == workers


def test_by_default_a_hundred_are_inside_at_once_whether_the_length_is_known_or_not():
    for items in (range(300), iter(range(300))):
        inside = Inside()
        run(collected(AsyncExecutor(), inside, items))
        assert inside.most == 100  # each is inside for three turns of the loop, and every turn doubles the slots


def test_slots_are_opened_only_where_somebody_waits():
    async def tasks_inside(_):
        return len(asyncio.all_tasks())

    async def main():
        before = len(asyncio.all_tasks())
        outcomes = await collected(AsyncExecutor(), tasks_inside, range(100))
        return {o.value - before for o in outcomes}

    assert run(main()) == {1}


def test_futures_open_slots_too():
    async def main():
        gate = asyncio.get_running_loop().create_future()

        def wait_or_open(x):
            if x == 1:
                gate.set_result("open")
            return gate

        return [o.value for o in await collected(AsyncExecutor(), wait_or_open, range(2))]

    assert run(main()) == ["open", "open"]


def test_waits_between_attempts_open_slots_too():
    async def main():
        opened = asyncio.Event()

        def fail_at_once(x):
            if x == 0 and not opened.is_set():
                raise ValueError("not yet")
            opened.set()
            return x

        async def wait_for_it(seconds):
            await opened.wait()

        class Waiting(FakeClock):
            sleep_async = staticmethod(wait_for_it)

        with record(clock=Waiting()):
            return [
                o.value for o in await collected(AsyncExecutor(), fail_at_once, [0, 1], retry=RetryPolicy(2, wait=1))
            ]

    assert run(main()) == [0, 1]


@pytest.mark.parametrize("window", [0, 2])
@pytest.mark.parametrize("ordered", [True, False])
def test_an_endless_input_is_bounded(window, ordered):
    async def main():
        pulled, most, delivered = itertools.count(), 0, 0
        at = 0

        def endless():
            nonlocal at
            for number in pulled:
                at = number
                yield number

        async with aclosing(AsyncExecutor(5).aimap(double, endless(), window=window, ordered=ordered)) as outcomes:
            async for _ in outcomes:
                delivered += 1
                most = max(most, at + 1 - delivered)
                if delivered == 100:
                    break
        return most

    assert run(main()) <= 5 + window


def test_branches_that_never_wait_let_others_have_a_turn():
    async def main():
        turns = 0

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        with record(clock=FakeClock()):
            beside = asyncio.create_task(other())
            await collected(AsyncExecutor(), lambda _: compute(0.02), range(10))
            beside.cancel()
        return turns

    assert run(main()) >= 9


# -- ends ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_inside", [True, False])
def test_the_first_error_cancels_the_others_and_waits_for_their_cleanup(is_inside):
    cleaned = []

    async def branch(x):
        if x == 3:
            raise ValueError("third")
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            cleaned.append(x)

    with pytest.raises(ValueError, match="third"), AsyncExecutor() as executor:
        read(executor, is_inside, branch, range(6), ordered=False)
    assert set(cleaned) >= {0, 1, 2}


def test_errors_of_cleaning_up_come_with_the_first():
    async def branch(x):
        if x == 2:
            raise ValueError("first")
        try:
            await forever()
        finally:
            raise LookupError(f"cleanup {x}")

    with pytest.raises(ExceptionGroup) as caught:
        run(collected(AsyncExecutor(3), branch, range(3), ordered=False))
    assert sorted(str(error) for error in caught.value.exceptions) == ["cleanup 0", "cleanup 1", "first"]


def test_a_timeout_cancels_the_coroutine_and_its_finally_runs():
    cleaned = []

    async def branch(x):
        try:
            await forever()
        finally:
            cleaned.append(x)

    outcomes = both(branch, range(3), timeout=0.001, on_error="collect")
    assert [o.status for o in outcomes] == ["timeout"] * 3
    assert all(type(o.error) is DeadlineExceeded for o in outcomes)
    assert sorted(cleaned) == [0, 0, 1, 1, 2, 2]


def test_a_timeout_says_how_many_attempts_were_made():
    async def second_hangs(_):
        if attempt_number() == 2:
            await forever()
        raise ValueError("again")

    (outcome,) = both(second_hangs, [0], timeout=0.01, retry=RetryPolicy(5), on_error="collect")
    assert (outcome.status, outcome.attempts) == ("timeout", 2)


def test_what_was_awaited_and_cancelled_is_an_error():
    async def branch(x):
        if x == 1:
            inner = asyncio.ensure_future(forever())
            inner.cancel()
            await inner
        return await double(x)

    outcomes = both(branch, range(3), on_error="collect", owner="Check")
    assert [o.status for o in outcomes] == ["ok", "error", "ok"]
    assert "item 1 of 'Check' was cancelled by itself or by what it awaited" in str(outcomes[1].error)


def test_it_is_tried_again_and_has_a_fallback():
    async def branch(_):
        raise asyncio.CancelledError

    (outcome,) = both(branch, [7], retry=RetryPolicy(3), fallback=lambda item, error: -item)
    assert (outcome.value, outcome.attempts) == (-7, 3)


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("is_inside", [True, False])
def test_a_coroutine_that_cancels_its_task_is_an_error_and_no_hang(waits, is_inside):
    async def branch(x):
        if x == 1:
            asyncio.current_task().cancel()
        if waits or x != 1:
            await asyncio.sleep(0)
        return x

    with pytest.raises(BranchError, match="cancelled its own task"), AsyncExecutor(1) as executor:
        read(executor, is_inside, branch, range(100), on_error="collect")


def test_closing_early_cancels_and_waits():
    inside = Inside()

    async def main():
        async with aclosing(AsyncExecutor(4).aimap(inside, itertools.count())) as outcomes:
            async for _ in outcomes:
                break
        assert inside.now == 0
        assert sorted(inside.begun) == sorted(inside.ended)
        assert len(asyncio.all_tasks()) == 1

    run(main())
    assert len(inside.begun) <= 4 + 16 + 1
    with AsyncExecutor(4) as executor, closing(executor.imap(inside, itertools.count())) as outcomes:
        next(outcomes)
    assert inside.now == 0


def test_cancelling_the_reader_cancels_the_branches():
    inside: list[int] = []
    all_inside = None

    async def branch(x):
        inside.append(x)
        if len(inside) == 20:
            all_inside.set()
        try:
            await forever()
        finally:
            inside.remove(x)

    async def main():
        nonlocal all_inside
        all_inside = asyncio.Event()
        reader = asyncio.create_task(collected(AsyncExecutor(), branch, range(20)))
        await all_inside.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert inside == []

    with record() as trace:
        run(main())
    assert [s.status for s in trace.where(kind="branch")] == ["cancelled"] * 20


@pytest.mark.parametrize("how", ["token", "executor"])
@pytest.mark.parametrize("is_inside", [True, False])
def test_a_call_is_cancelled_from_another_thread(how, is_inside):
    running, cleaned, token = threading.Event(), [], CancelToken()

    async def branch(x):
        if x == 0:
            return x
        running.set()
        try:
            await forever()
        finally:
            cleaned.append(x)

    with AsyncExecutor() as executor:

        def stop():
            assert running.wait(GUARD_S)
            (token if how == "token" else executor).cancel()

        stopper = threading.Thread(target=stop)
        stopper.start()
        seen = []

        async def read():
            async for outcome in executor.aimap(branch, range(3), cancel=token):
                seen.append(outcome.value)

        with pytest.raises(CallCancelled):
            if is_inside:
                run(read())
            else:
                for outcome in executor.imap(branch, range(3), cancel=token):
                    seen.append(outcome.value)
        stopper.join(GUARD_S)
        assert seen == [0]
        assert cleaned
        assert run(collected(executor, double, [1]))[0].value == 2


@pytest.mark.parametrize("is_inside", [True, False])
def test_a_token_that_was_cancelled_before_starts_nothing_or_ends_at_once(is_inside):
    token = CancelToken()
    token.cancel()
    for _ in range(20):  # the loop of a private thread may or may not have begun
        with pytest.raises(CallCancelled), AsyncExecutor() as executor:
            read(executor, is_inside, forever, range(3), cancel=token)


@pytest.mark.parametrize("is_inside", [True, False])
def test_an_input_that_raises_gives_the_finished_results_first(is_inside):
    def items():
        yield from range(4)
        raise OSError("disk gone")

    seen = []

    async def read(executor):
        async for outcome in executor.aimap(double, items()):
            seen.append(outcome.value)

    with pytest.raises(OSError, match="disk gone"), AsyncExecutor() as executor:
        if is_inside:
            run(read(executor))
        else:
            for outcome in executor.imap(double, items()):
                seen.append(outcome.value)
    assert seen == [0, 2, 4, 6]


def test_an_input_that_cannot_be_iterated_over_is_no_hang():
    class Broken:
        def __iter__(self):
            raise OSError("no input")

    with pytest.raises(OSError, match="no input"), AsyncExecutor() as executor:
        list(executor.imap(double, Broken()))


def test_an_interrupt_of_the_reader_does_not_wait_for_branches_that_cannot_stop(monkeypatch):
    released, inside = threading.Event(), threading.Event()

    def stuck(_):
        inside.set()
        released.wait(GUARD_S)

    with AsyncExecutor() as executor:
        outcomes = executor.imap(stuck, [1])
        from kaygraph_viz.execute.coroutines import executor as coroutines

        def interrupted(pump):
            assert inside.wait(GUARD_S)
            raise KeyboardInterrupt
            yield

        monkeypatch.setattr(coroutines._LoopThread, "outcomes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(outcomes)
        assert not released.is_set()
        released.set()


# -- retries, fallbacks, contexts ----------------------------------------------------------------------------------


async def minus(item, error):
    await asyncio.sleep(0)
    return -item


@pytest.mark.parametrize("fallback", [minus, lambda item, error: -item])
def test_a_fallback_may_be_plain_or_a_coroutine(fallback):
    outcomes = both(fail_odd, [1, 2], fallback=fallback, retry=RetryPolicy(2))
    assert [(o.value, o.status) for o in outcomes] == [(-1, "ok"), (2, "ok")]


# -- traces --------------------------------------------------------------------------------------------------------


def test_spans_inside_are_on_the_lane_of_their_slot_and_tasks_have_lanes_of_their_own():
    async def branch(x):
        with kv.span("inner"):
            await asyncio.sleep(0)

        async def task():
            with kv.span("task"):
                await asyncio.sleep(0)

        await asyncio.gather(task(), task())

    with record() as trace:
        run(collected(AsyncExecutor(3), branch, range(9), name="outer"))
    trace.validate()
    outer = {s.span_id: s for s in trace.where(name="outer")}
    assert {s.lane for s in outer.values()} == {"async-1", "async-2", "async-3"}
    assert all(s.lane == outer[s.parent_id].lane for s in trace.where(name="inner"))
    tasks = trace.where(name="task")
    assert len(tasks) == 18
    assert all(s.lane.startswith("task-") and s.parent_id in outer for s in tasks)


@pytest.mark.parametrize("is_async", [True, False])
def test_cpu_time_counts_the_steps_and_not_the_waits(is_async):
    async def computing(x):
        compute(1)
        await sleep_async(5)
        compute(2)

    def plain(x):
        compute(3)

    with record(clock=FakeClock()) as trace:
        run(collected(AsyncExecutor(), computing if is_async else plain, range(4)))
    assert [s.cpu_ns for s in trace.where(kind="branch")] == [3_000_000_000] * 4


def test_a_recording_that_ends_before_its_branches_has_them_as_abandoned():
    async def branch(together):
        with kv.span("inner"):
            await together.wait()
            await forever()

    async def main():
        together = asyncio.Barrier(4)
        with record() as trace:
            reader = asyncio.create_task(collected(AsyncExecutor(), branch, [together] * 3))
            await together.wait()
        reader.cancel()
        await asyncio.wait([reader])
        return trace

    trace = run(main())
    assert [s.status for s in trace.where(name="branch")] == ["abandoned"] * 3
    trace.validate()


def test_an_interrupt_while_the_loop_is_started_ends_it(monkeypatch):
    begun, ended, started = threading.Event(), [], []

    async def run(x):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(x)

    def start(thread):
        original(thread)
        started.append(thread)
        assert begun.wait(GUARD_S)
        raise KeyboardInterrupt

    original = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    with AsyncExecutor(4) as executor, pytest.raises(KeyboardInterrupt):
        list(executor.imap(run, [7]))
    started[0].join(GUARD_S)
    assert ended == [7]
