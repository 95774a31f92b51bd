"""The native file: versioned JSON Lines, one span a line, compressed by suffix.

Belongs here: writing and reading this one format within bounds of time and memory. Other formats: ``export``.

The first line names format and version, the last one counts the spans, so that a file that was cut off is known.
Fields with their usual value are left out. Nothing in a file is ever executed.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import secrets
import warnings
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from kaygraph_viz.errors import TraceFormatError
from kaygraph_viz.trace.columns import SpanColumns, Spans
from kaygraph_viz.trace.invariants import impossibilities
from kaygraph_viz.trace.span import KINDS, STATUSES, Row, Span

__all__ = ["FORMAT", "VERSION", "read_trace", "write_trace"]

FORMAT = "kaygraph-viz-trace"
VERSION = 1
MAX_LINE = 1 << 20  # characters; an honest line has some hundred
MAX_CHARACTERS = 4 << 30  # in all, after decompression: some ten million spans
READ_CHUNK = 65_536

_INTEGER_FIELDS = ("span_id", "submitted_ns", "started_ns", "ended_ns")
_USUAL: dict[str, Any] = {
    "parent_id": None, "index": None, "cpu_ns": None, "blocked_ns": 0, "status": "ok", "attempt": 1, "error": None,
}  # fmt: skip


def write_trace(columns: SpanColumns, dropped: int, path: Path) -> Path:
    """Write spans to `path`, replacing it only when everything was written."""
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}")
    with beside.open("xb") as raw:  # not mkstemp: the trace shall be as readable to others as any new file
        try:
            with _compressed(raw, path) as stream:
                for line in _lines(columns, dropped):
                    stream.write(line.encode() + b"\n")
            raw.close()
            beside.replace(path)
        except BaseException:
            raw.close()
            beside.unlink()
            raise
    return path


def _compressed(raw: IO[bytes], path: Path) -> IO[bytes]:
    # no name and no time in the header: equal traces make equal files
    return gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.suffix == ".gz" else raw  # type: ignore[return-value]


def _lines(columns: SpanColumns, dropped: int) -> Iterator[str]:
    encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode
    yield encode({"format": FORMAT, "version": VERSION})
    for position in range(len(columns)):
        yield encode(_as_dict(columns.span(position)))
    yield encode({"spans": len(columns), "dropped": dropped})


def _as_dict(span: Span) -> dict[str, Any]:
    fields: dict[str, Any] = {name: getattr(span, name) for name in (*_INTEGER_FIELDS, "name", "kind", "lane")}
    fields |= {name: value for name, usual in _USUAL.items() if (value := getattr(span, name)) != usual}
    if span.attributes:
        fields["attributes"] = _finite(dict(span.attributes))
    if span.links:
        fields["links"] = span.links
    return fields


def _finite(value: Any) -> Any:
    """Return the value with NaN and infinities as text, which JSON has no number for."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def read_trace(path: Path, *, partial: bool = False) -> tuple[SpanColumns, int]:
    """Read spans from `path`; see `kaygraph_viz.load`.

    Returns
    -------
    columns
        The spans.
    dropped
        How many spans the file says were not kept.
    """
    spans, footer = Spans(), None
    try:
        with path.open("rb") as raw, closing(_bounded_lines(_opened(raw, path), path)) as lines:
            _check_header(next(lines, ""), path)
            for number, text in enumerate(lines, 2):
                fields = _parsed(text, path, number)
                if "spans" in fields:
                    footer = fields
                    _check_end(lines, path)  # which also makes a compressed file check its sum
                    break
                spans.append(_row(fields, path, number))
                if number % READ_CHUNK == 0:
                    spans.compact()
        dropped = _checked_footer(footer, path)
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError, TraceFormatError) as error:
        problem = error if isinstance(error, TraceFormatError) else TraceFormatError(f"{path} is damaged: {error}")
        columns = spans.columns()
        if not partial or not len(columns):
            raise problem from error
        warnings.warn(f"{problem}; {len(columns):,} spans could be read", stacklevel=3)
        return _checked_spans(columns, path), 0
    columns = spans.columns()
    _check_count(columns, footer or {}, path)
    return _checked_spans(columns, path), dropped


