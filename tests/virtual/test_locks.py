"""Locks of user code, and what is built on them, mean in simulated time what they really mean."""

from __future__ import annotations

import asyncio
import copy
import pickle
import queue
import threading
import time
from threading import Lock as LockByName

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import RealWaitError, VirtualClockError
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.clock.virtual.clock import VirtualClock
from tests.virtual.running import branches, now_s, threads_of

GUARD_S = 20.0

LOCK_OF_MODULE = threading.Lock()


class Locks:
    """Has locks that were made before any block."""

    of_class = threading.Lock()

    def __init__(self):
        self.of_object = threading.RLock()
        self.of_module = LOCK_OF_MODULE


LOCKS = Locks()

RLOCK_OF_MODULE = threading.RLock()


def counted(lock):
    """Add one in each branch, reading and writing apart; return the total."""
    total = {"n": 0}

    def add(_):
        with lock:
            n = total["n"]
            time.sleep(1)
            total["n"] = n + 1

    branches(add)
    return total["n"]


MAKERS = {
    "Lock": lambda: threading.Lock(),
    "Lock by name": lambda: LockByName(),
    "RLock": threading.RLock,
    "Condition": threading.Condition,
    "Semaphore": threading.Semaphore,
    "BoundedSemaphore": threading.BoundedSemaphore,
    "Lock of a module": lambda: LOCK_OF_MODULE,
    "RLock of a module": lambda: RLOCK_OF_MODULE,
    "Lock of a class": lambda: Locks.of_class,
    "Lock of an object": lambda: LOCKS.of_object,
}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_lock_lets_in_one_branch_at_a_time(make):
    assert (counted(make()), now_s()) == (4, 4)


def test_coroutines_of_one_loop_that_share_a_lock_over_an_await_block_each_other_as_they_really_do():
    async def enter():
        with lock:
            await asyncio.sleep(1)

    async def main():
        await asyncio.gather(enter(), enter())

    with pytest.raises(VirtualClockError, match="waits for a lock"), VirtualClock():
        lock = threading.Lock()
        asyncio.run(main())


BOTH = pytest.mark.parametrize("make", [lambda: threading.Lock(), lambda: threads().Lock()], ids=["Lock", "ours"])


@pytest.mark.usefixtures("clock")
class TestLocks:
    @BOTH
    def test_it_is_not_taken_without_waiting_nor_after_the_time_limit(self, make):
        lock = make()
        assert lock.acquire()
        assert lock.locked()
        assert not lock.acquire(blocking=False)
        assert not lock.acquire(timeout=2)
        assert now_s() == 2
        lock.release()
        assert not lock.locked()

    @pytest.mark.parametrize("options", [{"blocking": False, "timeout": 1}, {"timeout": -2}], ids=str)
    def test_nonsense_is_refused_as_ever(self, options):
        with pytest.raises(ValueError, match="timeout"):
            threading.Lock().acquire(**options)

    def test_releasing_what_nobody_holds_is_an_error(self):
        with pytest.raises(RuntimeError, match="release unlocked lock"):
            threading.Lock().release()
        with pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
            threading.RLock().release()

    def test_another_thread_may_release_a_lock_but_not_a_reentrant_one(self):
        lock, reentrant, errors = threading.Lock(), threading.RLock(), []
        lock.acquire()
        reentrant.acquire()

        def release():
            lock.release()
            try:
                reentrant.release()
            except RuntimeError as error:
                errors.append(error)

        threads_of(release)
        assert not lock.locked()
        assert len(errors) == 1

    def test_a_reentrant_lock_is_taken_again_by_its_holder_only(self):
        lock, seen = threading.RLock(), []

        def enter():
            with lock, lock:
                time.sleep(1)
                seen.append(now_s())

        threads_of(enter, enter, enter)
        assert seen == [1, 2, 3]

    @pytest.mark.parametrize("make", [threading.Lock, threading.RLock])
    def test_a_lock_can_be_neither_copied_nor_sent(self, make):
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot pickle"):
                attempt(make() if make is threading.RLock else threading.Lock())

    @BOTH
    def test_whoever_waited_longest_is_next(self, make):
        lock, seen = make(), []

        def enter(number):
            time.sleep(number / 10)
            with lock:
                seen.append(number)
                time.sleep(1)

        branches(enter)
        assert seen == [0, 1, 2, 3]

    @BOTH
    def test_whoever_wants_it_again_at_once_stands_last(self, make):
        lock, seen = make(), []

        def enter(name):
            for _ in range(2):
                with lock:
                    seen.append((name, now_s()))
                    time.sleep(1)

        threads_of(lambda: enter("a"), lambda: enter("b"))
        assert seen == [("a", 0), ("b", 1), ("a", 2), ("b", 3)]

    @BOTH
    def test_one_that_ends_when_it_was_just_told_to_take_it_passes_it_on(self, make):
        lock, seen = make(), []

        def enter(name):
            with lock:
                seen.append(name)

        lock.acquire()
        second, third = (current_clock().threads.Thread(enter, (name,)) for name in ("second", "third"))
        second.start()
        third.start()
        time.sleep(1)
        lock.release()
        assert lock.locked()
        second.kill()
        third.join()
        assert (seen, lock.locked()) == (["third"], False)


