"""Spans of the real OpenTelemetry SDK: parents, links, times and attributes, and exporters that fail."""

from __future__ import annotations

import io
import json
import sys
import warnings
from datetime import UTC, datetime

import pytest

from kaygraph_viz.base.errors import MissingDependencyError, OptionError
from kaygraph_viz.export.otel import to_opentelemetry
from kaygraph_viz.testing import bar, make_trace

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

BEGAN = datetime(2025, 6, 1, 12, tzinfo=UTC)
BEGAN_NS = 1_748_779_200_000_000_000


def exported(*spans, began=BEGAN):
    """Return the finished spans by name."""
    exporter = InMemorySpanExporter()
    count = to_opentelemetry(make_trace(*spans, check=False), exporter, began=began)
    found = exporter.get_finished_spans()
    assert count == len(found)
    return {span.name: span for span in found}


def nested():
    maps = (bar("map", "main", 1, 2, kind="node", span_id=2), [bar("item", "t-1", 1, 2, queued_s=0.5, index=0)])
    reduce = bar("reduce", "main", 2, 3, kind="node", links=(2,))
    return bar("graph", "main", 0, 3, kind="graph", span_id=1), [maps, reduce]


def test_parents_are_parents_and_all_is_one_trace():
    spans = exported(nested())
    parents = {name: span.parent and span.parent.span_id for name, span in spans.items()}
    number = {name: span.context.span_id for name, span in spans.items()}
    assert parents == {"graph": None, "map": number["graph"], "reduce": number["graph"], "item": number["map"]}
    assert len({span.context.trace_id for span in spans.values()}) == 1


def test_several_spans_without_a_parent_get_one():
    spans = exported(bar("a", "t-1", 1, 2, queued_s=1), bar("b", "t-2", 0.5, 3, parent_id=99))
    assert {name: span.parent.span_id for name, span in spans.items() if name != "run"} == dict.fromkeys(
        "ab", spans["run"].context.span_id
    )
    assert (spans["run"].start_time, spans["run"].end_time) == (BEGAN_NS, BEGAN_NS + 3_000_000_000)


def test_links_are_links_also_to_spans_that_come_later():
    spans = exported(nested(), bar("early", "t-9", 0, 1, links=(7, 99), span_id=6), bar("late", "t-9", 2, 3, span_id=7))
    assert [link.context.span_id for link in spans["reduce"].links] == [spans["map"].context.span_id]
    assert [link.context.span_id for link in spans["early"].links] == [spans["late"].context.span_id]


def test_more_links_and_attributes_than_usual_limits_are_kept():
    maps = [bar(f"map {number}", "t-1", 0, 1, span_id=number) for number in range(1, 301)]
    many = {f"fact {number}": number for number in range(300)}
    spans = exported(*maps, bar("reduce", "main", 1, 2, span_id=301, links=tuple(range(1, 301)), **many))
    assert len(spans["reduce"].links) == 300
    assert len(spans["reduce"].attributes) > 300


def test_parts_are_events_and_their_sums_attributes():
    parts = [("wait", 1), ("gil", 0.5), ("unknown", 1, 0.25), ("wait", 0.5)]
    span = exported(bar("a", "t-1", 2, 5, queued_s=2, parts=parts))["a"]
    found = [(event.name, (event.timestamp - BEGAN_NS) / 1e9, dict(event.attributes)) for event in span.events]
    assert found == [
        ("wait", 2, {"kaygraph_viz.lasted_s": 1}), ("gil", 3, {"kaygraph_viz.lasted_s": 0.5}),
        ("unknown", 3.5, {"kaygraph_viz.lasted_s": 1, "kaygraph_viz.cpu_share": 0.25}),
        ("wait", 4.5, {"kaygraph_viz.lasted_s": 0.5}),
    ]  # fmt: skip
    sums = {name: value for name, value in span.attributes.items() if name.endswith(("wait_s", "gil_s", "unknown_s"))}
    assert sums == {
        "kaygraph_viz.queue_wait_s": 2, "kaygraph_viz.wait_s": 1.5, "kaygraph_viz.gil_s": 0.5,
        "kaygraph_viz.unknown_s": 1,
    }  # fmt: skip


def test_of_very_many_parts_there_are_only_the_sums():
    span = exported(bar("a", "t-1", 0, 200, parts=[("wait", 1), ("gil", 1)] * 100))["a"]
    assert span.events == ()
    assert (span.attributes["kaygraph_viz.wait_s"], span.attributes["kaygraph_viz.gil_s"]) == (100, 100)


def test_a_span_of_which_only_sums_are_known_has_no_events():
    span = exported(bar("a", "t-1", 0, 3, cpu_s=1, blocked_s=1))["a"]
    assert span.events == ()
    assert "kaygraph_viz.unknown_s" not in span.attributes


def test_times_end_now_by_default(monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: BEGAN_NS)
    assert exported(nested(), began=None)["graph"].end_time == BEGAN_NS


def test_attributes_say_what_the_span_says():
    spans = exported(bar("a", "t-1", 1, 3, queued_s=0.5, cpu_s=0.25, blocked_s=0.5, index=7, attempt=2, path="x.csv"))
    assert dict(spans["a"].attributes) == {
        "path": "x.csv",
        "thread.name": "t-1",
        "kaygraph_viz.kind": "branch",
        "kaygraph_viz.status": "ok",
        "kaygraph_viz.attempt": 2,
        "kaygraph_viz.index": 7,
        "kaygraph_viz.queue_wait_s": 0.5,
        "kaygraph_viz.cpu_s": 0.25,
        "kaygraph_viz.blocked_s": 0.5,
    }


