"""The memory that parent and child share: what one side writes, the other reads."""

from __future__ import annotations

import os
import tempfile

import pytest

from kaygraph_viz.execute.local.shared_progress import SharedProgress, record_of, records_in


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


def test_at_first_nothing_has_begun(sides):
    _, parent = sides
    assert parent.in_progress is None
    assert not parent.is_ready
    assert parent.written()[0] == 0


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
    for position, record in enumerate(records):
        child.begin(position, 0)
        assert child.put(position, record_of(*record))
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