@pytest.mark.parametrize("is_made_before", [True, False])
class TestBuiltOnLocks:
    @pytest.fixture
    def make(self, is_made_before):
        """Return a function that calls what makes something, before the block or in it."""
        before = {}

        def make(kind, *args):
            return before.get(kind) or kind(*args)

        if is_made_before:
            before = {
                threading.Event: threading.Event(), threading.Condition: threading.Condition(),
                threading.Semaphore: threading.Semaphore(2), threading.Barrier: threading.Barrier(3),
                queue.Queue: queue.Queue(2), queue.LifoQueue: queue.LifoQueue(),
                queue.PriorityQueue: queue.PriorityQueue(),
            }  # fmt: skip
        with VirtualClock():
            yield make

    def test_an_event_wakes_all_who_wait(self, make):
        event, seen = make(threading.Event), []
        threads_of(*[lambda: seen.append((event.wait(), now_s()))] * 3, lambda: (time.sleep(2), event.set()))
        assert seen == [(True, 2)] * 3

    def test_a_wait_for_an_event_ends_in_time(self, make):
        assert not make(threading.Event).wait(3)
        assert now_s() == 3

    def test_a_condition_tells_those_who_wait(self, make):
        condition, seen = make(threading.Condition), []

        def wait():
            with condition:
                found = condition.wait_for(lambda: now_s() >= 2, timeout=5)
                seen.append((found, now_s()))

        def tell():
            for _ in range(3):
                time.sleep(1)
                with condition:
                    condition.notify_all()

        threads_of(wait, wait, tell)
        assert seen == [(True, 2), (True, 2)]

    def test_a_condition_gives_up_in_time(self, make):
        condition = make(threading.Condition)
        with condition:
            assert not condition.wait(1)
            assert not condition.wait_for(lambda: False, timeout=2)
        assert now_s() == 3
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.wait()

    def test_a_semaphore_lets_in_so_many(self, make):
        places, seen = make(threading.Semaphore, 2), []

        def enter(number):
            with places:
                time.sleep(1)
                seen.append((number, now_s()))

        branches(enter, 6, workers=6)
        assert seen == [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3)]

    def test_a_barrier_lets_all_through_at_once_or_breaks_in_time(self, make):
        barrier, seen = make(threading.Barrier, 3), []

        def meet(number):
            time.sleep(number)
            barrier.wait()
            seen.append(now_s())

        branches(meet, 3)
        assert seen == [2, 2, 2]
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait(timeout=5)
        assert now_s() == 7

    def test_a_full_queue_holds_up_who_puts_and_an_empty_one_who_gets(self, make):
        line, seen = make(queue.Queue, 2), []

        def put():
            for number in range(4):
                line.put(number)
                seen.append(("put", number, now_s()))

        def get():
            for _ in range(4):
                time.sleep(1)
                seen.append(("got", line.get(), now_s()))
                line.task_done()

        threads_of(put, get, lambda: (time.sleep(0.5), line.join(), seen.append(now_s())))
        assert seen == [
            ("put", 0, 0), ("put", 1, 0), ("got", 0, 1), ("put", 2, 1), ("got", 1, 2), ("put", 3, 2), ("got", 2, 3),
            ("got", 3, 4), 4,
        ]  # fmt: skip

    @pytest.mark.parametrize("kind", [queue.Queue, queue.LifoQueue, queue.PriorityQueue])
    def test_a_queue_gives_up_in_time(self, make, kind):
        with pytest.raises(queue.Empty):
            make(kind).get(timeout=3)
        assert now_s() == 3
        with pytest.raises(queue.Empty):
            make(kind).get_nowait()


