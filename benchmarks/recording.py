"""The overhead of one span, recorded and not.

Belongs here: single spans in one thread. Does not belong here: spans of branches (``batches``), their memory
(``memory``).
"""

from __future__ import annotations

from contextlib import nullcontext

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, alternate, benchmark, check_count, per_call

OTEL_SPANS = 10_000  # for a full run; they cost ten times as much as ours, and none of their cost comes in batches


@benchmark(
    "span with CPU time / VizTracer", peer="VizTracer log_event", target=1.0, note="VizTracer measures no CPU time"
)
def with_cpu_time_against_viztracer(scale: Scale) -> Measured:
    """Measure ``with kv.span("x")`` in a record with CPU time against VizTracer's event."""
    return _against_viztracer(scale, cpu_time=True)


@benchmark("span / VizTracer", peer="VizTracer log_event", target=1.0, note="record(cpu_time=False)")
def without_cpu_time_against_viztracer(scale: Scale) -> Measured:
    """Measure ``with kv.span("x")`` in a record without CPU time against VizTracer's event."""
    return _against_viztracer(scale, cpu_time=False)


@benchmark(
    "span with CPU time / OpenTelemetry",
    peer="SDK span, SimpleSpanProcessor",
    target=0.1,
    note="in-memory exporter; OpenTelemetry measures no CPU time",
)
def against_opentelemetry(scale: Scale) -> Measured:
    """Measure ``with kv.span("x")`` in a record with CPU time against a span of the OpenTelemetry SDK."""
    otel_count = scale.pick(OTEL_SPANS, 50)
    return alternate(lambda: _recorded(_count(scale)), lambda: _otel(otel_count), scale.pick(7, 1))


@benchmark(
    "span, nothing recorded / recorded", peer="span with CPU time", note="the overhead of spans that stay in the code"
)
def not_recorded_against_recorded(scale: Scale) -> Measured:
    """Measure ``with kv.span("x")`` without a recorder against one that is recorded."""
    count = _count(scale)
    return alternate(lambda: per_call(lambda: _spans(count), count), lambda: _recorded(count), scale.pick(7, 1))


@benchmark("span, nothing recorded / nullcontext", peer="contextlib.nullcontext()")
def not_recorded_against_nothing(scale: Scale) -> Measured:
    """Measure ``with kv.span("x")`` without a recorder against a context manager that does nothing."""
    count = _count(scale)
    ours, peer = (lambda: per_call(lambda: _spans(count), count)), (lambda: per_call(lambda: _nothings(count), count))
    return alternate(ours, peer, scale.pick(7, 1))


def _count(scale: Scale) -> int:
    return scale.pick(200_000, 500)  # full: several times the buffer that is then turned into columns


def _against_viztracer(scale: Scale, *, cpu_time: bool) -> Measured:
    count = _count(scale)
    return alternate(lambda: _recorded(count, cpu_time=cpu_time), lambda: _viztracer(count), scale.pick(11, 1))


def _recorded(count: int, *, cpu_time: bool = True) -> float:
    with kv.record(cpu_time=cpu_time) as trace:
        cost = per_call(lambda: _spans(count), count)
    check_count(len(trace), count)
    return cost


def _spans(count: int) -> None:
    for _ in range(count):
        with kv.span("x"):
            pass


def _nothings(count: int) -> None:
    for _ in range(count):
        with nullcontext():
            pass


def _viztracer(count: int) -> float:
    from viztracer import VizTracer

    tracer = VizTracer(verbose=0, tracer_entries=2 * count + 1000, register_global=False)

    def events() -> None:
        for _ in range(count):
            with tracer.log_event("x"):
                pass

    tracer.start()
    cost = per_call(events, count)
    tracer.stop()
    tracer.parse()
    check_count(
        sum(event["ph"] == "X" and event["name"].startswith("x ") for event in tracer.data["traceEvents"]), count
    )
    return cost


def _otel(count: int) -> float:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    start = provider.get_tracer("benchmarks").start_as_current_span

    def spans() -> None:
        for _ in range(count):
            with start("x"):
                pass

    cost = per_call(spans, count)
    check_count(len(exporter.get_finished_spans()), count)
    return cost
