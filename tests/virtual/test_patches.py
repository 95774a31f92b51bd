"""Ordinary code - locks, queues, sleeping, threads, pools, asyncio - means in simulated time what it really means."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import logging
import pickle
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock as LockByName
from time import monotonic as clock_by_name
from time import sleep as sleep_by_name

import pytest

import kaygraph_viz as kv
from kaygraph_viz.errors import RealWaitError, VirtualClockError
from kaygraph_viz.execute.registry import KINDS
from kaygraph_viz.virtual import patches as ordinary
from kaygraph_viz.virtual import user_threads as started
from kaygraph_viz.virtual.clock import VirtualClock

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
REAL = {name: getattr(time, name) for name in ("sleep", "monotonic", "perf_counter", "time", "time_ns")}
REAL_LOCK, REAL_START, REAL_WAIT = threading.Lock, threading.Thread.start, threading.Condition.wait


def now_s():
    return kv.VirtualClock.now_ns(kv.clock.current_clock()) / 1e9


def branches(function, items=4, kind="thread", workers=4):
    """Run a function in so many branches at once and return their values."""
    with kv.get_executor(kind, workers) as executor:
        return [outcome.unwrap() for outcome in executor.imap(function, range(items))]


def threads_of(*functions):
    """Run functions in threads of their own until they end."""
    made = [threading.Thread(target=function) for function in functions]
    for thread in made:
        thread.start()
    for thread in made:
        thread.join()


# -- locks -----------------------------------------------------------------------------------------------------------


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


def test_a_semaphore_that_was_made_before_lets_in_one_branch_at_a_time():
    made = threading.Semaphore()
    with VirtualClock():
        assert (counted(made), now_s()) == (4, 4)


def test_coroutines_of_one_loop_that_share_a_lock_over_an_await_block_each_other_as_they_really_do():
    async def enter():
        with lock:
            await asyncio.sleep(1)

    async def main():
        await asyncio.gather(enter(), enter())

    with pytest.raises(VirtualClockError, match="waits for a lock"), VirtualClock():
        lock = threading.Lock()
        asyncio.run(main())


@pytest.mark.usefixtures("clock")
class TestLocks:
    def test_it_is_not_taken_without_waiting_nor_after_the_time_limit(self):
        lock = threading.Lock()
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

    def test_whoever_waited_longest_is_next(self):
        lock, seen = threading.Lock(), []

        def enter(number):
            time.sleep(number / 10)
            with lock:
                seen.append(number)
                time.sleep(1)

        branches(enter)
        assert seen == [0, 1, 2, 3]

    def test_whoever_wants_it_again_at_once_stands_last(self):
        lock, seen = threading.Lock(), []

        def enter(name):
            for _ in range(2):
                with lock:
                    seen.append((name, now_s()))
                    time.sleep(1)

        threads_of(lambda: enter("a"), lambda: enter("b"))
        assert seen == [("a", 0), ("b", 1), ("a", 2), ("b", 3)]

    def test_one_that_ends_when_it_was_just_told_to_take_it_passes_it_on(self):
        lock, seen = threading.Lock(), []

        def enter(name):
            with lock:
                seen.append(name)

        lock.acquire()
        second, third = (kv.clock.current_clock().threads.Thread(enter, (name,)) for name in ("second", "third"))
        second.start()
        third.start()
        time.sleep(1)
        lock.release()
        assert lock.locked()
        second.kill()
        third.join()
        assert (seen, lock.locked()) == (["third"], False)


# -- what is built on locks ------------------------------------------------------------------------------------------


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


@pytest.mark.usefixtures("clock")
def test_a_simple_queue_hands_on_and_gives_up_in_time():
    line = queue.SimpleQueue()
    threads_of(lambda: (time.sleep(2), line.put("a")), lambda: None)
    assert (line.get(), now_s()) == ("a", 2)
    with pytest.raises(queue.Empty):
        line.get(timeout=1)
    assert now_s() == 3


# -- sleeping, and clocks --------------------------------------------------------------------------------------------


def sleep_a_second(_):
    time.sleep(1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "async"])
def test_sleeping_passes_simulated_time_in_every_kind_of_branch(kind, clock):
    branches(sleep_a_second, kind=kind)
    assert now_s() == (4 if kind == "serial" else 1)


@pytest.mark.usefixtures("clock")
class TestSleeping:
    def test_under_another_name_deep_inside_and_as_the_branch_itself(self):
        def deeply(_):
            def inner():
                sleep_by_name(1)

            inner()

        branches(deeply)
        branches(time.sleep)  # 0 to 3 s
        assert now_s() == 4

    def test_a_coroutine_that_sleeps_holds_up_its_loop(self):
        async def block():
            time.sleep(1)  # noqa: ASYNC251  (that is the point)

        async def main():
            await asyncio.gather(block(), asyncio.sleep(1), block())

        asyncio.run(main())
        assert now_s() == 2

    def test_the_main_program_sleeps_in_simulated_time_too(self):
        time.sleep(3600)
        assert now_s() == 3600

    def test_whoever_sleeps_for_no_time_lets_others_go_first(self):
        seen = []
        thread = threading.Thread(target=seen.append, args=("other",))
        thread.start()
        time.sleep(0)
        assert seen == ["other"]

    @pytest.mark.parametrize(("seconds", "error"), [(-1, ValueError), ("1", TypeError), (float("nan"), ValueError)])
    def test_nonsense_is_refused_as_ever(self, seconds, error):
        with pytest.raises(error):
            time.sleep(seconds)

    def test_clocks_show_the_simulated_time(self):
        begun = time.monotonic(), time.perf_counter(), time.time(), clock_by_name(), time.monotonic_ns()
        time.sleep(0.25)
        ended = time.monotonic(), time.perf_counter(), time.time(), clock_by_name(), time.monotonic_ns()
        assert [after - before for before, after in zip(begun, ended, strict=True)] == [0.25] * 4 + [250_000_000]
        assert time.gmtime(time.time())[:3] == (2000, 1, 1)
        assert time.time_ns() == 946_684_800_250_000_000
        assert time.perf_counter_ns() == 250_000_000

    def test_a_limit_that_is_written_by_hand_works(self):
        until, looks = time.monotonic() + 2, 0
        while time.monotonic() < until:
            looks += 1
            time.sleep(0.5)
        assert (looks, now_s()) == (4, 2)


# -- threads, timers, pools ------------------------------------------------------------------------------------------


def test_threads_of_user_code_take_part_and_compute_one_at_a_time():
    def one():
        with kv.span("one"):
            kv.sleep(1)
            kv.compute(1)

    with kv.record(clock="virtual") as trace:
        threads_of(one, one)
    assert sorted((s.lane, s.started_ns, s.ended_ns) for s in trace) == [
        ("Thread-1 (one)", 0, 2_995_000_000), ("Thread-2 (one)", 0, 3_000_000_000),
    ]  # fmt: skip


@pytest.mark.usefixtures("clock")
class TestThreads:
    def test_join_gives_up_in_time_and_who_has_ended_is_not_alive(self):
        thread = threading.Thread(target=time.sleep, args=(5,))
        thread.start()
        thread.join(2)
        assert (thread.is_alive(), now_s()) == (True, 2)
        thread.join()
        assert (thread.is_alive(), now_s()) == (False, 5)

    def test_a_class_of_threads_of_its_own(self):
        class Mine(threading.Thread):
            def run(self):
                time.sleep(2)
                self.found = now_s()

        mine = Mine()
        mine.start()
        while mine.is_alive():
            time.sleep(0.5)
        assert (mine.found, now_s()) == (2, 2)

    def test_a_thread_is_started_once_joined_after_that_and_never_by_itself(self):
        thread = threading.Thread(target=int)
        with pytest.raises(RuntimeError, match="before it is started"):
            thread.join()
        thread.start()
        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()
        with pytest.raises(RuntimeError, match="current thread"):
            threading.current_thread().join()

    def test_an_error_in_a_thread_is_shown_as_in_any(self, monkeypatch):
        shown = []
        monkeypatch.setattr(threading, "excepthook", lambda found: shown.append(found.exc_type))
        threads_of(lambda: 1 / 0)
        assert shown == [ZeroDivisionError]

    def test_a_timer_calls_in_time_unless_it_is_cancelled(self):
        seen = []
        timer, cancelled = (threading.Timer(3, lambda: seen.append(now_s())) for _ in range(2))
        timer.start()
        cancelled.start()
        time.sleep(1)
        cancelled.cancel()
        timer.join()
        cancelled.join()
        assert seen == [3]

    def test_a_pool_takes_part(self):
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda n: (time.sleep(1), n)[1], range(6))) == list(range(6))
            assert now_s() == 3
            futures = [pool.submit(time.sleep, seconds) for seconds in (3, 1, 1)]
            found = [(futures.index(future), now_s()) for future in concurrent.futures.as_completed(futures)]
            assert found == [(1, 4), (2, 5), (0, 6)]
            with pytest.raises(TimeoutError):
                pool.submit(time.sleep, 9).result(timeout=2)
            assert now_s() == 8
        assert now_s() == 15

    def test_a_future_that_user_code_makes_is_waited_for_in_simulated_time(self):
        future = concurrent.futures.Future()
        threading.Timer(3, future.set_result, (42,)).start()
        assert [each.result() for each in concurrent.futures.as_completed([future], timeout=5)] == [42]
        assert now_s() == 3

    def test_a_pool_of_a_loop_takes_part(self):
        async def main():
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(2) as pool:
                await asyncio.gather(*(loop.run_in_executor(pool, time.sleep, 1) for _ in range(4)))

        asyncio.run(main())
        assert now_s() == 2


def test_a_pool_that_was_made_before_is_refused_at_once():
    with ThreadPoolExecutor(1) as pool:
        with VirtualClock(), pytest.raises(VirtualClockError, match=r'use kv\.get_executor\("thread", n\)'):
            pool.submit(time.sleep, 1)
        assert pool.submit(pow, 2, 3).result(GUARD_S) == 8


def test_a_pool_that_nobody_shut_down_ends_with_its_block(caplog):
    with VirtualClock():
        pool = ThreadPoolExecutor(2)
        running, waiting = pool.submit(time.sleep, 5), [pool.submit(time.sleep, 5) for _ in range(2)]
        time.sleep(1)
        of_pool = set(pool._threads)
    assert len(of_pool) == 2
    assert not of_pool & set(threading.enumerate())
    with pytest.raises(concurrent.futures.CancelledError):
        running.result(GUARD_S)
    assert waiting[1].cancelled()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(int)
    assert not caplog.records


# -- asyncio ---------------------------------------------------------------------------------------------------------


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


def test_coroutines_in_the_loop_of_a_notebook_are_told_at_once_what_to_write():
    async def cell():
        with kv.record(clock="virtual"):
            for waiting in (asyncio.gather(asyncio.sleep(9), asyncio.sleep(9)), asyncio.to_thread(time.sleep, 9)):
                with pytest.raises(VirtualClockError, match=r"write kv\.run\(main\(\)\) instead of await main\(\)"):
                    await waiting
            with pytest.raises(VirtualClockError, match=r"write kv\.run"):
                async with asyncio.timeout(9):
                    await asyncio.sleep(0)
            assert kv.run(asyncio.sleep(5, "found")) == "found"
            assert now_s() == 5
        await asyncio.sleep(0.001)
        await asyncio.to_thread(int)

    asyncio.run(cell())


# -- who takes no part, and what comes after the block ---------------------------------------------------------------


def test_a_lock_that_was_made_before_and_cannot_be_seen_is_refused_with_its_line():
    lock = threading.Lock()

    def enter(_):
        with lock:
            time.sleep(1)

    with (
        pytest.raises(RealWaitError, match=r"test_patches.py:\d+ in enter\) is stuck .* use kv\.Lock"),
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


def test_a_correct_lock_is_found_correct():
    assert kv.explore(lambda: counted(threading.Lock()), 20, checks={"all": lambda total: total == 4}).ok


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


def test_logging_in_branches_works_and_goes_on_after_the_block():
    lines, handler = [], []

    class Lines(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    log = logging.getLogger("ordinary")
    log.setLevel(logging.INFO)

    def tell(number):
        time.sleep(1)
        log.info("item %d", number)

    with VirtualClock():
        log.addHandler(handler.append(Lines()) or handler[0])
        branches(tell)
        assert not isinstance(handler[0].lock, ordinary.locks.RLock)  # of a library: a real one
    log.info("after")
    log.removeHandler(handler[0])
    assert lines == ["item 0", "item 1", "item 2", "item 3", "after"]


def test_what_a_library_makes_and_waits_for_is_real(monkeypatch):
    """As a notebook does that flushes what was printed: it makes an event that a thread of its own sets."""
    library = {"threading": threading, "__name__": "somebody"}
    source = (
        "def flush(thread):\n"
        "    event = threading.Event()\n"
        "    thread.put(event.set)\n"
        "    return event.wait(20), type(threading.Lock()), type(threading.Semaphore()._cond._lock)\n"
    )
    exec(compile(source, threading.__file__.replace("threading.py", "library.py"), "exec"), library)
    line = queue.Queue()
    outsider = threading.Thread(target=lambda: line.get(timeout=GUARD_S)())
    outsider.start()
    with VirtualClock():
        found = branches(lambda _: library["flush"](line), 1)
        assert now_s() == 0
    outsider.join(GUARD_S)
    assert found == [(True, type(REAL_LOCK()), type(REAL_LOCK()))]


def test_after_the_block_everything_is_as_it_was():
    with VirtualClock(), VirtualClock():
        assert time.sleep is not REAL["sleep"]
        assert sleep_by_name is ordinary.sleep
    assert {name: getattr(time, name) for name in REAL} == REAL
    assert sleep_by_name is REAL["sleep"]
    assert (threading.Lock, threading.Thread.start, threading.Condition.wait) == (REAL_LOCK, REAL_START, REAL_WAIT)
    assert LockByName is REAL_LOCK
    assert isinstance(queue.SimpleQueue(), ordinary._real_queue)
    assert not ordinary._blocks
    assert not started._blocks


def test_whoever_got_hold_of_a_replaced_name_may_keep_it():
    with VirtualClock():
        kept = time.sleep, time.monotonic, threading.Lock, queue.SimpleQueue, time.time
    kept[0](0)
    assert kept[1]() <= time.monotonic()
    assert kept[4]() > 1.5e9
    assert isinstance(kept[2](), type(REAL_LOCK()))
    assert isinstance(kept[3](), queue.SimpleQueue)
    assert pickle.loads(pickle.dumps(kept[0])) is kept[0]


# -- the same in every run -------------------------------------------------------------------------------------------


def program():
    """Use all of it in one program, in which the order of things shows."""
    line, lock, places, done = queue.Queue(2), threading.Lock(), threading.Semaphore(2), threading.Event()
    seen = []

    def put(number):
        with places, kv.span(f"put {number}"):
            time.sleep(number % 3 / 10)
            line.put(number)
        with lock:
            time.sleep(0.1)

    def get():
        while (found := line.get()) is not None:
            with kv.span(f"got {found}"):
                seen.append((found, time.monotonic()))
                time.sleep(0.05)
        done.set()

    getter = threading.Thread(target=get)
    getter.start()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(put, number) for number in range(8)]
        seen += [futures.index(future) for future in concurrent.futures.as_completed(futures)]
    line.put(None)
    done.wait()
    getter.join()
    return seen


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_seed_gives_the_same_run(seed, tmp_path):
    found = set()
    for run in range(5):
        with kv.record(clock=kv.VirtualClock(seed)) as trace:
            result = program()
        trace.validate().save(path := tmp_path / f"{run}.jsonl")
        found.add((path.read_bytes(), repr(result)))
    assert len(found) == 1


def test_other_seeds_draw_other_orders_of_what_happens_at_one_instant():
    def order(seed):
        with VirtualClock(seed):
            lock, seen = threading.Lock(), []

            def enter(name):
                time.sleep(1)
                with lock:
                    seen.append(name)

            threads_of(*(lambda name=name: enter(name) for name in range(6)))
        return tuple(seen)

    assert order(0) == tuple(range(6))
    assert len({order(seed) for seed in range(5)}) == 5
    assert order(3) == order(3)
