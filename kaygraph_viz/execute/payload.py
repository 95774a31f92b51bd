"""What travels through the pipe of a worker process, as bytes, and the memory that both sides see.

Belongs here: packing and unpacking, so that one bad object spoils nothing but its own item. Does not belong here: who
sends what when (``processes``, ``child``).

Numbers and texts travel as they are. Everything else is packed by itself, so that it can fail by itself, and through
cloudpickle, so that functions and classes of a notebook travel by value, in the body that they have now.
"""

from __future__ import annotations

import marshal
import mmap
import pickle
import traceback
from typing import Any

from kaygraph_viz.errors import BranchError
from kaygraph_viz.trace.attributes import describe_error

__all__ = [
    "ATOMS", "MAX_CHUNK", "Board", "WorkerTraceback", "are_atoms", "by_value", "pack", "pack_error", "pack_result",
    "record_of", "records_in", "unpack", "unpack_error",
]  # fmt: skip

ATOMS = frozenset({int, float, str, bool, bytes, type(None)})
MAX_CAUSES = 8
Packed = tuple[bytes]  # a tuple, which no atom is
PackedError = tuple[str, str, list[tuple[bytes, str]]]

MAX_CHUNK = 512
_NUMBERS = 5
_START = 8 * _NUMBERS
_READY, _BEGUN, _DONE, _STARTED, _END = range(_NUMBERS)


class WorkerTraceback(Exception):  # shown as the cause of an error, never raised
    """The traceback that an error had in its worker process, as text."""

    def __str__(self) -> str:
        return f"in a worker process\n{self.args[0]}"


class Board:
    """A piece of memory that parent and child both see: how far the chunk is, and the results so far.

    It outlives the child, so a child that dies takes only the item in progress with it.

    A record is a tuple of numbers and texts, written with ``marshal`` in version 2, which knows no references back: so
    the records of a chunk, one after the other, are the inside of a list, and are read all at once.

    Parameters
    ----------
    descriptor
        Of an open file of `SIZE` bytes, without a name or with one that its owner removes.
    """

    SIZE = 1 << 18

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, self.SIZE)
        self._view = memoryview(self._memory)
        self._numbers = self._view[:_START].cast("q")

    # -- written by the child

    def begin(self, position: int, now_ns: int) -> None:
        """Say that the item at `position` of the chunk is in progress."""
        self._numbers[_STARTED] = now_ns
        self._numbers[_BEGUN] = position + 1

    def put(self, position: int, record: bytes) -> bool:
        """Write down the result of that item; False where there is no room for it."""
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
        """Say that the child has started and knows what to call."""
        self._numbers[_READY] = 1

    # -- read by the parent

    def clear(self) -> None:
        """Prepare for a new chunk."""
        self._numbers[_BEGUN] = self._numbers[_DONE] = 0
        self._numbers[_END] = _START

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
        """Return how many results there are so far, with one that found no room here, and what `records_in` reads."""
        count = self._numbers[_DONE]
        data = self._view[_START : self._numbers[_END]].tobytes() if count else b""
        count += bool(last)
        return count, b"[" + count.to_bytes(4, "little") + data + last

    def close(self) -> None:
        """Let go of the memory."""
        self._numbers.release()
        self._view.release()
        self._memory.close()


def record_of(*fields: Any) -> bytes:
    """Return a record as it is written on a board; its fields are numbers, texts, bytes, or tuples of these."""
    return marshal.dumps(fields, 2)


def records_in(written: bytes) -> list[tuple[Any, ...]]:
    """Return the records that a board held."""
    records: list[tuple[Any, ...]] = marshal.loads(written)  # noqa: S302  (from our own process)
    return records


def are_atoms(values: list[Any]) -> bool:
    """Return whether all are numbers and texts, which travel as they are."""
    return ATOMS.issuperset(map(type, values))


def pack(value: Any) -> Any:
    """Return a number or text as it is, and anything else as a tuple of bytes; raises what pickling raises."""
    if type(value) in ATOMS:
        return value
    return (by_value(value),)


def by_value(value: Any) -> bytes:
    """Return anything as bytes for `pickle.loads`; what belongs to ``__main__`` goes by value."""
    from kaygraph_viz.execute.parcels import pack as packed  # here: a child may never need cloudpickle

    return packed(value)


def unpack(packed: Any) -> Any:
    """Return what was packed; raises whatever loading it raises."""
    return pickle.loads(packed[0]) if type(packed) is tuple else packed  # noqa: S301  (from our own process)


def pack_result(value: Any) -> Any:
    """Return a result as `pack` does, but faster: here, nothing of importance lives in ``__main__``."""
    if type(value) in ATOMS:
        return value
    try:
        return (pickle.dumps(value, pickle.HIGHEST_PROTOCOL),)
    except Exception:  # a class or function that came by value goes back by value
        return (by_value(value),)


def pack_error(error: BaseException) -> PackedError:
    """Return an error with its causes: what it says, its traceback as text, and each error of the chain."""
    chain = [error]
    while len(chain) < MAX_CAUSES and (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # the error's own methods may raise
        text = ""
    return describe_error(error), text, [(_packed_or_nothing(each), describe_error(each)) for each in chain]


def _packed_or_nothing(error: BaseException) -> bytes:
    try:
        packed = pack_result(error)[0]
        pickle.loads(packed)  # noqa: S301  (our own; what cannot be loaded here cannot be loaded there)
    except Exception:
        return b""
    return bytes(packed)


def unpack_error(packed: PackedError, where: str) -> BaseException:
    """Return the error with its causes; one that cannot be loaded is replaced by one that says what it said."""
    _, text, chain = packed
    errors = [_loaded(each, said, where) for each, said in chain]
    for error, cause in zip(errors, [*errors[1:], WorkerTraceback(text)], strict=True):
        BaseException.__setattr__(error, "__cause__", cause)  # also where the class is frozen
    return errors[0]


def _loaded(packed: bytes, said: str, where: str) -> BaseException:
    try:
        error = pickle.loads(packed)  # noqa: S301  (from our own process)
        if isinstance(error, BaseException):
            return error
    except Exception:  # told in words
        error = None
    return BranchError(f"{where} raised an error that cannot be sent between processes: {said}")
