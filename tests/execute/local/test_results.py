"""What a worker process has written becomes outcomes and bars."""

from __future__ import annotations

import pickle
import threading
from collections import deque

import pytest

from kaygraph_viz.errors import BranchError, WorkerLostError
from kaygraph_viz.execute.core.branch import Branches
from kaygraph_viz.execute.core.pickling import pack_error, pack_result
from kaygraph_viz.execute.local.results import Results
from kaygraph_viz.execute.local.shared_progress import record_of
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import span
from tests.execute.local.process_helpers import values


@pytest.mark.processes
def test_under_another_clock_spans_lie_where_that_clock_stood(two):
    clock = FakeClock(start_s=5)
    with record(clock=clock) as trace, span("all"):
        outcomes = list(two.imap(str, range(4)))
    assert {(s.started_ns, s.ended_ns) for s in trace} == {(5 * 10**9, 5 * 10**9)}
    assert {o.ended_ns for o in outcomes} == {5 * 10**9}


@pytest.mark.processes
def test_what_came_back_of_a_chunk_is_handed_over_before_a_wait_for_more_input(one):
    may_go_on = threading.Event()

    def numbers():
        yield from range(500)
        may_go_on.wait()
        yield 500

    outcomes = one.imap(str, numbers(), window=1000)
    assert [next(outcomes).value for _ in range(500)] == [str(number) for number in range(500)]
    may_go_on.set()
    assert values(outcomes) == ["500"]


# -- records, read in this process ---------------------------------------------------------------------------------


class Read:
    """Results of one lane, with what they deliver."""

    def __init__(self, *, is_real=True, **options):
        self.done, self.news = deque(), threading.Event()
        branches = Branches(str, name="look", owner="Check", **options)
        lane = branches.recorder.lanes.take("process")
        self.results = Results(branches, lane, self.done, self.news, is_real=is_real)

    def deliver(self, *records, sent_ns=0):
        chunk = [(index, f"item {index}", index) for index in range(len(records))]
        self.results.keep(chunk, b"[" + len(records).to_bytes(4, "little") + b"".join(records), sent_ns)
        assert not self.done
        self.results.deliver()
        return list(self.done)


def long_record(packed, started, ended, failure=None, status="ok", attempts=1, rows=()):
    return record_of(pickle.dumps((packed, started, ended, failure, status, attempts, "look", list(rows))), started)


def test_plain_records_become_outcomes_and_bars():
    with record() as trace:
        read = Read()
        outcomes = read.deliver(record_of(1.5, 100, 200, 50), record_of("b", 200, 400, -1))
    assert [(o.index, o.value, o.submitted_ns, o.started_ns, o.ended_ns) for o in outcomes] == [
        (0, 1.5, 0, 100, 200),
        (1, "b", 1, 200, 400),
    ]
    assert read.news.is_set()
    assert [(s.name, s.lane, s.index, s.ended_ns - s.started_ns, s.cpu_ns) for s in trace] == [
        ("look", "process-1", 0, 100, 50),
        ("look", "process-1", 1, 200, None),
    ]


def test_without_a_recording_there_are_outcomes_only():
    assert [outcome.value for outcome in Read().deliver(record_of(1, 0, 1, -1))] == [1]


def test_what_is_kept_is_delivered_once():
    read = Read()
    read.deliver(record_of(1, 0, 1, -1))
    read.results.deliver()
    assert len(read.done) == 1


def test_an_error_comes_with_status_attempts_and_type():
    failure = pack_error(LookupError("no"))
    (outcome,) = Read().deliver(long_record(None, 1, 2, failure, "error", 3))
    assert (outcome.status, outcome.attempts, type(outcome.error), str(outcome.error)) == (
        "error",
        3,
        LookupError,
        "no",
    )


def test_a_value_that_cannot_be_loaded_here_is_an_error_of_its_item():
    class Unloadable:
        def __reduce__(self):
            return exec, ("raise LookupError('not here')",)

    with record() as trace:
        (outcome,) = Read().deliver(record_of(pack_result(Unloadable()), 1, 2, -1))
    assert type(outcome.error) is BranchError
    assert "item 0 of 'Check' returned a value that cannot be loaded here: LookupError" in str(outcome.error)
    assert [(s.status, s.error.partition(":")[0]) for s in trace] == [("error", "BranchError")]


def test_times_of_another_clock_are_squeezed_in_between_sending_and_receiving():
    clock = FakeClock(start_s=8)
    with record(clock=clock):
        (outcome,) = Read(is_real=False).deliver(long_record(1, 500, 900), sent_ns=7 * 10**9)
    assert 7 * 10**9 <= outcome.started_ns <= outcome.ended_ns <= 8 * 10**9


def test_an_item_that_was_lost_is_an_outcome_and_a_bar():
    error = WorkerLostError(1, 9, "item 3 of 'Check'")
    with record() as trace:
        read = Read()
        read.results.end((3, "x", 50), 20, 90, "lost", error)
    (outcome,) = read.done
    assert (outcome.index, outcome.status, outcome.error) == (3, "lost", error)
    assert (outcome.started_ns, outcome.ended_ns) == (50, 90)  # not before it was submitted
    assert [(s.status, s.started_ns, s.ended_ns) for s in trace] == [("lost", 50, 90)]


def test_an_item_that_was_cancelled_is_in_the_trace_only():
    with record() as trace:
        read = Read()
        read.results.end((3, "x", 50), 60, 90, "cancelled", None)
    assert not read.done
    assert not read.news.is_set()
    assert [s.status for s in trace] == ["cancelled"]
