"""What a worker process says to its parent, from the bytes to outcomes and spans.

Belongs here: the frame of an answer, the memory that both share, and reading the records in it. Does not belong here:
packing of values (``pickling``), when it is written (``worker_process``) and asked for (``processes``).

A branch may leave a copy of its process behind, or write to files that it found open. So an answer begins with the
process that wrote it and the number of the chunk that it is for, and the parent never waits for the rest of one: what
comes from somebody else, or is cut off by it, can be refused.
"""

from __future__ import annotations

import errno
import marshal
import mmap
import os
import pickle
import select
import struct
from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from kaygraph_viz.base.thread_protocols import Event
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pickling import unpack_result
from kaygraph_viz.execute.worker_pool import Pulled
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.row import RowTuple, describe_error
from kaygraph_viz.trace.span import Status
from kaygraph_viz.trace.wire import Shift, adopt, squeezed

__all__ = ["MAX_CHUNK", "AnswerReader", "AnswerWriter", "Results", "SharedProgress", "record_of", "records_in"]

MAX_CHUNK = 512
_HEAD = struct.Struct("<qqq")  # the process, the number of the chunk, how many bytes follow
READ_BYTES = 1 << 18
_NUMBERS = 5
_START = 8 * _NUMBERS
_READY, _BEGUN, _DONE, _STARTED, _END = range(_NUMBERS)


