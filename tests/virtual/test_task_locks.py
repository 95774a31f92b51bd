"""Tasks that wait for locks of each other are told as a circle."""

from __future__ import annotations

import asyncio

import pytest

import kaygraph_viz as kv
from kaygraph_viz.errors import DeadlockError
from kaygraph_viz.virtual.clock import VirtualClock
from kaygraph_viz.virtual.patches import ordinary_code


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
    assert "in take_two) waits for a lock that task 3 took in test_task_locks.py:" in text
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


def test_a_block_leaves_the_locks_of_asyncio_as_they_were():
    before = asyncio.Lock.acquire
    with ordinary_code(), ordinary_code():
        assert asyncio.Lock.acquire is not before
    assert asyncio.Lock.acquire is before
