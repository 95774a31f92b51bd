"""The answers of a worker process on their way to its parent: whose they are, and to what.

Belongs here: the frame of an answer, written in the process and read by its parent. Does not belong here: what is in
an answer (``worker_process``, ``shared_progress``), and what it means that one is refused (``processes``).

A branch may leave a copy of its process behind, or write to files that it found open. So an answer begins with the
process that wrote it and the number of the chunk that it is for, and the parent never waits for the rest of one: what
comes from somebody else, or is cut off by it, can be refused.
"""

from __future__ import annotations

import errno
import os
import select
import struct
from typing import Any

__all__ = ["AnswerReader", "AnswerWriter"]

_HEAD = struct.Struct("<qqq")  # the process, the number of the chunk, how many bytes follow
READ_BYTES = 1 << 18


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
