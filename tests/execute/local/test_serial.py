"""One branch after the other in the thread of the reader."""

from __future__ import annotations

import threading

import pytest

from kaygraph_viz.clock import sleep
from kaygraph_viz.errors import CallCancelled
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.local.serial import SerialExecutor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import span


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


def test_a_late_branch_cannot_be_interrupted_and_is_a_timeout_once_it_returns():
    with record(clock=FakeClock()) as trace:
        (outcome,) = SerialExecutor().imap(sleep, [5], timeout=2, on_error="collect")
    assert (outcome.status, trace.spans[0].service_s) == ("timeout", 5)


def test_a_token_is_looked_at_between_two_items():
    token, ran = CancelToken(), []

    def run(x):
        ran.append(x)
        token.cancel()

    with pytest.raises(CallCancelled):
        list(SerialExecutor().imap(run, [1, 2, 3], cancel=token))
    assert ran == [1]
