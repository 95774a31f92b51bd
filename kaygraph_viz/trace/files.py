"""The native file: versioned JSON Lines, one span a line, compressed by suffix.

Belongs here: writing and reading this one format; what all formats share: files that are written whole or not at all,
and reads within bounds of time and memory. Other formats: ``export``.

The first line names format and version, the last one counts the spans, so that a file that was cut off is known.
Fields with their usual value are left out. Nothing in a file is ever executed.
"""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import secrets
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple, cast

from kaygraph_viz.base.errors import TraceFormatError, short, warn
from kaygraph_viz.base.machine import Machine, machine_from
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.base.texts import cut
from kaygraph_viz.trace.columns import SpanColumns, Spans
from kaygraph_viz.trace.gauges import GaugeSamples, gauges_as_fields, gauges_from
from kaygraph_viz.trace.invariants import impossibilities
from kaygraph_viz.trace.memory import NOTHING, MemorySamples, memory_from
from kaygraph_viz.trace.row import as_fields, as_row, problem_with


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Yield a stream for the new content of `path`, compressed when its name ends in ``.gz``."""
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as raw, _compressed(raw, path) as stream:
            yield stream
        return
    beside = path.parent / f".{path.name[:40]}.{secrets.token_hex(4)}.tmp"
    try:
        with beside.open("xb") as raw:  # not mkstemp: the file shall be as readable to others as any new one
            if path.is_file() and not path.is_symlink():
                if not os.access(path, os.W_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
                beside.chmod(path.stat().st_mode & 0o777)  # before there is anything in it to read
            with _compressed(raw, path) as stream:
                yield stream
        beside.replace(path)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _compressed(raw: IO[bytes], path: Path) -> IO[bytes]:
    # no name and no time in the header: equal traces make equal files
    return cast("IO[bytes]", gzip.GzipFile("", "wb", 6, raw, mtime=0)) if path.suffix == ".gz" else raw


# -- bounds that grow with the size of the file: a megabyte of gzip can hold a gigabyte, and three characters of JSON an
# object of sixty bytes; traces that were recorded shrink to a twentieth, very regular ones of others to a sixtieth ----


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
    return cast("IO[bytes]", _Unpacked(raw, allowance)), allowance


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


# -- the format -------------------------------------------------------------------------------------------------------


FORMAT = "kaygraph-viz-trace"
VERSION = 2
READABLE = (1, VERSION)  # files of version 1 have no parts
MAX_LINE = 1 << 20  # characters; lines that we write have some hundred
MAX_CHARACTERS = 4 << 30  # in all, after decompression: some ten million spans
READ_CHUNK = 65_536
TEXT_LIMIT = 200  # characters of what a prediction was made from


class TraceFile(NamedTuple):
    """What a file holds."""

    columns: SpanColumns
    dropped: int = 0
    memory: MemorySamples = NOTHING
    machine: Machine | None = None
    gauges: Mapping[str, GaugeSamples] = MappingProxyType({})
    predicted_from: str = ""


def write_trace(held: TraceFile, path: Path) -> Path:
    """Write a trace to `path`, replacing it only when everything was written."""
    with written(path) as stream:
        for line in _lines(held):
            stream.write(line.encode() + b"\n")
    return path


def _lines(held: TraceFile) -> Iterator[str]:
    encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode
    columns, memory = held.columns, held.memory
    yield encode({"format": FORMAT, "version": VERSION})
    for position in range(len(columns)):
        yield encode(as_fields(columns.span(position)))
    footer: dict[str, Any] = {"spans": len(columns), "dropped": held.dropped}
    if held.predicted_from:
        footer["predicted_from"] = held.predicted_from
    if held.machine is not None:
        footer["machine"] = held.machine.as_fields()
    if len(memory.times_ns):
        footer["memory"] = [memory.times_ns.tolist(), memory.size.tolist()]
    yield encode({**footer, **gauges_as_fields(held.gauges)})


def read_trace(path: Path, *, partial: bool = False) -> TraceFile:
    """Read a trace from `path`; see `kaygraph_viz.load`."""
    spans, footer = Spans(), None
    try:
        with path.open("rb") as raw, ExitStack() as stack:
            stream, allowance = opened(raw, path)
            lines = stack.enter_context(closing(_bounded_lines(stream, path)))
            _check_header(next(lines, ""), path)
            for number, text in enumerate(lines, 2):
                fields = _parsed(text, path, number)
                if "spans" in fields:
                    footer = fields
                    if next(lines, ""):  # asking also makes a compressed file check its sum
                        raise TraceFormatError(
                            f"{path} continues after its last line: it was changed after it was written"
                        )
                    break
                if wrong := problem_with(fields):
                    raise TraceFormatError(f"{path}, line {number}: {wrong}")
                row = as_row(fields)
                allowance.take_values(1 + values_in(row.attributes, row.links, row.parts))
                spans.append(row)
                if number % READ_CHUNK == 0:
                    spans.compact()
        found = _checked_footer(footer, path)
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError, TraceFormatError) as error:
        problem = error if isinstance(error, TraceFormatError) else TraceFormatError(f"{path} is damaged: {error}")
        columns = spans.columns()
        if not partial or not len(columns):
            raise problem from error
        warn(f"{problem}; {len(columns):,} spans could be read", stacklevel=3)
        return TraceFile(_checked_spans(columns, path))
    columns = spans.columns()
    counted = (footer or {}).get("spans")
    if counted != len(columns):
        raise TraceFormatError(f"{path} counts {short(counted)} spans in its last line, but has {len(columns)}")
    return TraceFile(_checked_spans(columns, path), **found)


def _bounded_lines(stream: IO[bytes], path: Path) -> Generator[str, None, None]:
    reader = io.TextIOWrapper(stream, encoding="utf-8")
    total = 0
    try:
        while line := reader.readline(MAX_LINE + 1):
            total += len(line)
            if len(line) > MAX_LINE or total > MAX_CHARACTERS:
                raise TraceFormatError(
                    f"{path} is larger than any trace: over {MAX_LINE:,} characters in one line, or in all"
                )
            yield line
    finally:
        reader.detach()  # closing the reader would close the file, which the caller does


def _check_header(line: str, path: Path) -> None:
    header = _parsed(line, path, 1) if line.startswith("{") else {}
    if header.get("format") != FORMAT:
        raise TraceFormatError(f"{path} is not a trace: its first line does not name the format {FORMAT!r}")
    if header.get("version") not in READABLE or isinstance(header["version"], bool):
        raise TraceFormatError(
            f"{path} has version {short(header.get('version'))} of the format, this package reads "
            f"{' and '.join(map(str, READABLE))}; record it again, or use the version of kaygraph-viz that wrote it"
        )


def _parsed(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        fields = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise TraceFormatError(f"{path}, line {number} cannot be read: {str(error)[:100]}") from None
    if not isinstance(fields, dict):
        raise TraceFormatError(f"{path}, line {number} is {type(fields).__name__}, expected an object with a span")
    return fields


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number that a trace can hold")


def _checked_footer(footer: Mapping[str, Any] | None, path: Path) -> dict[str, Any]:
    """Return what the last line says of a `TraceFile` beside its spans."""
    if footer is None:
        raise TraceFormatError(
            f"{path} is incomplete: its last line is missing; load(path, partial=True) reads the spans before it"
        )
    dropped = footer.get("dropped", 0)
    if type(dropped) is not int or dropped < 0:
        raise TraceFormatError(f"{path}: dropped is {str(dropped)[:40]!r}, expected a whole number, 0 or more")
    try:
        return {
            "dropped": dropped,
            "memory": memory_from(footer),
            "gauges": gauges_from(footer),
            "machine": machine_from(footer.get("machine")),
            "predicted_from": checked_origin(footer),
        }
    except ValueError as error:
        raise TraceFormatError(f"{path}: {error}") from None


def checked_origin(footer: Mapping[str, Any]) -> str:
    """Return what a file says it was predicted from; empty for nothing."""
    found = footer.get("predicted_from", "")
    if not isinstance(found, str):
        raise ValueError(f"predicted_from is {short(found)}, expected text")  # noqa: TRY004  (of the file, not of ours)
    return cut(found, TEXT_LIMIT)


def _checked_spans(columns: SpanColumns, path: Path) -> SpanColumns:
    """Return the spans if a run can have recorded them, else raise: other code relies on that."""
    found = impossibilities(columns)
    if found:
        raise TraceFormatError(f"{path} is damaged: " + "; ".join(found[:5]))
    return columns
