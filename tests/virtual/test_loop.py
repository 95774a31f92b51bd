"""asyncio in simulated time: loops, tasks, threads of a loop, limits; nothing is left open."""

from __future__ import annotations

import asyncio
import contextvars
import time

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import DeadlockError, VirtualClockError
from kaygraph_viz.clock.clock import sleep, sleep_async
from kaygraph_viz.clock.sync import Lock, new_event_loop
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.clock.virtual.loop import VirtualLoop
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
from tests.virtual.running import now_s

GUARD_S = 20.0


def run(main, seed=0):
    """Return what a coroutine function returns in simulated time, and how long it took [s]."""
    with VirtualClock(seed):
        return asyncio.run(main()), now_s()


async def after(seconds, value=None):
    await asyncio.sleep(seconds)
    return value


# -- time ------------------------------------------------------------------------------------------------------------
def test_asyncio_run_takes_a_loop_of_simulated_time_and_no_real_one():
    async def main():
        assert isinstance(asyncio.get_running_loop(), VirtualLoop)
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert run(main) == (3600, 3600)


def test_outside_of_the_block_loops_are_real_ones_and_nothing_of_it_is_left():
    makes_loops = getattr(asyncio.events, "_get_event_loop_policy", asyncio.get_event_loop_policy)
    policy = makes_loops()
    before = dict(vars(policy))
    with VirtualClock():
        with VirtualClock(1):
            assert vars(policy) != before
    assert makes_loops() is policy
    assert vars(policy) == before

    async def main():
        return type(asyncio.get_running_loop())

    assert asyncio.run(main()) is not VirtualLoop
    new_event_loop().close()


def test_someone_who_wants_something_of_a_loop_does_not_end_the_plain_sleep_of_a_coroutine():
    async def main():
        def knock():
            sleep(1)
            loop.call_soon_threadsafe(int)

        loop = asyncio.get_running_loop()
        knocking = asyncio.create_task(asyncio.to_thread(knock))
        await asyncio.sleep(0)
        sleep(5)
        assert now_s() == 5
        await knocking

    run(main)


def test_nor_does_it_let_a_coroutine_into_a_lock():
    async def main():
        lock, seen = Lock(), []

        def hold():
            with lock:
                sleep(1)
                loop.call_soon_threadsafe(int)
                sleep(1)
                seen.append("released")

        loop = asyncio.get_running_loop()
        holding = asyncio.create_task(asyncio.to_thread(hold))
        await asyncio.sleep(0.5)
        with lock:
            seen.append("entered")
        await holding
        return seen

    assert run(main) == (["released", "entered"], 2)


@pytest.mark.parametrize("seconds", [1e-9, 0.1, 1 / 3, 12_345.678_901_234, 1e7, 1e9])
def test_long_and_short_sleeps_end(seconds):
    async def main():
        await asyncio.sleep(seconds)
        await asyncio.sleep(0.5)

    assert run(main)[1] == pytest.approx(seconds + 0.5, abs=1e-6)


def test_sums_of_decimal_seconds_are_exact_to_the_nanosecond():
    async def main():
        for _ in range(1000):
            await asyncio.sleep(0.1)

    with VirtualClock() as clock:
        asyncio.run(main())
        assert clock.now_ns() == 100 * 10**9


def test_the_loop_of_a_notebook_keeps_real_time_and_says_so_where_it_matters():
    async def main():
        with VirtualClock():
            await sleep_async(5)  # in the cell itself: nothing else is awaited
            assert now_s() == 5
            with pytest.raises(VirtualClockError, match="this event loop runs in real time"):
                await asyncio.gather(sleep_async(1), sleep_async(1))

    asyncio.run(main())


