"""Spans that we have exported to OpenTelemetry come back as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kaygraph_viz.errors import TraceFormatError
from kaygraph_viz.export.loading import load
from kaygraph_viz.export.otel import to_opentelemetry
from kaygraph_viz.testing import bar, make_trace
from tests.export.examples import otlp, otlp_pairs, otlp_span, write


def as_otlp(span):
    """Return a span of the SDK as an exporter of OTLP would send it."""
    context = span.get_span_context()

    def ids(each):
        return {"traceId": f"{each.trace_id:032x}", "spanId": f"{each.span_id:016x}"}

    def noted(each):
        return otlp_pairs({key: list(v) if isinstance(v, tuple) else v for key, v in (each.attributes or {}).items()})

    return {
        **ids(context), "parentSpanId": f"{span.parent.span_id:016x}" if span.parent else "", "name": span.name,
        "startTimeUnixNano": str(span.start_time), "endTimeUnixNano": str(span.end_time), "attributes": noted(span),
        "events": [{"name": each.name, "timeUnixNano": str(each.timestamp), "attributes": noted(each)}
                   for each in span.events],
        "links": [ids(link.context) for link in span.links],
        "status": {"code": span.status.status_code.value, "message": span.status.description or ""},
    }  # fmt: skip


def exported(trace):
    exporter = InMemorySpanExporter()
    to_opentelemetry(trace, exporter, began=datetime(1970, 1, 1, tzinfo=UTC))
    return otlp(*map(as_otlp, exporter.get_finished_spans()), scope="kaygraph_viz")


def in_order(trace):
    """Return what the spans of a trace are, without their numbers and the date of the run."""
    spans = sorted(trace, key=lambda span: (span.started_ns, span.lane, span.name))
    first = min(span.submitted_ns for span in spans)
    number = {span.span_id: at for at, span in enumerate(spans)}
    return [
        replace(
            span, span_id=at, parent_id=number.get(span.parent_id, -1),
            links=tuple(number[each] for each in span.links), noted_parts=None,
            submitted_ns=span.submitted_ns - first, started_ns=span.started_ns - first, ended_ns=span.ended_ns - first,
        )
        for at, span in enumerate(spans)
    ]  # fmt: skip


def some_run():
    return make_trace(
        (bar("Check", "main", 0, 9, kind="node"), [
            bar("a", "t-1", 1, 2, index=0, cpu_s=0.5, city="Oslo", span_id=7),
            bar("b", "t-2", 1, 3, queued_s=0.5, index=1),
            bar("c", "t-1", 2, 4, status="timeout", error="TimeoutError: late", attempt=2, blocked_s=1, links=(7,)),
            bar("d", "t-2", 4, 6, parts=[("cpu", 1), ("unknown", 1, 0.25)]),
        ]),
        bar("e", "main", 9, 10, kind="phase"),
    )  # fmt: skip


def test_a_run_that_was_exported_is_the_same(tmp_path):
    trace = some_run()
    again = load(write(tmp_path, exported(trace))).validate()
    assert in_order(again) == in_order(trace)
    parts = [[(part.kind, part.lasted_ns, part.cpu_share) for part in span.parts] for span in again if span.name == "d"]
    assert parts == [[("cpu", 10**9, None), ("unknown", 10**9, 0.25)]]


def test_a_prediction_comes_back_as_one(tmp_path):
    trace = some_run().as_predicted_from("the run with 4 workers")
    again = load(write(tmp_path, exported(trace)))
    assert again.predicted_from == "the run with 4 workers"
    assert in_order(again) == in_order(trace)


def test_spans_of_others_may_stand_beside_ours(tmp_path):
    document = exported(some_run())
    document["resourceSpans"] += otlp(otlp_span(1, 0, 1), service_name="web")["resourceSpans"]
    assert set(load(write(tmp_path, document)).lanes) == {"web", "main", "t-1", "t-2"}


@pytest.mark.parametrize(
    "changed", [{"kind": "no"}, {"status": "fine"}, {"cpu_s": "long"}, {"queue_wait_s": 1e30}, {"kind": 3}]
)
def test_words_and_times_that_we_never_write_are_refused(tmp_path, changed):
    noted = {"kaygraph_viz.kind": "branch", **{f"kaygraph_viz.{name}": value for name, value in changed.items()}}
    with pytest.raises(TraceFormatError):
        load(write(tmp_path, otlp(otlp_span(1, 0, 1, noted=noted))))


@pytest.mark.parametrize("begin", [["0", "1"], ["0", "0"], ["0", "2000000000"], ["1", "0"]])
def test_parts_that_are_none_are_left_out(tmp_path, begin):
    lasted = otlp_pairs({"kaygraph_viz.lasted_s": 1.0})
    events = [{"name": "cpu", "timeUnixNano": each, "attributes": lasted} for each in begin]
    span = otlp_span(1, 0, 1, noted={"kaygraph_viz.kind": "branch", "thread.name": "t"}, events=events)
    (found,) = load(write(tmp_path, json.dumps(otlp(span))))
    assert (found.noted_parts is not None) == (begin == ["0", "1"])
