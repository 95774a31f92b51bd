"""What comes back from worker processes: answers, memory shared with them, and what becomes of their records."""

from __future__ import annotations

import os
import pickle
import socket
import struct
import tempfile
import threading
from collections import deque
from multiprocessing.connection import Connection

import pytest

from kaygraph_viz.base.errors import WorkerLostError
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.local.answers import (
    AnswerReader,
    AnswerWriter,
    Results,
    SharedProgress,
    record_of,
    records_in,
)
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


def test_what_is_kept_is_delivered_once():
    read = Read()
    read.deliver(record_of(1, 0, 1, -1))
    read.results.deliver()
    assert len(read.done) == 1


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


# -- answers: read as they come, refused where somebody else wrote them ----------------------------------------------


STRANGER = 4711


class Pipe:
    """Both ends of the pipe of a worker process, which is this one."""

    def __init__(self):
        ours, theirs = socket.socketpair()
        self.ours, self.theirs = Connection(ours.detach()), Connection(theirs.detach())
        self.reader, self.writer = AnswerReader(self.ours, os.getpid()), AnswerWriter(self.theirs)

    def put(self, written):
        os.write(self.theirs.fileno(), written)


@pytest.fixture
def pipe():
    made = Pipe()
    yield made
    made.ours.close()
    made.theirs.close()


def answer_of(pid, number, answer):
    return struct.pack("<qqq", pid, number, len(answer)) + answer


@pytest.mark.parametrize("answer", [b"", b"record"])
def test_an_answer_comes_as_it_was_written(pipe, answer):
    assert not pipe.reader.has_news(0)
    pipe.writer.write(7, answer)
    assert pipe.reader.has_news(0)
    assert pipe.reader.read(7) == answer
    assert not pipe.reader.has_begun


def test_a_large_one_comes_in_pieces(pipe):
    answer, pieces = os.urandom(3_000_000), []
    writer = threading.Thread(target=pipe.writer.write, args=(1, answer))
    writer.start()
    while (whole := pipe.reader.read(1)) is None:
        pieces.append(pipe.reader.has_begun)
    writer.join()
    assert whole == answer
    assert pieces
    assert all(pieces)


def test_nobody_waits_for_the_rest_of_one(pipe):
    written = answer_of(os.getpid(), 1, b"record")
    for piece, has_begun in ((written[:3], False), (written[3:24], True), (written[24:27], True)):
        pipe.put(piece)
        assert pipe.reader.read(1) is None
        assert pipe.reader.has_begun == has_begun
    pipe.put(written[27:])
    assert pipe.reader.read(1) == b"record"


@pytest.mark.parametrize(
    "written",
    [
        answer_of(STRANGER, 1, b"record"),
        answer_of(os.getpid(), 2, b"of another chunk"),
        struct.pack("<qqq", os.getpid(), 1, -5),
        answer_of(os.getpid(), 1, b"record") * 2,
        answer_of(STRANGER, 1, b"")[:10] + answer_of(os.getpid(), 1, b"record"),
        b"whatever a branch writes to each file that it finds open",
    ],
    ids=["stranger", "other chunk", "size", "twice", "mixed", "text"],
)
def test_what_is_no_answer_of_that_process_to_that_chunk_is_refused(pipe, written):
    pipe.put(written)
    with pytest.raises(EOFError):
        pipe.reader.read(1)
    assert pipe.reader.has_refused


def test_the_end_of_the_pipe_is_no_refusal(pipe):
    pipe.put(answer_of(os.getpid(), 1, b"record")[:28])
    pipe.theirs.close()
    assert pipe.reader.read(1) is None
    with pytest.raises(EOFError):
        pipe.reader.read(1)
    assert not pipe.reader.has_refused


def test_nothing_is_written_to_a_file_that_took_the_place_of_the_pipe(pipe, tmp_path):
    with (tmp_path / "file").open("wb") as file:
        os.dup2(file.fileno(), pipe.theirs.fileno())
        with pytest.raises(OSError, match="a branch has closed the pipe"):
            pipe.writer.write(1, b"record")
    assert (tmp_path / "file").read_bytes() == b""


# -- the memory that parent and child share --------------------------------------------------------------------------


@pytest.fixture
def sides():
    """Return two views of the same memory: the child's and the parent's."""
    with tempfile.TemporaryFile() as file:
        file.truncate(SharedProgress.SIZE)
        child, parent = SharedProgress(file.fileno()), SharedProgress(file.fileno())
        parent.clear()
        yield child, parent
        child.close()
        parent.close()


def test_what_is_written_to_the_file_does_not_reach_the_memory():
    with tempfile.TemporaryFile() as file:
        file.truncate(SharedProgress.SIZE)
        progress = SharedProgress(file.fileno())
        progress.clear()
        os.write(file.fileno(), b"what is this file for?  It was open")
        assert (progress.begun, progress.written()[0]) == (0, 0)
        progress.close()


def test_the_parent_sees_what_is_in_progress_and_since_when(sides):
    child, parent = sides
    child.begin(0, 1_000)
    assert (parent.in_progress, parent.started_ns) == (0, 1_000)
    child.put(0, record_of("a"))
    assert parent.in_progress is None
    child.begin(1, 2_000)
    assert (parent.in_progress, parent.started_ns) == (1, 2_000)


def test_records_come_back_as_they_were_written(sides):
    child, parent = sides
    records = [(1, 2.5, "text"), (b"bytes", None, True), ((1, ("nested",)), "", -(2**80))]
    for position, fields in enumerate(records):
        child.begin(position, 0)
        assert child.put(position, record_of(*fields))
    count, written = parent.written()
    assert (count, records_in(written)) == (3, records)


def test_a_record_for_which_there_is_no_room_is_left_to_the_answer(sides):
    child, parent = sides
    child.put(0, record_of("fits"))
    large = record_of("x" * SharedProgress.SIZE)
    child.begin(1, 0)
    assert not child.put(1, large)
    assert parent.in_progress == 1
    count, written = parent.written(large)
    assert (count, records_in(written)) == (2, [("fits",), ("x" * SharedProgress.SIZE,)])


def test_the_memory_is_used_to_its_last_byte(sides):
    child, parent = sides
    empty = len(record_of(b""))
    room = SharedProgress.SIZE - 40
    assert not child.put(0, record_of(b"x" * (room - empty + 1)))
    assert child.put(0, record_of(b"x" * (room - empty)))
    assert records_in(parent.written()[1]) == [(b"x" * (room - empty),)]


def test_a_new_chunk_begins_with_nothing_but_the_process_stays_ready(sides):
    child, parent = sides
    child.say_ready()
    child.begin(0, 0)
    child.put(0, record_of("a"))
    child.begin(1, 0)
    parent.clear()
    assert parent.in_progress is None
    assert records_in(parent.written()[1]) == []
    assert parent.is_ready
