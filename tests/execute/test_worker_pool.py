"""The pool of one call, by its threads: giving up on late branches, replacing workers, and races made to happen."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from contextlib import closing

import pytest

from kaygraph_viz.base.errors import CallCancelled
from kaygraph_viz.clock.clock import sleep, use_clock
from kaygraph_viz.execute import worker_pool
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.call import Call, MemoryBudget
from kaygraph_viz.execute.local import threads as threads_module
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.execute.worker_pool import WorkerPool
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import span

GUARD_S = 20.0


def worker_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("thread")]


@pytest.fixture
def release():
    """Lets stuck branches go on, at the latest when the test is over."""
    event = threading.Event()
    yield event
    event.set()
    for worker in worker_threads():
        worker.join(GUARD_S)


def stuck_or_value(release):
    """Return a function that is stuck with the item "stuck", for which a second of simulated time passes."""

    def run(x):
        if x == "stuck":
            sleep(1)
            release.wait(GUARD_S)
        return x

    return run


# -- timeouts ------------------------------------------------------------------------------------------------------


def test_a_late_branch_is_given_up_and_its_bar_goes_on_until_it_ends(release):
    with get_executor("thread", 1) as executor, record(clock=FakeClock()) as trace:
        outcomes = list(executor.imap(stuck_or_value(release), ["stuck", "a"], timeout=0.01, on_error="collect"))
        assert [outcome.status for outcome in outcomes] == ["timeout", "ok"]
        (stuck,) = worker_threads()
        release.set()
        stuck.join(GUARD_S)
    late, quick = trace.where(kind="branch")
    assert (late.status, quick.status) == ("abandoned", "ok")
    assert late.ended_ns >= quick.ended_ns
    assert late.lane != quick.lane


def test_a_late_branch_that_never_ends_is_cut_off_with_the_recording(release):
    with get_executor("thread", 1) as executor, record(clock=FakeClock()) as trace:
        list(executor.imap(stuck_or_value(release), ["stuck"], timeout=0.01, on_error="collect"))
    assert [s.status for s in trace] == ["abandoned"]


def test_what_runs_inside_a_given_up_branch_lies_within_it(release):
    def run(x):
        with span("inner"):
            release.wait(GUARD_S)

    with get_executor("thread", 1) as executor, record() as trace:
        list(executor.imap(run, [1], timeout=0.01, on_error="collect"))
        (stuck,) = worker_threads()
        release.set()
        stuck.join(GUARD_S)
    assert {s.name: s.status for s in trace} == {"run": "abandoned", "inner": "ok"}


def test_the_pool_keeps_its_size(release):
    clock, first, second = FakeClock(), threading.Barrier(3), threading.Barrier(3)

    def run(x):
        (first if x < 3 else second).wait(GUARD_S)  # breaks unless three run at once
        if x == 0:
            clock.advance(1)
        if x < 3:
            release.wait(GUARD_S)
        return x

    with get_executor("thread", 3) as executor, record(clock=clock):
        outcomes = list(executor.imap(run, range(6), timeout=0.01, on_error="collect"))
    assert [outcome.status for outcome in outcomes] == ["timeout"] * 3 + ["ok"] * 3


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_deadline_is_kept_however_busy_the_reader_is(release, is_recorded):
    """There is always an outcome to read: the late branch must be noticed between two of them."""
    pulled, is_stuck = threading.Semaphore(0), threading.Event()

    def run(x):
        if x == "stuck":
            is_stuck.set()
            release.wait(GUARD_S)

    def items():
        yield "stuck"
        for number in itertools.count():
            pulled.release()
            yield number

    clock = FakeClock()
    with record(clock=clock) if is_recorded else use_clock(clock), get_executor("thread", 2) as executor:
        outcomes = executor.imap(run, items(), ordered=False, window=8, timeout=5, on_error="collect")
        with closing(outcomes):
            assert next(outcomes).ok
            assert is_stuck.wait(GUARD_S)
            clock.advance(10)
            statuses = []
            for outcome in itertools.islice(outcomes, 100):
                statuses.append(outcome.status)
                assert pulled.acquire(timeout=GUARD_S)
                if outcome.index == 0:
                    break
    assert statuses[-1] == "timeout"


# -- races, made to happen -----------------------------------------------------------------------------------------


def test_the_last_outcome_is_not_lost_when_its_worker_leaves_right_behind_it(monkeypatch):
    """The reader finds nothing; then the last outcome arrives and its worker leaves; then the reader sees no worker."""
    go = threading.Event()
    looks = itertools.count()

    class Done(deque):
        def __bool__(self):
            answer = len(self) > 0
            if not answer and next(looks) == 0:
                go.set()
                for worker in worker_threads():
                    worker.join(GUARD_S)
            return answer

    monkeypatch.setattr(worker_pool, "deque", Done)
    with get_executor("thread", 1) as executor:
        outcomes = list(executor.imap(lambda x: (go.wait(1), x)[1], ["last"]))
    assert [outcome.value for outcome in outcomes] == ["last"]


def test_an_input_that_blocks_does_not_keep_an_interrupt_from_getting_out():
    blocked, release = threading.Event(), threading.Event()

    def items():
        yield 1
        blocked.set()
        release.wait(GUARD_S)
        yield 2

    class Interrupted(threads_module.ThreadWorkerPool):
        def outcomes(self):
            yield from itertools.islice(super().outcomes(), 1)
            assert blocked.wait(GUARD_S)
            self.stop = lambda: None  # the join at the end is not what this is about
            raise KeyboardInterrupt

    given_up = threading.Event()

    class Watched(Interrupted):
        def give_up_all(self):
            super().give_up_all()
            given_up.set()

    def read():
        original, threads_module.ThreadWorkerPool = threads_module.ThreadWorkerPool, Watched
        try:
            with get_executor("thread", 1) as executor, pytest.raises(KeyboardInterrupt):
                list(executor.imap(str, items()))
        finally:
            threads_module.ThreadWorkerPool = original

    reader = threading.Thread(target=read)
    reader.start()
    is_out = given_up.wait(5)
    release.set()
    reader.join(GUARD_S)
    assert is_out


def test_a_fault_of_our_own_is_never_a_missing_outcome(monkeypatch):
    def broken(self, index, *rest):
        raise AssertionError("bug")

    monkeypatch.setattr(Branches, "run", broken)
    with get_executor("thread", 2) as executor, pytest.raises(AssertionError, match="bug"):
        list(executor.imap(str, range(10)))


def test_an_interrupt_of_the_reader_starts_nothing_that_was_queued():
    started, release = [], threading.Event()
    four = threading.Barrier(5)

    def run(x):
        started.append(x)
        four.wait(GUARD_S)
        release.wait(GUARD_S)

    class Interrupted(threads_module.ThreadWorkerPool):
        def outcomes(self):
            four.wait(GUARD_S)
            raise KeyboardInterrupt
            yield

    original, threads_module.ThreadWorkerPool = threads_module.ThreadWorkerPool, Interrupted
    try:
        with get_executor("thread", 4) as executor, record() as trace, pytest.raises(KeyboardInterrupt):
            list(executor.imap(run, range(100)))
    finally:
        threads_module.ThreadWorkerPool = original
        release.set()
    for worker in worker_threads():
        worker.join(GUARD_S)
    assert sorted(started) == [0, 1, 2, 3]
    assert [s.status for s in trace] == ["abandoned"] * 4


def test_an_interrupt_while_workers_are_started_ends_those_that_are_there(monkeypatch):
    begun, release, ran, started = threading.Event(), threading.Event(), [], []

    def run(x):
        ran.append(x)
        begun.set()
        release.wait(GUARD_S)

    def start(thread):
        original(thread)
        started.append(thread)
        if len(started) == 2:
            assert begun.wait(GUARD_S)
            raise KeyboardInterrupt

    original = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    with get_executor("thread", 4) as executor, pytest.raises(KeyboardInterrupt):
        list(executor.imap(run, range(100)))
    release.set()
    for thread in started:
        thread.join(GUARD_S)
    assert len(ran) <= 2


# -- one pool, looked at -------------------------------------------------------------------------------------------


class Idle(WorkerPool):
    """A pool whose workers do nothing by themselves."""

    def _start_worker(self):
        raise AssertionError("no worker is needed")

    def give_up_all(self):
        self._stop_pulling()


def idle(items, workers=2, window=1, **options):
    count = len(items) if isinstance(items, list) else None
    return Idle(Call(Branches(str, name="str"), items, ordered=False, window=window, count=count, **options), workers)


def until(happened):
    """Wait for something that a test cannot be told of."""
    end = time.monotonic() + GUARD_S
    while not happened():
        assert time.monotonic() < end


def test_items_are_pulled_with_index_and_time_as_far_as_the_limit():
    with use_clock(FakeClock(start_s=7)):
        pool = idle(["a", "b", "c", "d"])
        assert [pool.pull() for _ in range(3)] == [(0, "a", 7 * 10**9), (1, "b", 7 * 10**9), (2, "c", 7 * 10**9)]
    waiting = threading.Thread(target=lambda: pulled.append(pool.pull()))
    pulled = []
    waiting.start()
    until(lambda: pool._is_waiting_for_room)
    assert pulled == []
    pool.count_delivery()
    waiting.join(GUARD_S)
    assert [index for index, *_ in pulled] == [3]
    pool.count_delivery()
    assert pool.pull() is None


def test_a_pool_is_no_larger_than_the_input():
    assert idle(["a"], workers=5).size == 1
    assert idle(iter(["a"]), workers=5).size == 5


def test_a_stopped_pool_pulls_nothing_and_wakes_who_waits_for_room():
    pool = idle(["a", "b", "c", "d"])
    for _ in range(3):
        pool.pull()
    pulled = []
    waiting = threading.Thread(target=lambda: pulled.append(pool.pull()))
    waiting.start()
    until(lambda: pool._is_waiting_for_room)
    pool.cancel(CallCancelled("enough"))
    waiting.join(GUARD_S)
    assert pulled == [None]
    with pytest.raises(CallCancelled, match="enough"):
        list(pool.outcomes())


def test_while_memory_is_short_no_more_is_pulled_than_workers_have(monkeypatch):
    looks, pulled = itertools.count(), []
    monkeypatch.setattr(MemoryBudget, "is_tight", lambda _: next(looks) >= 0)
    pool = idle(["a", "b", "c"], window=10, memory=MemoryBudget(1 << 20))
    assert [pool.pull()[1] for _ in range(2)] == ["a", "b"]
    waiting = threading.Thread(target=lambda: pulled.append(pool.pull()))
    waiting.start()
    until(lambda: next(looks) > 5)
    assert pulled == []
    pool.count_delivery()
    waiting.join(GUARD_S)
    assert pulled[0][1] == "c"
