"""Reading files that others may have made: plain or compressed, within bounds that grow with the size of the file.

Belongs here: what a file may become in memory. Does not belong here: what is in it (``files``, ``export``).

A megabyte of gzip can hold a gigabyte, and three characters of JSON an object of sixty bytes. Traces that were recorded
shrink to a twentieth, very regular ones of other tools to a sixtieth.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from kaygraph_viz.errors import TraceFormatError

__all__ = ["Allowance", "opened", "values_in"]

MAX_RATIO = 100  # bytes for each byte of a compressed file
SMALL = 32 << 20  # bytes that any file may become
FEW_VALUES = 500_000  # events, attributes and links that any file may have; more only as it has bytes


class Allowance:
    """What may still be read from a file."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self._bytes = self._all_bytes = SMALL + MAX_RATIO * size
        self._values = self._all_values = FEW_VALUES + size

    def take_bytes(self, count: int) -> None:
        """Count bytes that were unpacked, or raise `TraceFormatError`."""
        self._bytes -= count
        if self._bytes < 0:
            raise TraceFormatError(
                f"{self._path} is larger than any trace: its {self._size:,} bytes become over {self._all_bytes:,}"
            )

    def take_values(self, count: int) -> None:
        """Count events that are read and attributes and links that are kept, or raise `TraceFormatError`."""
        self._values -= count
        if self._values < 0:
            raise TraceFormatError(
                f"{self._path} is larger than any trace: it has over {self._all_values:,} events, attributes and links"
            )


def opened(raw: IO[bytes], path: Path) -> tuple[IO[bytes], Allowance]:
    """Return a stream of what is in a file that was opened, and what may be read from it; refuse a pickle."""
    head = raw.read(2)
    raw.seek(0)
    if head[:1] == b"\x80":
        raise TraceFormatError(f"{path} is a pickle; pickles can run code and are never loaded. Save with trace.save()")
    allowance = Allowance(path, os.fstat(raw.fileno()).st_size)
    if head != b"\x1f\x8b":
        return raw, allowance
    return _Unpacked(raw, allowance), allowance  # type: ignore[return-value]


class _Unpacked(gzip.GzipFile):
    """A compressed file that counts what is read of it."""

    def __init__(self, raw: IO[bytes], allowance: Allowance) -> None:
        super().__init__(fileobj=raw)
        self._allowance = allowance

    def read(self, size: int | None = -1) -> bytes:
        return self._counted(super().read(size))

    def read1(self, size: int = -1) -> bytes:
        return self._counted(super().read1(size))

    def _counted(self, data: bytes) -> bytes:
        self._allowance.take_bytes(len(data))
        return data


def values_in(attributes: Mapping[str, Any] | None, *others: object) -> int:
    """Return how many values are in attributes, at any depth, and in lists beside them."""
    if not attributes and not any(others):
        return 0
    count, waiting = 0, [each for each in (attributes, *others) if each]
    while waiting:
        value = waiting.pop()
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
        count += len(inner)
        waiting.extend(each for each in inner if isinstance(each, (Mapping, list, tuple)))
    return count