def _opened(raw: IO[bytes], path: Path) -> IO[bytes]:
    head = raw.read(2)
    raw.seek(0)
    if head[:1] == b"\x80":
        raise TraceFormatError(f"{path} is a pickle; pickles can run code and are never loaded. Save with trace.save()")
    return gzip.GzipFile(fileobj=raw) if head == b"\x1f\x8b" else raw  # type: ignore[return-value]


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
        reader.detach()  # whoever opened the file closes it


def _check_header(line: str, path: Path) -> None:
    header = _parsed(line, path, 1) if line.startswith("{") else {}
    if header.get("format") != FORMAT:
        raise TraceFormatError(f"{path} is not a trace: its first line does not name the format {FORMAT!r}")
    if header.get("version") != VERSION:
        raise TraceFormatError(
            f"{path} has version {header.get('version')!r} of the format, this package reads {VERSION}; "
            "record it again, or use the version of kaygraph-viz that wrote it"
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
    problem = _problem(fields)
    if problem:
        raise TraceFormatError(f"{path}, line {number}: {problem}")
    value = _USUAL | {"attributes": None, "links": None} | fields
    return (
        value["span_id"], value["parent_id"] or 0, -1 if value["index"] is None else value["index"], value["name"],
        value["kind"], value["lane"], value["submitted_ns"], value["started_ns"], value["ended_ns"],
        -1 if value["cpu_ns"] is None else value["cpu_ns"], value["blocked_ns"], value["status"], value["attempt"],
        value["error"], value["attributes"], tuple(value["links"] or ()),
    )  # fmt: skip


def _problem(fields: dict[str, Any]) -> str | None:
    """Return what is wrong with the fields of a span, or None."""
    optional = ("parent_id", "index", "cpu_ns", "blocked_ns", "attempt")
    integers = (*_INTEGER_FIELDS, *(name for name in optional if name in fields))
    for name in integers:
        if type(fields.get(name)) is not int or abs(fields[name]) >= 1 << 62:
            return f"{name} is {str(fields.get(name))[:40]!r}, expected a whole number"
    if fields.get("attempt", 1) < 1 or fields.get("parent_id", 1) < 1:
        return "attempt and parent_id count from 1"
    for name in ("name", "lane"):
        if not isinstance(fields.get(name), str):
            return f"{name} is missing or not a text"
    if not isinstance(fields.get("error", ""), str) or not isinstance(fields.get("attributes", {}), dict):
        return "error is not a text or attributes is not an object"
    if fields.get("kind") not in KINDS or fields.get("status", "ok") not in STATUSES:
        return f"kind {fields.get('kind')!r} or status {fields.get('status')!r} is not a word of this format"
    links = fields.get("links", [])
    if not isinstance(links, list) or not all(type(link) is int for link in links):
        return "links is not a list of span numbers"
    return None


def _check_end(lines: Iterator[str], path: Path) -> None:
    if next(lines, ""):
        raise TraceFormatError(f"{path} goes on after its last line: it is not as it was written")


def _checked_footer(footer: Mapping[str, Any] | None, path: Path) -> int:
    """Return the number of dropped spans that the last line names."""
    if footer is None:
        raise TraceFormatError(
            f"{path} was cut off: its last line is missing. load(path, partial=True) takes what is there"
        )
    dropped = footer.get("dropped", 0)
    if type(dropped) is not int or dropped < 0:
        raise TraceFormatError(f"{path}: dropped is {str(dropped)[:40]!r}, expected a whole number, 0 or more")
    return dropped


def _checked_spans(columns: SpanColumns, path: Path) -> SpanColumns:
    """Return the spans, unless no run can have left them: other code may rely on that."""
    found = impossibilities(columns)
    if found:
        raise TraceFormatError(f"{path} is damaged: " + "; ".join(found[:5]))
    return columns


def _check_count(columns: SpanColumns, footer: Mapping[str, Any], path: Path) -> None:
    if footer.get("spans") != len(columns):
        raise TraceFormatError(f"{path} says it holds {footer.get('spans')} spans, but has {len(columns)}")