class AnswerWriter:
    """The end of the pipe in the worker process."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._file = os.fstat(pipe.fileno()) if os.name == "posix" else None

    def write(self, number: int, answer: bytes) -> None:
        """Write the answer to a chunk; raise `OSError` where a branch has closed the pipe."""
        message = _HEAD.pack(os.getpid(), number, len(answer)) + answer
        if self._file is None:
            self._pipe.send_bytes(message)
            return
        if not os.path.samestat(os.fstat(self._pipe.fileno()), self._file):
            raise OSError(errno.EBADF, "a branch has closed the pipe, and its number is that of another file now")
        rest = memoryview(message)
        while rest:
            rest = rest[os.write(self._pipe.fileno(), rest) :]


class AnswerReader:
    """The end of the pipe in the parent."""

    def __init__(self, pipe: Any, pid: int) -> None:
        self._pipe = pipe
        self._pid = pid
        self._read = bytearray()
        self.has_refused = False
        self._is_stream = os.name == "posix"  # elsewhere messages come whole
        self._poll = select.poll() if self._is_stream and hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(pipe.fileno(), select.POLLIN)

    @property
    def has_begun(self) -> bool:
        """Whether an answer of the right process is on its way."""
        return len(self._read) >= _HEAD.size

    def has_news(self, within_s: float) -> bool:
        """Wait for something to read, or for the end of the pipe, and return whether there is."""
        if self._poll is None:
            return bool(self._pipe.poll(within_s))
        return bool(self._poll.poll(within_s * 1e3))

    def read(self, number: int) -> bytes | None:
        """Read what there is and return the answer to a chunk, or None while it is not complete."""
        if not self._is_stream:
            self._read += self._pipe.recv_bytes()
        else:
            read = os.read(self._pipe.fileno(), READ_BYTES)
            if not read:
                raise EOFError
            self._read += read
        if not self.has_begun:
            return None
        pid, answered, size = _HEAD.unpack_from(self._read)
        missing = _HEAD.size + size - len(self._read)
        if (pid, answered) != (self._pid, number) or missing < 0:
            self.has_refused = True
            raise EOFError
        if missing:
            return None
        with memoryview(self._read) as view:
            answer = bytes(view[_HEAD.size :])
        self._read.clear()
        return answer


class SharedProgress:
    """Memory shared by parent and child: the progress of the chunk, and the results so far."""

    SIZE = 1 << 18

    def __init__(self, descriptor: int) -> None:
        os.lseek(descriptor, self.SIZE, os.SEEK_SET)  # what a branch writes to files that it finds open lands beyond
        self._memory = mmap.mmap(descriptor, self.SIZE)
        self._view = memoryview(self._memory)
        self._numbers = self._view[:_START].cast("q")

    # -- written by the child

    def keep_from_forks(self) -> None:
        """Take this memory away from all copies of this process that are made from now on, where the system can."""
        if hasattr(mmap, "MADV_DONTFORK"):
            self._memory.madvise(mmap.MADV_DONTFORK)

    def begin(self, position: int, now_ns: int) -> None:
        """Note that the item at `position` of the chunk is in progress."""
        self._numbers[_STARTED] = now_ns
        self._numbers[_BEGUN] = position + 1

    def put(self, position: int, record: bytes) -> bool:
        """Write the record of that item and return True; return False where there is no room for it."""
        numbers = self._numbers
        start = numbers[_END]
        end = start + len(record)
        if end > self.SIZE:
            return False
        self._view[start:end] = record
        numbers[_END] = end
        numbers[_DONE] = position + 1
        return True

    def say_ready(self) -> None:
        """Note that the child has started and has loaded the function."""
        self._numbers[_READY] = 1

    # -- read by the parent

    def clear(self) -> None:
        """Prepare for a new chunk."""
        self._numbers[_BEGUN] = self._numbers[_DONE] = 0
        self._numbers[_END] = _START

    @property
    def begun(self) -> int:
        """How many items of the chunk were begun."""
        return self._numbers[_BEGUN]

    @property
    def in_progress(self) -> int | None:
        """The position of the item that was begun and not finished; None where there is none."""
        done = self._numbers[_DONE]
        return done if self._numbers[_BEGUN] > done else None

    @property
    def started_ns(self) -> int:
        """When the item in progress began [ns]."""
        return self._numbers[_STARTED]

    @property
    def is_ready(self) -> bool:
        """Whether the child has ever been ready to work."""
        return bool(self._numbers[_READY])

    def written(self, last: bytes = b"") -> tuple[int, bytes]:
        """Return the number of records so far, with a `last` one that found no room, and the bytes for `records_in`."""
        count = self._numbers[_DONE]
        data = self._view[_START : self._numbers[_END]].tobytes() if count else b""
        count += bool(last)
        return count, b"[" + count.to_bytes(4, "little") + data + last

    def close(self) -> None:
        """Release the memory."""
        self._numbers.release()
        self._view.release()
        self._memory.close()


def record_of(*fields: Any) -> bytes:
    """Return the bytes of a record, whose fields are numbers, texts, bytes, or tuples of these."""
    return marshal.dumps(fields, 2)


def records_in(written: bytes) -> list[tuple[Any, ...]]:
    """Return the records that `SharedProgress.written` returned."""
    records: list[tuple[Any, ...]] = marshal.loads(written)  # noqa: S302  (from our own process)
    return records


class Results:
    """Turns the records of one worker process into outcomes and spans."""

    def __init__(self, branches: Branches, lane: Lane, done: deque[Outcome], news: Event, *, is_real: bool) -> None:
        self.branches = branches
        self.lane = lane.name
        self.recorder = branches.recorder
        self._done = done
        self._news = news
        self._is_real = is_real
        self._kept: tuple[Sequence[Pulled], bytes, int, int] | None = None

    def keep(self, chunk: Sequence[Pulled], written: bytes, sent_ns: int) -> None:
        """Keep the records of a chunk until `deliver`."""
        self._kept = chunk, written, sent_ns, self.branches.now_ns()

    def deliver(self) -> None:
        """Deliver the outcomes of the records that were kept, if any."""
        if self._kept is None:
            return
        (chunk, written, sent_ns, received_ns), self._kept = self._kept, None
        records = records_in(written)
        shift = None
        if records and not self._is_real:
            shift = squeezed(records[0][1], sent_ns, received_ns)
        # short records, of numbers and texts: no name, no error, no rows of their own
        is_plain = {4}.issuperset(map(len, records)) and tuple not in set(map(type, map(itemgetter(0), records)))
        if shift is None and is_plain:
            self._done.extend(self._plain(chunk, records))
        else:
            for pulled, record in zip(chunk, records, strict=False):
                self._done.append(self._long(pulled, record, shift))
        self._news.set()

    def _plain(self, chunk: Sequence[Pulled], records: Sequence[tuple[Any, ...]]) -> list[Outcome]:
        """Return the outcomes of items whose value is a number or text, all in one go."""
        name = self.branches.name
        pairs = list(zip(chunk, records, strict=False))
        if self.branches.is_recorded:
            add, next_id = self.branches.add, self.recorder.next_id
            parent_id, lane = self.branches.parent_id, self.lane
            for (index, _, submitted), (_, started, ended, cpu) in pairs:
                add((  # a row, by the order of its fields
                    next_id(), parent_id, index, name, "branch", lane, submitted, started, ended, cpu, 0, "ok", 1,
                    None, None, None, None,
                ))  # fmt: skip
        return [
            Outcome(index, value, None, "ok", 1, submitted, started, ended, name)
            for (index, _, submitted), (value, started, ended, _) in pairs
        ]

    def _long(self, pulled: Pulled, record: tuple[Any, ...], shift: Shift | None) -> Outcome:
        """Return the outcome of one item of which there may be more to say."""
        index, _, submitted = pulled
        where, cpu = self.branches.where(index), -1
        failure: Any = None
        rows: list[RowTuple] | None = None
        status: Status = "ok"
        attempts, name = 1, self.branches.name
        if len(record) == 4:
            packed, started, ended, cpu = record
        else:
            long = pickle.loads(record[0])
            packed, started, ended, failure, status, attempts, name, rows = long
        value, error = unpack_result(packed, failure, where)
        if error is not None and failure is None:  # the value could not be loaded
            status, rows = "error", None
        if shift is not None:
            started, ended = shift(started), shift(ended)
            cpu = min(cpu, ended - started)
        outcome = Outcome(index, value, error, status, attempts, submitted, started, ended, name)
        self._record(outcome, rows, cpu, shift)
        return outcome

    def end(self, pulled: Pulled, started_ns: int, ended_ns: int, status: Status, error: Exception | None) -> None:
        """Deliver the outcome of an item of which the process has left no record."""
        index, item, submitted = pulled
        started_ns, name = max(submitted, started_ns), self.branches.name_of(item)
        outcome = Outcome(index, None, error, status, 1, submitted, started_ns, max(started_ns, ended_ns), name)
        self._record(outcome, None, -1, None)
        if status != "cancelled":
            self._done.append(outcome)
            self._news.set()

    def _record(self, outcome: Outcome, rows: list[RowTuple] | None, cpu_ns: int, shift: Shift | None) -> None:
        recorder, parent_id, submitted = self.recorder, self.branches.parent_id, outcome.submitted_ns
        if not self.branches.is_recorded:  # no row is made for nothing
            return
        if rows:
            adopt(
                recorder,
                rows,
                parent_id=parent_id,
                lane=self.lane,
                submitted_ns=submitted,
                shift=shift,
                add=self.branches.add,
            )
            return
        text = None if outcome.error is None else describe_error(outcome.error)
        self.branches.add((  # a plain tuple: it is made for every small item, and a `Row` costs 0.6 us more
            recorder.next_id(), parent_id, outcome.index, outcome.name, "branch", self.lane, submitted,
            outcome.started_ns, outcome.ended_ns, cpu_ns, 0, outcome.status, outcome.attempts, text, None, None, None,
        ))  # fmt: skip
