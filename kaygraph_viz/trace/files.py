"""The native file: versioned JSON Lines, one span a line, compressed by suffix.

Belongs here: writing and reading this one format within bounds of time and memory. Other formats: ``export``.

The first line names format and version, the last one counts the spans, so that a file that was cut off is known.
Fields with their usual value are left out. Nothing in a file is ever executed.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

from kaygraph_viz.errors import TraceFormatError, short, warn
from kaygraph_viz.machine import Machine, machine_from
from kaygraph_viz.texts import cut
from kaygraph_viz.trace.columns import SpanColumns, Spans
from kaygraph_viz.trace.disk import written
from kaygraph_viz.trace.fields import as_fields, as_row, problem_with
from kaygraph_viz.trace.gauges import GaugeSamples, gauges_as_fields, gauges_from
from kaygraph_viz.trace.invariants import impossibilities
from kaygraph_viz.trace.memory import NOTHING, MemorySamples, memory_from
from kaygraph_viz.trace.span import Row
from kaygraph_viz.trace.unpacking import opened, values_in

__all__ = ["FORMAT", "VERSION", "TraceFile", "checked_origin", "read_trace", "write_trace"]

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
                    _check_end(lines, path)  # which also makes a compressed file check its sum
                    break
                row = _row(fields, path, number)
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
    _check_count(columns, footer or {}, path)
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
        fields = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise TraceFormatError(f"{path}, line {number} cannot be read: {str(error)[:100]}") from None
    if not isinstance(fields, dict):
        raise TraceFormatError(f"{path}, line {number} is {type(fields).__name__}, expected an object with a span")
    return fields


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number that a trace can hold")


def _row(fields: dict[str, Any], path: Path, number: int) -> Row:
    problem = problem_with(fields)
    if problem:
        raise TraceFormatError(f"{path}, line {number}: {problem}")
    return as_row(fields)


def _check_end(lines: Iterator[str], path: Path) -> None:
    if next(lines, ""):
        raise TraceFormatError(f"{path} continues after its last line: it was changed after it was written")


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
            "dropped": dropped, "memory": memory_from(footer), "gauges": gauges_from(footer),
            "machine": machine_from(footer.get("machine")), "predicted_from": checked_origin(footer),
        }  # fmt: skip
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


def _check_count(columns: SpanColumns, footer: Mapping[str, Any], path: Path) -> None:
    if footer.get("spans") != len(columns):
        raise TraceFormatError(
            f"{path} counts {short(footer.get('spans'))} spans in its last line, but has {len(columns)}"
        )