# -- what asyncio has to wait with -----------------------------------------------------------------------------------
def test_task_groups_timeouts_queues_and_semaphores():
    async def main():
        seen = []
        line, places = asyncio.Queue(1), asyncio.Semaphore(2)

        async def put():
            for number in range(3):
                await line.put(number)
                seen.append(("put", number, now_s()))

        async def get():
            for _ in range(3):
                async with places:
                    await asyncio.sleep(1)
                    seen.append(("got", await line.get(), now_s()))

        async with asyncio.TaskGroup() as group:
            group.create_task(put())
            group.create_task(get())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.sleep(3)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(9), 1)
        return seen

    assert run(main) == (
        [("put", 0, 0), ("got", 0, 1), ("put", 1, 1), ("got", 1, 2), ("put", 2, 2), ("got", 2, 3)], 6,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_what_ends_at_the_very_instant_of_its_deadline_is_in_time(seed):
    async def slowly():
        await asyncio.sleep(1)
        await asyncio.to_thread(sleep, 1)
        await asyncio.sleep(0)
        return "in time"

    async def main():
        async with asyncio.timeout(2):
            found = await slowly()
        done, late = await asyncio.wait([asyncio.create_task(after(3))], timeout=3)
        return found, len(done), len(late)

    assert run(main, seed) == (("in time", 1, 0), 5)


def test_first_error_cancels_the_others_at_its_instant():
    async def main():
        ended = []

        async def wait():
            try:
                await asyncio.sleep(100)
            finally:
                ended.append(now_s())

        async def fail():
            await asyncio.sleep(1)
            raise ValueError("no")

        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                for function in (wait, fail, wait):
                    group.create_task(function())
        return ended

    assert run(main) == ([1, 1], 1)


# -- order -----------------------------------------------------------------------------------------------------------
def test_as_completed_begins_coroutines_in_the_order_in_which_they_are_given():
    async def begin(number, begun):
        begun.append(number)
        await asyncio.sleep(1)
        return number

    async def main():
        begun = []
        found = [await each for each in asyncio.as_completed([begin(number, begun) for number in range(50)])]
        return begun == found == list(range(50))

    assert run(main) == (True, 1)


def test_as_completed_refuses_what_it_always_refuses():
    async def main():
        coroutine = after(1)
        with pytest.raises(TypeError):
            for each in asyncio.as_completed(coroutine):
                await each
        coroutine.close()

    run(main)


def test_sets_of_tasks_and_futures_have_an_order_that_does_not_depend_on_their_addresses():
    async def main():
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(after(1, number)) for number in range(40)]
        done, _ = await asyncio.wait(tasks)
        futures = [loop.create_future() for _ in range(40)]
        places = {future: number for number, future in enumerate(futures)}
        return [task.result() for task in done], [places[future] for future in set(futures)]

    first, second = run(main), run(main)
    assert first == second
    assert sorted(first[0][0]) == sorted(first[0][1]) == list(range(40))


def test_another_seed_draws_another_order_of_what_wakes_up_at_one_instant():
    def order(seed):
        async def main():
            seen = []

            async def note(number):
                await asyncio.sleep(1)
                seen.append(number)

            await asyncio.gather(*map(note, range(6)))
            return tuple(seen)

        return run(main, seed)[0]

    assert order(0) == tuple(range(6))
    assert len({order(seed) for seed in range(5)}) == 5
    assert order(3) == order(3)


# -- threads of a loop -----------------------------------------------------------------------------------------------
def test_to_thread_runs_in_the_same_time_with_as_many_threads_as_wanted():
    async def main():
        return await asyncio.gather(*(asyncio.to_thread(lambda n=n: (sleep(1), n)[1]) for n in range(100)))

    assert run(main) == (list(range(100)), 1)


def test_a_function_in_a_thread_that_raises_stop_iteration_is_an_error_and_no_deadlock():
    async def main():
        await asyncio.to_thread(next, iter([]))

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        run(main)


def test_to_thread_carries_context_variables_and_errors():
    city = contextvars.ContextVar("city", default="nowhere")

    async def main():
        city.set("Oslo")
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return await asyncio.to_thread(city.get)

    assert run(main)[0] == "Oslo"


def test_the_end_of_a_loop_waits_for_its_threads_as_it_really_does():
    async def main():
        asyncio.create_task(asyncio.to_thread(sleep, 5))  # noqa: RUF006
        await asyncio.sleep(0)

    assert run(main)[1] == 5


def test_threads_that_come_and_go_get_the_same_lane_in_every_run():
    def work_a_little():
        with span("s"):
            sleep(1)

    async def main():
        for _ in range(20):
            await asyncio.to_thread(work_a_little)
        await asyncio.gather(*(asyncio.to_thread(work_a_little) for _ in range(3)))

    with record(clock="virtual") as trace:
        asyncio.run(main())
    assert [s.lane for s in trace] == ["to_thread"] * 21 + ["to_thread #2", "to_thread #3"]


# -- connections, ends -----------------------------------------------------------------------------------------------
def test_a_real_connection_is_refused():
    async def main():
        with pytest.raises(VirtualClockError, match="under a virtual clock no real connection is possible"):
            await asyncio.open_connection("127.0.0.1", 9)

    run(main)


def test_the_end_of_the_block_closes_loops_that_still_run():
    ended = []

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    with VirtualClock() as clock:
        clock.threads.Thread(lambda: asyncio.run(forever())).start()
        sleep(1)
    assert ended == ["cleaned up"]


def test_an_interrupt_cancels_the_main_task_as_in_any_loop(press_stop):
    seen = []

    async def main():
        try:
            while True:
                await asyncio.sleep(1)
                if now_s() == 3:
                    press_stop()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert seen == ["cancelled"]


