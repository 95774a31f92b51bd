"""Files of other tools, for the tests of their readers."""

from __future__ import annotations

import json
from pathlib import Path

from kaygraph_viz.export.loading import load
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.files import Allowance

AMPLE = Allowance(Path("run.json"), 1 << 30)

HEAD = {"format": "kaygraph-viz-trace", "version": 1, "spans": 1, "dropped": 0}


FIELDS = {
    "span_id": 1, "submitted_ns": 0, "started_ns": 1, "ended_ns": 2, "name": "a", "kind": "branch", "lane": "main",
}  # fmt: skip


SPAN = {"ph": "X", "name": "a", "args": FIELDS}


OURS = {"otherData": HEAD, "traceEvents": [SPAN]}


X = {"ph": "X", "name": "a", "pid": 1, "tid": 1, "ts": 0, "dur": 1}


def write(tmp_path, content, name="run.json"):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(tmp_path, events):
    return load(write(tmp_path, {"traceEvents": events}))


def small_trace():
    return make_trace((bar("exec", "main", 0, 9, kind="phase"), [bar("a", "t-1", i, i + 1, index=i) for i in range(9)]))


def task(key, *actions, worker="tcp://127.0.0.1:4001", thread=11, status="OK"):
    startstops = [{"action": action, "start": start, "stop": stop} for action, start, stop in actions]
    return {"key": key, "worker": worker, "thread": thread, "status": status, "nbytes": 28, "type": "b'...'",
            "typename": "int", "startstops": startstops}  # fmt: skip


def otlp_value(value):
    if isinstance(value, list):
        return {"arrayValue": {"values": [otlp_value(each) for each in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": otlp_pairs(value)}}
    kinds = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}
    return {kinds[type(value)]: str(value) if type(value) is int else value}


def otlp_pairs(noted):
    return [{"key": key, "value": otlp_value(value)} for key, value in noted.items()]


def otlp_span(number, start_s, end_s, name="work", parent=0, noted=None, **more):
    ids = {"traceId": "ab" * 16, "spanId": f"{number:016x}", **({"parentSpanId": f"{parent:016x}"} if parent else {})}
    times = {"startTimeUnixNano": str(round(start_s * 10**9)), "endTimeUnixNano": str(round(end_s * 10**9))}
    return {**ids, "name": name, "kind": 1, **times, "attributes": otlp_pairs(noted or {}), **more}


def otlp(*spans, scope="some.library", **resource):
    noted = {key.replace("_", "."): value for key, value in resource.items()}
    inner = {"scope": {"name": scope}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": otlp_pairs(noted)}, "scopeSpans": [inner]}]}


def model_call(number, start_s, end_s, parent=0, **more):
    noted = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "gen_ai.usage.input_tokens": 12}
    return otlp_span(number, start_s, end_s, "chat", parent, noted, **more)
