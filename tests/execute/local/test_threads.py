"""What only threads do: giving up on late branches, replacing their workers, and the races between the two sides."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from contextlib import closing

import pytest

from kaygraph_viz.clock import sleep, use_clock
from kaygraph_viz.execute.core import worker_pool
from kaygraph_viz.execute.core.branch import Branches, Claim, Held
from kaygraph_viz.execute.local import threads as threads_module
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import record, span

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


def test_workers_are_daemons_and_end_with_the_call():
    def look(x):
        return threading.current_thread()

    with get_executor("thread", 2) as executor:
        workers = {outcome.value for outcome in executor.imap(look, range(10))}
    for worker in workers:
        worker.join(GUARD_S)
    assert all(worker.daemon and not worker.is_alive() for worker in workers)


def test_no_more_threads_than_items():
    barrier = threading.Barrier(2)
    with get_executor("thread", 8) as executor:
        counts = [
            outcome.value
            for outcome in executor.imap(lambda _: (barrier.wait(GUARD_S), len(worker_threads()))[1], [1, 2])
        ]
    assert max(counts) <= 2


def test_closing_early_waits_for_the_branches_in_progress():
    started, release = threading.Event(), threading.Event()
    ended = []

    def run(x):
        if x:
            started.set()
            release.wait(GUARD_S)
        ended.append(x)

    with get_executor("thread", 2) as executor, record() as trace:
        outcomes = executor.imap(run, itertools.count(), ordered=False, window=0)
        next(outcomes)
        assert started.wait(GUARD_S)
        threading.Timer(0, release.set).start()
        outcomes.close()
        count = len(ended)
    assert not [worker for worker in worker_threads() if worker.is_alive() and worker.claim and worker.claim.peek()]
    assert len(ended) == count == len(trace)


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


def test_a_claim_is_let_go_by_one_side_only():
    claim, held = Claim(), Held(0, "a", 0, 0)
    claim.take(held)
    assert claim.peek() is held
    assert claim.release(held)
    assert not claim.release(held)
    assert claim.peek() is None


def test_giving_up_late_never_hits_the_branch_after_it():
    """The reader looks at branch 0, the worker ends it and takes branch 1, and only then the reader gives up on 0."""
    claim, first, second = Claim(), Held(0, "a", 0, 0), Held(1, "a", 0, 0)
    claim.take(first)
    seen = claim.peek()
    assert claim.release(first)
    claim.take(second)
    assert not claim.release(seen)
    assert claim.peek() is second


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