def test_attributes_that_opentelemetry_has_no_type_for_become_text():
    noted = {
        "none": None,
        "dict": {"a": [1]},
        "mixed": [1, "a"],
        "list": ["a", "b"],
        "huge": 1 << 70,
        "": 1,
        "\ud800": "\ud800",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = dict(exported(bar("a", "t-1", 0, 1, **noted))["a"].attributes)
    kept = {name: value for name, value in found.items() if not name.startswith(("kaygraph_viz.", "thread."))}
    assert kept == {"dict": '{"a": [1]}', "mixed": '[1, "a"]', "list": ("a", "b"), "huge": str(1 << 70), "?": "?"}


@pytest.mark.parametrize(
    ("status", "code"),
    [("ok", "UNSET"), ("cancelled", "UNSET"), ("skipped", "UNSET"), ("error", "ERROR"), ("timeout", "ERROR"),
     ("lost", "ERROR"), ("abandoned", "ERROR")],
)  # fmt: skip
def test_what_failed_has_the_status_of_an_error(status, code):
    assert exported(bar("a", "t-1", 0, 1, status=status))["a"].status.status_code is StatusCode[code]


def test_hostile_texts_can_be_written_as_utf_8():
    texts = ["\ud800", "a\0b", "", "<script>", "x" * 1000]
    spans = exported(*(bar(word, word, 0, 1, error=word, status="error") for word in texts)).values()
    assert len(spans) == len(texts) + 1  # the whole run is one, too
    assert all(span.to_json().encode("utf-8") and span.name.encode("utf-8") is not None for span in spans)


def test_ten_thousand_levels_are_exported():
    spans = [bar("level", "main", 0, 1, span_id=number, parent_id=number + 1) for number in range(1, 10_000)]
    exporter = InMemorySpanExporter()
    assert to_opentelemetry(make_trace(*spans, bar("top", "main", 0, 1, span_id=10_000)), exporter) == 10_000


# -- where the spans go --------------------------------------------------------------------------------------------


def test_any_exporter_will_do():
    out = io.StringIO()
    console = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n")
    assert to_opentelemetry(make_trace(nested()), console) == 4
    assert sorted(json.loads(line)["name"] for line in out.getvalue().splitlines()) == [
        "graph",
        "item",
        "map",
        "reduce",
    ]


def test_a_set_up_of_the_caller_gets_all_spans_though_its_queue_is_short():
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=600, max_export_batch_size=600))
    count = to_opentelemetry(make_trace(*(bar("a", "t", i, i + 1) for i in range(3000))), tracer_provider=provider)
    assert count == len(exporter.get_finished_spans()) == 3001
    provider.shutdown()


class FullAtStart(SpanProcessor):
    def on_start(self, span, parent_context=None):
        raise OSError(28, "No space left on device")


class FullAtEnd(SpanProcessor):
    def on_end(self, span):
        raise OSError(28, "No space left on device")


class FullAtFlush(SpanProcessor):
    def force_flush(self, timeout_millis=0):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("processor", [FullAtStart, FullAtEnd, FullAtFlush])
def test_a_processor_that_fails_ends_the_export_with_one_warning(processor):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor())
    with pytest.warns(UserWarning, match="the export stopped, some spans may be missing: OSError") as told:
        assert to_opentelemetry(make_trace(nested()), tracer_provider=provider) == 0
    assert len(told) == 1


class Failing(SpanExporter):
    """Takes some batches, and fails then."""

    def __init__(self, batches, result):
        self.batches, self.result, self.calls = batches, result, 0

    def export(self, spans):
        self.calls += 1
        if self.calls <= self.batches:
            return SpanExportResult.SUCCESS
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def force_flush(self, timeout_millis=0):
        return True


@pytest.mark.parametrize(
    ("result", "reason"), [(OSError(28, "disk full"), "disk full"), (SpanExportResult.FAILURE, "says that it failed")]
)
def test_an_exporter_that_fails_ends_the_export_with_one_warning(result, reason):
    trace = make_trace((bar("top", "main", 0, 2000), [bar("a", "t", i, i + 1) for i in range(1999)]))
    before = list(trace)
    exporter = Failing(1, result)
    with pytest.warns(UserWarning, match=f"stopped after 512 of 2,000 spans: .*{reason}") as caught:
        assert to_opentelemetry(trace, exporter) == 512
    assert len(caught) == 1
    assert exporter.calls == 2
    assert list(trace) == before


def test_an_exporter_that_cannot_send_what_it_holds_back_is_a_warning():
    class Holding(Failing):
        def force_flush(self, timeout_millis=0):
            raise ConnectionError("no answer")

    with pytest.warns(UserWarning, match="no answer"):
        to_opentelemetry(make_trace(bar("a", "t", 0, 1)), Holding(9, None))


def test_an_exporter_and_a_set_up_are_one_too_many():
    with pytest.raises(OptionError, match="tracer_provider must be None where an exporter is given"):
        to_opentelemetry(make_trace(), InMemorySpanExporter(), tracer_provider=TracerProvider(shutdown_on_exit=False))


def test_nowhere_to_send_to_is_a_clear_error():
    with pytest.raises(OptionError, match="exporter must be an exporter, or a tracer_provider"):
        to_opentelemetry(make_trace())


@pytest.mark.parametrize("began", [datetime(2025, 6, 1), 5, "2025-06-01"])  # noqa: DTZ001
def test_a_begin_without_a_time_zone_is_refused(began):
    with pytest.raises(OptionError, match="began must be a date and time with a time zone"):
        to_opentelemetry(make_trace(), InMemorySpanExporter(), began=began)


def test_opentelemetry_missing_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        to_opentelemetry(make_trace())