def test_a_lock_that_was_made_before_and_cannot_be_seen_is_refused_with_its_line():
    lock = threading.Lock()

    def enter(_):
        with lock:
            time.sleep(1)

    with (
        pytest.raises(RealWaitError, match=r"test_locks.py:\d+ in enter\) waits in real time.* use kv\.Lock"),
        VirtualClock(),
    ):
        branches(enter)
    assert not lock.locked()


def test_an_exploration_of_such_a_program_ends_with_its_first_run():
    lock, runs = threading.Lock(), []

    def program():
        runs.append(1)
        counted(lock)

    found = kv.explore(program, 100)
    assert isinstance(found.first.error, RealWaitError)
    assert (len(runs), found.ok) == (1, False)


def test_a_lock_of_a_module_keeps_out_those_who_got_hold_of_it_before():
    before = LOCK_OF_MODULE
    with VirtualClock():
        assert LOCK_OF_MODULE is not before
        assert LOCKS.of_module is LOCK_OF_MODULE
        with LOCK_OF_MODULE:
            assert before.locked()
            assert not before.acquire(blocking=False)
    assert LOCKS.of_module is LOCK_OF_MODULE is before
    assert not before.locked()


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, queue.Queue, queue.SimpleQueue, threading.Event])
def test_what_was_made_inside_goes_on_after_the_block_and_in_the_next_one(make):
    def use(made, seen):
        if hasattr(made, "acquire"):
            with made:
                seen.append(1)
        elif hasattr(made, "set"):
            seen.append(made.wait(GUARD_S))
        else:
            seen.append(made.get(timeout=GUARD_S))

    def let(made):
        if hasattr(made, "acquire"):
            made.release()
        elif hasattr(made, "set"):
            made.set()
        else:
            made.put(1)

    with VirtualClock():
        made = getattr({"Queue": queue, "SimpleQueue": queue}.get(make.__name__, threading), NAMES[make])()
    for _ in range(2):
        seen = []
        if hasattr(made, "acquire"):
            made.acquire()
        thread = threading.Thread(target=use, args=(made, seen))
        thread.start()
        let(made)
        thread.join(GUARD_S)
        assert seen
    with VirtualClock():
        let(made) if not hasattr(made, "acquire") else None
        threads_of(lambda: use(made, seen))
    assert seen


NAMES = {
    threading.Lock: "Lock", threading.RLock: "RLock", queue.Queue: "Queue", queue.SimpleQueue: "SimpleQueue",
    threading.Event: "Event",
}  # fmt: skip


def test_a_lock_that_was_held_when_its_thread_ended_with_the_block_is_free():
    with VirtualClock():
        lock = threading.Lock()

        def hold():
            with lock:
                time.sleep(100)

        threading.Thread(target=hold).start()
        time.sleep(1)
        assert lock.locked()
    assert not lock.locked()


def test_a_thread_that_takes_no_part_uses_the_same_lock():
    made, go, seen = [], threading.Event(), []

    def outside():
        go.wait(GUARD_S)
        with made[0]:
            seen.append("outside")

    outsider = threading.Thread(target=outside)
    outsider.start()
    with VirtualClock():
        made.append(threading.Lock())
        with made[0]:
            go.set()
            assert seen == []
        outsider.join(GUARD_S)
        with made[0]:
            assert seen == ["outside"]
