"""Memory shared by a worker process and its parent: the progress of a chunk, and its results so far.

Belongs here: what is where in that memory. Does not belong here: packing the values (``core.pickling``), and when it
is written and read (``worker_process``, ``process_starter``, ``results``).
"""

from __future__ import annotations

import marshal
import mmap
import os
from typing import Any

__all__ = ["MAX_CHUNK", "SharedProgress", "record_of", "records_in"]

MAX_CHUNK = 512
_NUMBERS = 5
_START = 8 * _NUMBERS
_READY, _BEGUN, _DONE, _STARTED, _END = range(_NUMBERS)


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