async def call(number, places, wait):
    async with places:
        with kv.span(f"call {number}"):
            await wait(number)


def calls(wait, run):
    """Record six calls, two at a time; return when each began and ended [s]."""

    async def main():
        places = asyncio.Semaphore(2)
        await asyncio.gather(*(call(number, places, wait) for number in range(6)))

    with kv.record(clock="virtual") as trace:
        run(main())
    trace.validate()
    return [(s.started_ns / 1e9, s.ended_ns / 1e9) for s in sorted(trace, key=lambda s: s.name)]


@pytest.mark.parametrize("run", [asyncio.run, kv.run])
def test_gathered_calls_with_a_semaphore_are_recorded_two_at_a_time(run):
    assert calls(lambda _: asyncio.sleep(1), run) == [(0, 1), (0, 1), (1, 2), (1, 2), (2, 3), (2, 3)]


def test_one_that_really_sleeps_holds_up_the_others():
    async def wait(number):
        if number == 1:
            time.sleep(2)  # noqa: ASYNC251  (that is the point)
        else:
            await asyncio.sleep(1)

    assert calls(wait, asyncio.run) == [(0, 2), (0, 2), (2, 3), (2, 3), (3, 4), (3, 4)]


def error_of(program):
    """Run a coroutine that ends in a deadlock, in simulated time; return the error."""
    with pytest.raises(DeadlockError) as caught, kv.record(clock=VirtualClock(patience_s=5)):
        kv.run(program)
    return caught.value


async def take_two(locks, first):
    async with locks[first]:
        await asyncio.sleep(1)
        async with locks[(first + 1) % len(locks)]:
            pass


async def three_in_a_circle():
    locks = [asyncio.Lock() for _ in range(3)]
    await asyncio.gather(*(take_two(locks, first) for first in range(3)))


def test_each_task_of_the_circle_is_told_with_the_lock_and_who_holds_it():
    error = error_of(three_in_a_circle())
    assert [wait.thread for wait in error.circle] == ["task 2", "task 3", "task 4"]  # the first one waits for them
    assert [wait.held_by for wait in error.circle] == ["task 3", "task 4", "task 2"]
    assert {wait.code for wait in error.circle} == {"async with locks[(first + 1) % len(locks)]:"}
    assert {wait.held_code for wait in error.circle} == {"async with locks[first]:"}
    text = str(error)
    assert "tasks wait for each other in a circle (take locks in the same order everywhere): task 2" in text
    assert "in take_two) waits for a lock that task 3 took in test_loop.py:" in text
    assert "an event that its coroutines await" in text


def test_tasks_of_an_executor_are_told_with_their_items():
    locks = {}

    async def transfer(names):
        async with locks.setdefault(names[0], asyncio.Lock()):
            await asyncio.sleep(1)
            async with locks.setdefault(names[1], asyncio.Lock()):
                pass

    with pytest.raises(DeadlockError) as caught, kv.record(clock=VirtualClock(patience_s=5)):
        with kv.get_executor("async", 2) as executor:
            list(executor.imap(transfer, ["ab", "ba"]))
    items = [wait.place.split(",")[0] for wait in caught.value.circle]
    assert items == ["item 0 of 'transfer'", "item 1 of 'transfer'"]


def test_a_task_has_the_name_that_it_was_given():
    async def program():
        locks = [asyncio.Lock(), asyncio.Lock()]
        async with asyncio.TaskGroup() as group:
            for number, name in enumerate(("Ada", "Bob")):
                group.create_task(take_two(locks, number), name=name)

    assert [wait.thread for wait in error_of(program()).circle] == ["task 'Ada'", "task 'Bob'"]


def test_a_task_may_wait_for_itself():
    async def program():
        lock = asyncio.Lock()
        async with lock, lock:
            pass

    error = error_of(program())
    assert [(wait.thread, wait.held_by) for wait in error.circle] == [("task 1", "task 1")]
    assert "a task waits for itself (take a lock once): task 1" in str(error)


def test_a_lock_belongs_to_the_task_that_took_it_last():
    async def program():
        locks = [asyncio.Lock(), asyncio.Lock()]
        async with locks[0]:
            pass
        await take_two(locks, 1)  # by the same task, one after the other
        await asyncio.gather(take_two(locks, 0), take_two(locks, 1))

    assert [wait.held_by for wait in error_of(program()).circle] == ["task 3", "task 2"]


def test_tasks_that_wait_for_an_event_are_in_no_circle():
    async def program():
        lock = asyncio.Lock()
        async with lock:
            await asyncio.gather(lock.acquire(), asyncio.Event().wait())

    assert error_of(program()).circle == ()
