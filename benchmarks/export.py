"""The time of exporting a trace to other tools, and of reading it back.

Belongs here: exports of one large trace. Does not belong here: our own file format (``recording``), pictures.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Measured, Scale, alternate, benchmark, per_call
from kaygraph_viz.export.frame import to_frame
from kaygraph_viz.export.loading import load
from kaygraph_viz.export.otel import to_opentelemetry
from kaygraph_viz.export.perfetto import to_perfetto
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.trace import Trace


def _trace(count: int) -> Trace:
    with record() as trace:
        for number in range(count):
            with span("x", number=number):
                pass
    return trace


@benchmark(
    "Perfetto file, a span / json.dump", peer="json.dump of the finished events", target=1.5,
    note="ours makes the events as well, one at a time",
)  # fmt: skip
def perfetto_against_json(scale: Scale) -> Measured:
    """Measure `to_perfetto` to a file against writing finished events."""
    count = scale.pick(50_000, 100)
    trace, events = (found := _trace(count)), to_perfetto(found)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"

        def dump() -> None:
            with path.open("w", encoding="utf-8") as file:
                json.dump(events, file)

        ours, peer = (lambda: per_call(lambda: to_perfetto(trace, path), count)), (lambda: per_call(dump, count))
        return alternate(ours, peer, scale.pick(5, 1))


@benchmark(
    "load a Perfetto file, a span / json.load", peer="json.load of the same file", target=4.0,
    note="ours checks every span and keeps it in 76 bytes, the peer in 2,000",
)  # fmt: skip
def load_against_json(scale: Scale) -> Measured:
    """Measure `load` of a file of trace events against reading its JSON alone."""
    count = scale.pick(50_000, 100)
    with TemporaryDirectory() as folder:
        path = to_perfetto(_trace(count), Path(folder) / "run.json")
        return _load_beside_json(path, count, scale)


@benchmark(
    "load spans of OpenTelemetry, a span / json.load", peer="json.load of the same file", target=6.0,
    note="ours gives each span a kind, a row, its attributes and what it followed",
)  # fmt: skip
def otlp_against_json(scale: Scale) -> Measured:
    """Measure `load` of a file of OpenTelemetry's spans against reading its JSON alone."""
    count = scale.pick(50_000, 100)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        path.write_text(
            json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [_otlp(at) for at in range(count)]}]}]})
        )
        return _load_beside_json(path, count, scale)


def _load_beside_json(path: Path, count: int, scale: Scale) -> Measured:
    def read() -> None:
        with path.open(encoding="utf-8") as file:
            json.load(file)

    ours, peer = (lambda: per_call(lambda: load(path), count)), (lambda: per_call(read, count))
    return alternate(ours, peer, scale.pick(5, 1))


def _otlp(number: int) -> dict[str, object]:
    """Return a span: every tenth is around the nine after it."""
    parent, start_ns = number - number % 10, number * 1_000
    noted = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "server.address": "example.com"}
    return {
        "traceId": "ab" * 16, "spanId": f"{number + 1:016x}", "name": "chat", "kind": 3,
        **({"parentSpanId": f"{parent + 1:016x}"} if number != parent else {}),
        "startTimeUnixNano": str(start_ns), "endTimeUnixNano": str(start_ns + (900 if number != parent else 10_000)),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in noted.items()],
        "status": {"code": 1},
    }  # fmt: skip


@benchmark("DataFrame, a span / of records", peer="pandas.DataFrame of asdict(span)", target=0.2)
def frame_against_records(scale: Scale) -> Measured:
    """Measure `to_frame` against a DataFrame of records."""
    import pandas as pd

    count = scale.pick(20_000, 100)
    trace = _trace(count)

    def records() -> None:
        names = [field.name for field in dataclasses.fields(trace.spans[0])]
        pd.DataFrame([{name: getattr(each, name) for name in names} for each in trace])

    ours, peer = (lambda: per_call(lambda: to_frame(trace), count)), (lambda: per_call(records, count))
    return alternate(ours, peer, scale.pick(5, 1))


@benchmark(
    "to OpenTelemetry, a span / SDK span", peer="SDK span, SimpleSpanProcessor", target=2.5,
    note="in-memory exporter; ours has 6 attributes, the peer none",
)  # fmt: skip
def opentelemetry_against_its_own(scale: Scale) -> Measured:
    """Measure `to_opentelemetry` against spans that the SDK records itself."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    count = scale.pick(5_000, 100)
    trace = _trace(count)

    def theirs() -> None:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
        tracer = provider.get_tracer("bench")
        for _ in range(count):
            with tracer.start_as_current_span("x"):
                pass

    def ours() -> float:
        return per_call(lambda: to_opentelemetry(trace, InMemorySpanExporter()), count)

    return alternate(ours, lambda: per_call(theirs, count), scale.pick(5, 1))
