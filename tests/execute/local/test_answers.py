"""Answers of worker processes: read as they come, refused where somebody else wrote them."""

from __future__ import annotations

import os
import socket
import struct
import threading
from multiprocessing.connection import Connection

import pytest

from kaygraph_viz.execute.local.answers import AnswerReader, AnswerWriter

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
