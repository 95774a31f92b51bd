"""Loading a trace from a file of any known format.

Belongs here: telling formats apart by their content. Does not belong here: the formats (``trace.files``, the modules
called ``..._reader``).
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from kaygraph_viz.base.errors import TraceFormatError, warn
from kaygraph_viz.export.otlp_reader import SIGNALS, OtlpReader, otlp_events
from kaygraph_viz.export.perfetto_reader import ChromeReader, PerfettoReader
from kaygraph_viz.export.reader import JsonStream, Reader
from kaygraph_viz.export.task_streams import TaskStreamReader
from kaygraph_viz.trace import trace as native
from kaygraph_viz.trace.files import FORMAT, Allowance, opened
from kaygraph_viz.trace.invariants import impossibilities
from kaygraph_viz.trace.trace import Trace

_DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError)


def load(path: str | os.PathLike[str], *, partial: bool = False) -> Trace:
    """Read a trace from a file: one of our own, of Perfetto, chrome://tracing, OpenTelemetry or Dask.

    The format is recognised by the content; the name does not matter. Each may be compressed with gzip.

    Parameters
    ----------
    path
        What `Trace.save` or `to_perfetto` wrote; Chrome trace events (JSON) of any tool, such as VizTracer; spans of
        OpenTelemetry as JSON (OTLP), one document or one in each line, as the file exporter of its collector writes
        them; or the task stream of Dask as JSON: ``json.dump(client.get_task_stream(), file, default=str)``.
    partial
        Whether to take what can be read of a file that was cut off, with a warning, instead of an error.

    Returns
    -------
    Trace
        The same spans that were saved or exported. From other tools: complete events (``X``, ``B`` and ``E``) and
        asynchronous ones (``b`` and ``e``) as branches, nested as their times are; tasks of Dask as branches; spans of
        OpenTelemetry as branches, nodes and graphs.

    Raises
    ------
    TraceFormatError
        If the file is not a trace, was written by another version, is damaged or is too large.
    OSError
        If the file cannot be read.

    Notes
    -----
    Of other tools' events, arguments become attributes; instants, counters and arrows are left out. A binary trace of
    Perfetto has to be converted first: ``traceconv json``. Nothing in a file is ever executed.

    OpenTelemetry: a span in which no other lies is a branch; so is a call of a model or a retriever, whose requests are
    its attempts. Spans around others are nodes, and graphs where they have no parent. Lanes are services, processes and
    threads, in as many rows as overlap. A span that began when all earlier ones of its parent had ended is linked to
    the last of them, as if it had waited for it; so it counts on the critical path. Attributes of GenAI, OpenInference
    and others are also ``operation model agent tool input_tokens output_tokens``. Spans of `to_opentelemetry` come back
    as they were recorded.

    Dask: where its estimates of clocks let two tasks of a thread overlap, the later one is cut, and its attribute
    ``clipped_s`` says by how much.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from kaygraph_viz.export.perfetto import to_perfetto
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> with TemporaryDirectory() as folder:
    ...     load(to_perfetto(make_trace(bar("check", "thread-1", 0, 2)), f"{folder}/run.perfetto.json.gz"))
    <Trace: 1 span on 1 lane, 2 s>
    """
    path = Path(path)
    with path.open("rb") as raw:
        try:
            head = opened(raw, path)[0].read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
        except _DAMAGE:
            head = b""
    # Files that are no JSON, or our own lines, are read or refused by our own reader.
    is_of_others = head.startswith((b"[", b"{")) and not head.startswith(b'{"format"')
    return _load_other(path, partial=partial) if is_of_others else native.load(path, partial=partial)


def _load_other(path: Path, *, partial: bool) -> Trace:
    reader: Reader | None = None
    count = 0
    try:
        with path.open("rb") as raw:
            unpacked, allowance = opened(raw, path)
            stream = JsonStream(io.TextIOWrapper(unpacked, encoding="utf-8-sig"), path, allowance)
            reader, events = _begun(stream, path, allowance)
            for count, event in enumerate(events, 1):  # noqa: B007  (an error says which one it was)
                if not isinstance(event, dict):
                    raise ValueError(f"it is {type(event).__name__}, expected an object")  # noqa: TRY004  (the file's fault)
                reader.add(event)
            stream.skip_rest()
        columns, dropped = reader.finish(is_complete=True)
    except (*_DAMAGE, ValueError) as error:
        problem = error if isinstance(error, TraceFormatError) else _placed(error, path, count)
        if reader is None or not partial:
            raise problem from None
        columns, dropped = reader.finish(is_complete=False)
        if not len(columns):
            raise problem from None
        warn(f"{problem}; {len(columns):,} spans could be read", stacklevel=3)
    found = impossibilities(columns)
    if found:
        raise TraceFormatError(f"{path} is damaged: " + "; ".join(found[:5]))
    return Trace(columns, dropped, predicted_from=reader.predicted_from)


def _begun(stream: JsonStream, path: Path, allowance: Allowance) -> tuple[Reader, Iterator[Any]]:
    """Return the reader for a document, and its events."""
    if stream.peek() != "{":
        events = stream.array(may_lack_end=True)  # the format allows it, for programs that are killed
        first = list(islice(events, 1))
        is_task = bool(first) and isinstance(first[0], dict) and "startstops" in first[0]
        return TaskStreamReader(allowance) if is_task else ChromeReader(allowance), chain(first, events)
    head: Any = None
    fields = stream.fields()
    for name in fields:
        if name in SIGNALS:
            return OtlpReader(allowance), otlp_events(stream, chain([name], fields))
        if name == "traceEvents":
            is_ours = isinstance(head, dict) and head.get("format") == FORMAT
            return PerfettoReader(allowance, head) if is_ours else ChromeReader(allowance), stream.array()
        value = stream.value()
        head = value if name == "otherData" else head
    raise TraceFormatError(f"{path} is not a trace: there is no field 'traceEvents' or 'resourceSpans' in it")


def _placed(error: Exception, path: Path, count: int) -> TraceFormatError:
    if isinstance(error, _DAMAGE):
        return TraceFormatError(f"{path} is damaged: {error}")
    return TraceFormatError(f"{path}, event {count:,}: {error}" if count else f"{path}: {error}")
