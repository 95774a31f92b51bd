"""A trace as spans of the OpenTelemetry SDK.

Belongs here: making such spans of ours, and passing them to an exporter. Does not belong here: sending them anywhere,
which exporters do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from kaygraph_viz.base.errors import OptionError, warn
from kaygraph_viz.base.optional import require
from kaygraph_viz.export.perfetto import outside_in
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.row import describe_error
from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import Trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span as OtelSpan, Tracer, TracerProvider


BATCH = 512  # spans between two flushes: usual processors drop spans when 2,048 are in their queue
FAILED = ("error", "timeout", "abandoned", "lost")
INT64 = 1 << 63
MAX_EVENTS = 128  # of one span: the default limit of the SDK, above which it drops events


def to_opentelemetry(
    trace: Trace,
    exporter: SpanExporter | None = None,
    *,
    tracer_provider: TracerProvider | None = None,
    began: datetime | None = None,
) -> int:
    """Export a trace to OpenTelemetry, as spans with parents and links, through any exporter.

    All spans are of one OpenTelemetry trace. Where several of ours have no parent, a span called ``run`` encloses them.

    Parameters
    ----------
    trace
        What was recorded.
    exporter
        Where the spans go, such as ``ConsoleSpanExporter()`` or ``OTLPSpanExporter()``; it is not shut down.
    tracer_provider
        A set-up of OpenTelemetry to use instead, with its resource, sampler, limits and processors. Default, where
        there is no `exporter` either: the one that the program has set up.
    began
        When the first span was submitted, as a date and time with a time zone. A trace itself has no date: its times
        are those of a monotonic or simulated clock. Default: so that the last span ended just now.

    Returns
    -------
    int
        The number of spans that were exported; 0 where the processors of a `tracer_provider` failed, since it is not
        known then.

    Raises
    ------
    MissingDependencyError
        If the OpenTelemetry SDK is not installed.
    OptionError
        If neither `exporter` nor a `tracer_provider` is there, or both are; if `began` has no time zone.

    Notes
    -----
    Attributes: ``thread.name`` is the worker; ``kaygraph_viz.kind status attempt index queue_wait_s cpu_s blocked_s``
    are what they are in `Span`, times in [s]; others are as they were recorded, nested ones as JSON. Where it is known
    what a span did when, ``kaygraph_viz.wait_s gil_s core_s pause_s unknown_s`` say for how long, and an event begins
    each part, named after its kind, with ``kaygraph_viz.lasted_s`` and ``kaygraph_viz.cpu_share``; of more than 128
    parts there are only the sums. A failed span has the status ``ERROR``, and the type of its error as ``error.type``.
    The first span of a prediction says what that was made from, as ``kaygraph_viz.predicted_from``.
    An exporter or processor that fails ends the export with one warning.

    Examples
    --------
    >>> from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> exporter = InMemorySpanExporter()
    >>> to_opentelemetry(make_trace((bar("exec", "main", 0, 2, kind="phase"), [bar("a", "t-1", 0, 1)])), exporter)
    2
    >>> [(span.name, span.attributes["thread.name"]) for span in exporter.get_finished_spans()]
    [('a', 't-1'), ('exec', 'main')]
    """
    require("opentelemetry.sdk")
    if exporter is not None and tracer_provider is not None:
        raise OptionError("tracer_provider", tracer_provider, "None where an exporter is given")
    columns = trace.columns
    shift_ns = _shift_ns(columns, began)
    if exporter is None:
        from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

        provider = get_tracer_provider() if tracer_provider is None else tracer_provider
        if tracer_provider is None and isinstance(provider, ProxyTracerProvider):  # none was set up: it drops all spans
            raise OptionError("exporter", None, "an exporter, or a tracer_provider", "exporter=ConsoleSpanExporter()")
        try:
            return _emit(trace, shift_ns, provider.get_tracer("kaygraph_viz"), getattr(provider, "force_flush", bool))
        except Exception as error:  # processors may raise anything, as exporters may
            warn(f"the export stopped, some spans may be missing: {describe_error(error)}", stacklevel=2)
            return 0
    exported = _Exported(exporter)
    count = _emit(trace, shift_ns, _tracer_of(exported), exported.flush)
    exported.finish()
    if exported.problem:
        warn(f"the export stopped after {exported.count:,} of {count:,} spans: {exported.problem}", stacklevel=2)
    return exported.count


# -- where the spans go --------------------------------------------------------------------------------------------


class _Exported:
    """The spans that go to an exporter, in batches, until it fails."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.ended: list[ReadableSpan] = []
        self.count = 0
        self.problem = ""

    def flush(self) -> None:
        """Export the spans that have ended."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        batch, self.ended = self.ended, []
        if self.problem or not batch:
            return
        try:
            if self._exporter.export(batch) is SpanExportResult.FAILURE:
                self.problem = "the exporter says that it failed"
            else:
                self.count += len(batch)
        except Exception as error:  # an exporter may raise anything; the run that was recorded is over and fine
            self.problem = describe_error(error)

    def finish(self) -> None:
        """Flush the last batch, and the exporter."""
        self.flush()
        try:
            self._exporter.force_flush()
        except Exception as error:
            self.problem = self.problem or describe_error(error)


def _tracer_of(exported: _Exported) -> Tracer:
    """Return a tracer that keeps its spans for an exporter, without sampling and without limits."""
    from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    class Keeping(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            exported.ended.append(span)

    unlimited = SpanLimits(max_links=SpanLimits.UNSET, max_span_attributes=SpanLimits.UNSET)
    provider = TracerProvider(sampler=ALWAYS_ON, span_limits=unlimited, shutdown_on_exit=False)
    provider.add_span_processor(Keeping())
    return provider.get_tracer("kaygraph_viz")


# -- spans ---------------------------------------------------------------------------------------------------------


def _shift_ns(columns: SpanColumns, began: datetime | None) -> int:
    """Return the difference between times of the trace and times since 1970 [ns]."""
    if began is None:
        return time.time_ns() - int(columns.column("ended_ns").max(initial=0))
    if not isinstance(began, datetime) or began.tzinfo is None:
        raise OptionError("began", began, "a date and time with a time zone", "began=datetime.now(UTC)")
    since_1970 = (began - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    return since_1970 - int(columns.column("submitted_ns").min(initial=0))


def _emit(trace: Trace, shift_ns: int, tracer: Tracer, flush: Callable[[], object]) -> int:
    """Start all spans, parents first, then link and end them in the order of their ends; return their number."""
    from opentelemetry.trace import Status, StatusCode

    columns = trace.columns
    started = _started(columns, shift_ns, tracer)
    if trace.predicted_from and started:
        next(iter(started.values())).set_attribute("kaygraph_viz.predicted_from", trace.predicted_from)
    ends = np.argsort(columns.rows["ended_ns"], kind="stable").tolist()
    for count, position in enumerate(ends, 1):
        span = columns.span(position)
        other = started[span.span_id]
        for link in span.links:
            if link in started:
                other.add_link(started[link].get_span_context())
        _add_parts(other, span, shift_ns)
        if span.status in FAILED:
            other.set_status(Status(StatusCode.ERROR, _text(span.error or span.status)))
        other.end(span.ended_ns + shift_ns)
        if count % BATCH == 0:
            flush()
    if 0 in started:
        started[0].end(int(columns.column("ended_ns").max()) + shift_ns)
    flush()
    return len(started)


def _started(columns: SpanColumns, shift_ns: int, tracer: Tracer) -> dict[int, OtelSpan]:
    """Return started spans by span id; 0 is one that encloses all, where several have no parent."""
    from opentelemetry.context import Context
    from opentelemetry.trace import set_span_in_context

    is_top = ~np.isin(columns.rows["parent_id"], columns.rows["span_id"])
    found: dict[int, OtelSpan] = {}
    if is_top.sum() > 1:
        begin_ns = int(columns.column("submitted_ns").min()) + shift_ns
        found[0] = tracer.start_span("run", Context(), start_time=begin_ns)
    for position in outside_in(columns).tolist():
        span = columns.span(position)
        parent = found.get(span.parent_id or 0) or found.get(0)
        context = Context() if parent is None else set_span_in_context(parent, Context())
        begin_ns = span.started_ns + shift_ns
        found[span.span_id] = tracer.start_span(
            _text(span.name), context, attributes=_attributes(span), start_time=begin_ns
        )
    return found


def _add_parts(other: OtelSpan, span: Span, shift_ns: int) -> None:
    """Add an event at the start of each part, unless the SDK would drop some of them."""
    if span.noted_parts is None or len(span.noted_parts) > MAX_EVENTS:
        return
    for part in span.parts:
        noted = {"kaygraph_viz.lasted_s": part.lasted_ns / 1e9}
        if part.cpu_share is not None:
            noted["kaygraph_viz.cpu_share"] = part.cpu_share
        other.add_event(part.kind, noted, timestamp=part.started_ns + shift_ns)


# -- attributes ----------------------------------------------------------------------------------------------------


def _attributes(span: Span) -> dict[str, Any]:
    """Return the attributes of a span, in the types that OpenTelemetry allows."""
    type_of_error = (span.error or "").partition(":")[0]
    sums_ns: dict[str, int] = {}  # by kind of part, without those that other attributes have
    for part in span.parts if span.noted_parts is not None else ():
        if part.kind not in ("cpu", "blocked"):
            sums_ns[part.kind] = sums_ns.get(part.kind, 0) + part.lasted_ns
    ours = {
        "kind": span.kind,
        "status": span.status,
        "attempt": span.attempt,
        "index": span.index,
        "queue_wait_s": span.queue_wait_s,
        "cpu_s": None if span.cpu_ns is None else span.cpu_ns / 1e9,
        "blocked_s": span.blocked_ns / 1e9 if span.blocked_ns else None,
        **{f"{kind}_s": lasted_ns / 1e9 for kind, lasted_ns in sums_ns.items()},
    }
    noted = {
        **span.attributes,
        "thread.name": span.lane,
        "error.type": type_of_error if type_of_error.isidentifier() else None,
        **{f"kaygraph_viz.{name}": value for name, value in ours.items()},
    }
    return {_text(name): _plain(value) for name, value in noted.items() if name and value is not None}


def _plain(value: Any) -> Any:
    """Return a value that OpenTelemetry can carry: a text, a number, or a list of one kind of these; else its JSON."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and not -INT64 <= value < INT64:
        return str(value)
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        items = [_plain(item) for item in value if not isinstance(item, (Mapping, list, tuple))]
        if len(items) == len(value) and None not in value and len({type(item) for item in items}) <= 1:
            return items
    return _text(json.dumps(value, default=str))


def _text(text: str) -> str:
    """Return a text that can be written as UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
