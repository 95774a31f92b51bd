"""Spans of OpenTelemetry: their kinds, lanes, links and errors, and what the analyses say about them."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kaygraph_viz.analysis.critical_path import critical_path
from kaygraph_viz.analysis.explain import explain
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.base.errors import TraceFormatError
from kaygraph_viz.export.loading import load
from kaygraph_viz.export.otel import to_opentelemetry
from kaygraph_viz.export.otlp_reader import attributes_in, facts_of, id_of, links_to_earlier, otlp_events, time_ns
from kaygraph_viz.export.reader import JsonStream
from kaygraph_viz.testing import bar, make_trace
from tests.export.examples import AMPLE, model_call, otlp, otlp_pairs, otlp_span, write


def loaded(tmp_path, *spans, **resource):
    return load(write(tmp_path, otlp(*spans, **resource))).validate()


def by_name(trace, field):
    return {span.name: getattr(span, field) for span in trace}


def two_agents():
    return [
        otlp_span(1, 0, 20, "run"),
        otlp_span(2, 0, 12, "agent A", 1),
        model_call(3, 0, 3, 2), otlp_span(4, 3, 5, "search", 2), model_call(5, 5, 12, 2),
        otlp_span(6, 0, 8, "agent B", 1),
        model_call(7, 0, 2, 6), otlp_span(8, 2, 5, "t1", 6), otlp_span(9, 2, 6, "t2", 6),
        otlp_span(10, 6, 8, "write", 6),
        model_call(11, 12, 20, 1),
    ]  # fmt: skip


# -- files -------------------------------------------------------------------------------------------------------------


def test_one_document_lines_of_documents_and_compressed_ones_are_the_same(tmp_path):
    whole = list(loaded(tmp_path, *two_agents()))
    lines = "\n".join(json.dumps(otlp(span)) for span in two_agents()) + "\n"
    assert list(load(write(tmp_path, lines))) == whole
    assert list(load(write(tmp_path, gzip.compress(lines.encode())))) == whole


def test_a_line_may_be_longer_than_any_value(tmp_path):
    spans = [otlp_span(number, 0, 1, "w" * 200) for number in range(1, 9_001)]
    assert len(load(write(tmp_path, otlp(*spans)))) == 9_000


def test_a_resource_may_stand_behind_its_spans(tmp_path):
    document = otlp(otlp_span(1, 0, 1), service_name="shop")
    document["resourceSpans"] = [dict(reversed(list(document["resourceSpans"][0].items())))]
    assert load(write(tmp_path, document)).lanes == ("shop",)


def test_a_span_that_was_sent_twice_counts_once(tmp_path):
    assert len(loaded(tmp_path, otlp_span(1, 0, 1), otlp_span(1, 0, 1))) == 1


def test_spans_without_an_id_are_all_kept(tmp_path):
    spans = [otlp_span(1, at, at + 1) | {"spanId": "", "traceId": ""} for at in range(3)]
    assert len(loaded(tmp_path, *spans)) == 3


def test_ids_in_both_spellings_are_the_same(tmp_path):
    inner = otlp_span(2, 0, 1, "inner", 1) | {"traceId": "q6urq6urq6urq6urq6urqw==", "parentSpanId": "AAAAAAAAAAE="}
    assert by_name(loaded(tmp_path, otlp_span(1, 0, 2, "outer"), inner), "parent_id") == {"outer": None, "inner": 1}


def test_notices_of_spans_that_have_begun_are_left_out(tmp_path):
    notice = otlp_span(2, 0, 0, "run", 1, {"logfire.span_type": "pending_span"})
    assert by_name(loaded(tmp_path, otlp_span(1, 0, 2, "run"), notice), "kind") == {"run": "branch"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"startTimeUnixNano": "soon"}, "event 3: 'soon' is not a time"), ({"spanId": 3}, "'3' is not an id"),
        ({"startTimeUnixNano": None}, "is not a time"), ({"traceId": "xy"}, "'xy' is not an id"),
    ],
)  # fmt: skip
def test_a_span_that_cannot_be_understood_is_refused(tmp_path, change, message):
    with pytest.raises(TraceFormatError, match=message):
        loaded(tmp_path, otlp_span(1, 0, 1) | change)


def test_spans_around_each_other_in_a_circle_are_refused(tmp_path):
    with pytest.raises(TraceFormatError, match="their own ancestors"):
        loaded(tmp_path, otlp_span(1, 0, 1, "a", 2), otlp_span(2, 0, 1, "b", 1))


def test_what_can_be_read_of_a_file_that_was_cut_off(tmp_path):
    text = json.dumps(otlp(otlp_span(1, 0, 1), otlp_span(2, 0, 1)))
    with pytest.warns(UserWarning, match="1 spans could be read"):
        assert len(load(write(tmp_path, text[: len(text) - 80]), partial=True)) == 1


# -- kinds, nesting, links ---------------------------------------------------------------------------------------------


def test_operations_are_branches_and_what_is_around_them_is_a_node_or_a_graph(tmp_path):
    kinds = by_name(loaded(tmp_path, *two_agents()), "kind")
    assert kinds == {"run": "graph", "agent A": "node", "agent B": "node",
                     **dict.fromkeys(("chat m-1", "search", "t1", "t2", "write"), "branch")}  # fmt: skip


def test_requests_within_a_call_of_a_model_are_its_attempts(tmp_path):
    spans = [model_call(1, 0, 5), otlp_span(2, 0, 2, "POST", 1), otlp_span(3, 2, 5, "POST again", 1)]
    trace = loaded(tmp_path, *spans)
    assert by_name(trace, "kind") == {"chat m-1": "branch", "POST": "attempt", "POST again": "attempt"}
    assert len(trace.lanes) == 1


def test_of_two_calls_of_models_within_each_other_the_inner_one_is_the_branch(tmp_path):
    outer = model_call(1, 0, 5) | {"name": "outer"}
    assert by_name(loaded(tmp_path, outer, model_call(2, 1, 4, 1)), "kind") == {
        "outer m-1": "graph",
        "chat m-1": "branch",
    }


def test_a_span_outside_its_parent_belongs_to_the_next_one_around_it(tmp_path):
    trace = loaded(tmp_path, otlp_span(1, 0, 9, "run"), otlp_span(2, 1, 3, "ask", 1), otlp_span(3, 2, 5, "late", 2))
    assert by_name(trace, "parent_id") == {"run": None, "ask": 1, "late": 1}
    assert by_name(loaded(tmp_path, otlp_span(1, 0, 1, "a", 7)), "parent_id") == {"a": None}


def test_what_followed_in_sequence_is_linked_and_so_is_what_the_file_links(tmp_path):
    links = [{"traceId": "ab" * 16, "spanId": f"{number:016x}"} for number in (1, 2, 9)]
    trace = loaded(tmp_path, otlp_span(1, 0, 1, "a"), otlp_span(2, 3, 8, "b"), otlp_span(3, 4, 5, "c", links=links))
    assert by_name(trace, "links") == {"a": (), "b": (), "c": (1,)}
    steps = [otlp_span(1, 0, 9, "run"), *(otlp_span(2 + at, at, at + 1, str(at), 1) for at in range(3))]
    assert by_name(loaded(tmp_path, *steps), "links") == {"run": (), "0": (), "1": (2,), "2": (3,)}


# -- lanes -------------------------------------------------------------------------------------------------------------


def test_branches_that_overlap_get_rows(tmp_path):
    lanes = by_name(loaded(tmp_path, *two_agents(), service_name="demo"), "lane")
    assert lanes == {"run": "demo", "agent A": "demo", "agent B": "demo", "chat m-1": "demo-1", "search": "demo-1",
                     "t1": "demo-2", "t2": "demo-3", "write": "demo-2"}  # fmt: skip


def test_threads_are_lanes_and_have_rows_only_where_they_must(tmp_path):
    names = ("MainThread", "pool_0", "pool_0", "pool_1")
    spans = [otlp_span(at + 1, at, at + 1.5, str(at), noted={"thread.name": name}) for at, name in enumerate(names)]
    assert loaded(tmp_path, *spans).lanes == ("MainThread", "pool_0-1", "pool_0-2", "pool_1")


def test_a_row_never_has_the_name_of_another_thread(tmp_path):
    names = ("t", "t", "t-2", "t-2'")
    spans = [otlp_span(at + 1, at, 9, str(at), noted={"thread.name": name}) for at, name in enumerate(names)]
    assert set(by_name(loaded(tmp_path, *spans), "lane").values()) == {"t-1", "t-2", "t-2'", "t-2''"}


def test_services_and_their_instances_are_told_apart(tmp_path):
    documents = [
        otlp(otlp_span(at + 1, at, at + 1), service_name=name, process_pid=pid)
        for at, (name, pid) in enumerate([("web", 1), ("web", 2), ("db", 3), ("web", 1)])
    ]
    text = "\n".join(json.dumps(document) for document in documents)
    assert load(write(tmp_path, text)).lanes == ("web 1", "web 2", "db 3")
    named = otlp(otlp_span(9, 9, 10, noted={"thread.name": "main"}), service_name="web")
    text = json.dumps(documents[2]) + json.dumps(named)
    assert load(write(tmp_path, text)).lanes == ("db", "web/main")


# -- what a span says --------------------------------------------------------------------------------------------------


def test_models_and_tokens_are_attributes(tmp_path):
    (span,) = loaded(tmp_path, model_call(1, 0, 1))
    assert {name: span.attributes[name] for name in ("operation", "model", "input_tokens")} == {
        "operation": "llm", "model": "m-1", "input_tokens": 12,
    }  # fmt: skip
    assert span.attributes["gen_ai.request.model"] == "m-1"


def test_a_failed_span_has_the_exception_else_the_message(tmp_path):
    raised = {"exception.type": "ValueError", "exception.message": "no"}
    event = {"name": "exception", "timeUnixNano": "1", "attributes": otlp_pairs(raised)}
    failed = {"status": {"code": 2, "message": "it broke"}}
    spans = [
        otlp_span(1, 0, 1, "a", events=[event], **failed), otlp_span(2, 0, 1, "b", **failed),
        otlp_span(3, 0, 1, "c", noted={"error.type": "500"}, status={"code": "STATUS_CODE_ERROR"}),
        otlp_span(4, 0, 1, "d", events=[event]), otlp_span(5, 0, 1, "e", status={"code": 1}),
        otlp_span(6, 0, 1, "f", noted={"error.type": "asyncio.CancelledError"}, **failed),
    ]  # fmt: skip
    trace = loaded(tmp_path, *spans)
    assert by_name(trace, "error") == {
        "a": "ValueError: no", "b": "it broke", "c": "500", "d": None, "e": None, "f": "it broke",
    }  # fmt: skip
    assert list(by_name(trace, "status").values()) == ["error"] * 3 + ["ok"] * 2 + ["cancelled"]


def test_a_span_without_an_end_is_abandoned_at_the_last_time(tmp_path):
    trace = loaded(tmp_path, otlp_span(1, 0, 1) | {"endTimeUnixNano": "0"}, otlp_span(2, 1, 3, "b"))
    assert by_name(trace, "status") == {"work": "abandoned", "b": "ok"}
    assert trace.makespan_s == 3


# -- what the analyses say ---------------------------------------------------------------------------------------------


def test_the_analyses_know_what_ran_at_once_and_what_in_sequence(tmp_path):
    trace = loaded(tmp_path, *two_agents())
    summary = summarize(trace)
    assert (summary.makespan_s, summary.work_s, summary.counts["branches"], summary.workers) == (20, 31, 8, 3)
    assert summary.critical_path_s == 20
    assert [step.name for step in critical_path(trace).steps] == ["chat m-1", "search", "chat m-1", "chat m-1"]
    assert sum(explain(trace).parts.values()) == pytest.approx(3 * 20)


def test_what_if_predicts_a_fan_out(tmp_path):
    calls = [model_call(2 + at, 10 * (at // 2), 10 * (at // 2) + 10, 1) for at in range(8)]
    for at, call in enumerate(calls[2:], 2):  # one of two workers is always busy, as in a pool
        call["startTimeUnixNano"] = str((10 * (at // 2) - at % 2) * 10**9)
        call["endTimeUnixNano"] = str((10 * (at // 2) + 10 - at % 2) * 10**9)
    calls[1]["endTimeUnixNano"] = str(9 * 10**9)
    found = what_if(loaded(tmp_path, otlp_span(1, 0, 40), *calls), [1, 2, 8])
    assert found.makespan_s[1] > 70
    assert found.makespan_s[8] < 12


# -- otlp json -----------------------------------------------------------------------------------------------------


def events_of(text):
    stream = JsonStream(StringIO(text), Path("run.json"), AMPLE)
    return list(otlp_events(stream, stream.fields()))


@pytest.mark.parametrize(
    "text",
    [
        '{"resource_spans": [{"scope_spans": [{"spans": [1]}]}]}',
        '{"batches": [{"instrumentationLibrarySpans": [{"instrumentationLibrary": {"a": 1}, "spans": [1]}]}]}',
        '{"resourceMetrics": [{}, {}], "resourceSpans": [{"schemaUrl": "x", "scopeSpans": [{"spans": [1], "a": {}}]}]}',
    ],
)
def test_other_spellings_are_known_and_other_fields_are_left_out(text):
    assert [event["span"] for event in events_of(text) if "span" in event] == [1]


@pytest.mark.parametrize("end", ["x", "[1]", '{"resourceSpans": [{"scopeSpans": 1}]}', '{"resourceSpans"'])
def test_what_follows_a_document_must_be_one(end):
    with pytest.raises(TraceFormatError):
        events_of('{"resourceSpans": []}\n' + end)


def test_values_of_all_kinds_become_plain_ones():
    noted = {"text": "a", "whole": -(2**60), "half": 0.5, "yes": True, "list": ["a", 1], "map": {"b": [0.5]}}
    assert attributes_in({"attributes": otlp_pairs(noted)}) == noted
    others = {"bytes": {"bytesValue": "AQI="}, "number": {"intValue": 3}, "old": {"string_value": "b"}, "none": {}}
    pairs = [{"key": key, "value": value} for key, value in others.items()]
    assert attributes_in({"attributes": pairs}) == {"bytes": "AQI=", "number": 3, "old": "b", "none": None}


@pytest.mark.parametrize("pairs", [None, 3, {}, [3], [{"key": 3, "value": {}}], [{"value": {"intValue": "3"}}]])
def test_what_is_no_attribute_is_left_out(pairs):
    assert attributes_in({"attributes": pairs}) == {}


def test_values_are_read_to_a_certain_depth():
    value = {"intValue": "1"}
    for _ in range(2_000):
        value = {"arrayValue": {"values": [value]}}
    assert "1" not in str(attributes_in({"attributes": [{"key": "a", "value": value}]}))


@pytest.mark.parametrize("none", [None, "", "0" * 16, "0" * 32, "AAAAAAAAAAA="])
def test_no_id_is_an_empty_text(none):
    assert id_of(none) == ""


@pytest.mark.parametrize("wrong", [3, [], "xyz", "AQI=", "0" * 15, "a" * 1000])
def test_an_id_has_eight_or_sixteen_bytes(wrong):
    with pytest.raises(ValueError, match="is not an id"):
        id_of(wrong)


@pytest.mark.parametrize(("value", "expected"), [("12", 12), (12, 12), (1.2e1, 12), ("0", 0)])
def test_times_are_texts_or_numbers(value, expected):
    assert time_ns(value) == expected


@pytest.mark.parametrize("wrong", [None, "", "1.5", "-1", "9" * 19, "9" * 5000, [], True, "٣"])
def test_other_times_are_refused(wrong):
    with pytest.raises(ValueError, match="is not a time"):
        time_ns(wrong)


# -- otlp own ------------------------------------------------------------------------------------------------------


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


# -- otlp conventions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
         {"operation": "agent", "agent": "planner"}),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
         {"operation": "tool", "tool": "search"}),
        ({"gen_ai.usage.prompt_tokens": 3, "gen_ai.usage.completion_tokens": 4, "gen_ai.response.model": "m-1"},
         {"operation": "llm", "model": "m-1", "input_tokens": 3, "output_tokens": 4}),
        ({"openinference.span.kind": "LLM", "llm.model_name": "m-1", "llm.token_count.prompt": 3.0,
          "llm.token_count.completion": 4},
         {"operation": "llm", "model": "m-1", "input_tokens": 3, "output_tokens": 4}),
        ({"openinference.span.kind": "RETRIEVER"}, {"operation": "retriever"}),
        ({"traceloop.span.kind": "workflow"}, {"operation": "chain"}),
        ({"gen_ai.operation.name": "something_new"}, {"operation": "something_new"}),
        ({"gen_ai.operation.name": 3, "llm.model_name": "", "llm.token_count.prompt": "many"}, {}),
    ],
)  # fmt: skip
def test_facts_by_the_words_of_each_convention(noted, expected):
    assert facts_of(noted) == expected


# -- sequences -----------------------------------------------------------------------------------------------------


def links_of(*inner, **outer):
    around = bar("run", "main", 0, 99, kind="node", span_id=99, **outer)
    return links_to_earlier(make_trace((around, list(inner))).columns)


def test_what_ran_at_once_needs_the_same_and_is_needed_by_its_last_end():
    inner = [
        bar("a", "t-1", 0, 1, span_id=1), bar("b", "t-1", 2, 4, span_id=2), bar("b", "t-2", 3, 6, span_id=3),
        bar("b", "t-1", 4, 5, span_id=4), bar("c", "t-1", 6, 7, span_id=5),
    ]  # fmt: skip
    assert links_of(*inner) == {2: 1, 3: 1, 4: 1, 5: 3}


def test_spans_without_a_parent_and_attempts_need_nothing():
    assert links_to_earlier(make_trace(bar("a", "t", 0, 1), bar("b", "t", 1, 2)).columns) == {}
    assert links_of(bar("a", "t", 0, 1, kind="attempt"), bar("b", "t", 1, 2, kind="attempt")) == {}
