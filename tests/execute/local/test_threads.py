"""Threads as workers, real and simulated, and one branch after the other in the thread of the reader."""

from __future__ import annotations

import itertools
import threading

import pytest

from kaygraph_viz.base.errors import CallCancelled
from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.local.threads import SerialExecutor
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import span
from tests.execute.local.simulated_helpers import bars, now_s, run

GUARD_S = 20.0


def worker_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("thread")]


def test_workers_are_daemons_and_end_with_the_call():
    def look(x):
        return threading.current_thread()

    with get_executor("thread", 2) as executor:
        workers = {outcome.value for outcome in executor.imap(look, range(10))}
    for worker in workers:
        worker.join(GUARD_S)
    assert all(worker.daemon and not worker.is_alive() for worker in workers)


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
    assert not [worker for worker in worker_threads() if worker.is_alive()]
    assert len(ended) == count == len(trace)


# -- simulated: each costs a start and each item a hand-over, and a late one goes on without its outcome -------------


def test_a_thread_takes_its_time_to_start_once_and_for_each_item():
    clock = VirtualClock(start_up_s={"thread": 2}, dispatch_s={"thread": 0.5})
    _, trace, over_s = run("thread", sleep, [1, 1, 1], 1, clock)
    assert bars(trace) == [(0, 2.5, 3.5, "ok"), (1, 4, 5, "ok"), (2, 5.5, 6.5, "ok")]
    assert over_s == 6.5


def test_the_hand_over_does_not_count_to_the_time_that_a_branch_has():
    clock = VirtualClock(dispatch_s=5)
    outcomes, trace, _ = run("thread", sleep, [1, 1], 1, clock, timeout=2)
    assert [outcome.status for outcome in outcomes] == ["ok", "ok"]
    assert bars(trace) == [(0, 5, 6, "ok"), (1, 11, 12, "ok")]


def test_a_deadline_counts_from_the_begin_also_of_a_branch_that_begins_while_none_runs():
    def items():
        sleep(10)
        yield 9

    _, trace, over_s = run("thread", sleep, items(), 1, timeout=2, on_error="collect")
    assert bars(trace)[0][1:3] == (10, 12)
    assert over_s == 12


def test_a_call_that_is_given_up_during_a_hand_over_begins_nothing_more():
    token, clock = CancelToken(), VirtualClock(dispatch_s={"thread": 3})

    def run_and_cancel(seconds):
        sleep(seconds)
        if seconds == 1:  # while the other thread has its next item handed over
            token.cancel()

    with record(clock=clock) as trace, get_executor("thread", 2) as executor:
        with pytest.raises(CallCancelled):
            list(executor.imap(run_and_cancel, [1, 0.5, 9], cancel=token))
        assert now_s() == 4
        sleep(100)
    assert [index for index, *_ in bars(trace)] == [0, 1]


def test_a_thread_is_given_up_at_its_deadline_and_its_bar_goes_on():
    with record(clock="virtual") as trace, get_executor("thread", 2) as executor:
        outcomes = list(executor.imap(sleep, [1, 9, 1, 1], timeout=2, on_error="collect"))
        assert now_s() == 3
        sleep(100)
    assert [outcome.status for outcome in outcomes] == ["ok", "timeout", "ok", "ok"]
    assert bars(trace) == [(0, 0, 1, "ok"), (1, 0, 9, "abandoned"), (2, 1, 2, "ok"), (3, 2, 3, "ok")]
    trace.validate()


def test_a_token_is_cancelled_by_a_branch():
    token = CancelToken()

    def cancel_at(seconds):
        sleep(seconds)
        token.cancel()

    with record(clock="virtual") as trace, get_executor("thread", 2) as executor:
        with pytest.raises(CallCancelled):
            list(executor.imap(cancel_at, [3, 9, 9], cancel=token))
        assert now_s() == 3
        sleep(10)
    assert bars(trace) == [(0, 0, 3, "abandoned"), (1, 0, 9, "abandoned")]


# -- serial ----------------------------------------------------------------------------------------------------------


def test_there_is_one_worker_whatever_was_asked_for():
    assert SerialExecutor().workers == SerialExecutor(8).workers == 1


def test_each_branch_runs_when_its_outcome_is_asked_for_in_the_thread_that_asks():
    begun = []
    outcomes = SerialExecutor().imap(lambda x: begun.append((x, threading.get_ident())), [1, 2, 3])
    assert begun == []
    next(outcomes)
    next(outcomes)
    assert begun == [(1, threading.get_ident()), (2, threading.get_ident())]


def test_branches_lie_one_after_the_other_on_the_lane_of_the_reader():
    with record(clock=FakeClock()) as trace, span("reads"):
        list(SerialExecutor().imap(sleep, [1, 2]))
    first, second = trace.where(name="sleep")
    assert {first.lane, second.lane} == {trace.where(name="reads")[0].lane}
    assert (first.started_ns, first.ended_ns, second.started_ns, second.ended_ns) == (0, 10**9, 10**9, 3 * 10**9)
    assert (first.submitted_ns, second.submitted_ns) == (0, 0)  # a list is ready from the beginning


def test_an_item_of_an_input_without_a_length_is_ready_when_it_is_read():
    with record(clock=FakeClock()) as trace:
        list(SerialExecutor().imap(sleep, iter([1, 2])))
    assert [branch.queue_wait_s for branch in trace] == [0, 0]
