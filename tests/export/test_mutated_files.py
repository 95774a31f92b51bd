"""Files of every format with one wrong value: refused with a `TraceFormatError`, or a trace that all of us can read.

This is about several modules: the readers, and everything that reads what they return.
"""

from __future__ import annotations

import copy
import json
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kaygraph_viz.analysis.compare import compare
from kaygraph_viz.analysis.conflicts import conflicts
from kaygraph_viz.analysis.critical_path import critical_path
from kaygraph_viz.analysis.explain import explain
from kaygraph_viz.analysis.per_item import per_worker
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.base.errors import TraceFormatError
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.export.frame import to_frame
from kaygraph_viz.export.loading import load
from kaygraph_viz.export.perfetto import to_perfetto
from kaygraph_viz.plot.gantt.description import gantt_description
from kaygraph_viz.plot.gantt.layout import make_layout
from kaygraph_viz.plot.gantt.scene import Chart
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.widgets.timeline.packing import pack
from kaygraph_viz.widgets.timeline.scene_data import span_facts
from tests.export.examples import model_call, otlp, otlp_pairs, otlp_span, task

pytestmark = pytest.mark.filterwarnings("ignore:.*spans could be read")

RAW = {"beyond all floats": "1e400", "many digits": "1" * 5_000}  # numbers that Python does not write
VALUES: list[Any] = [
    None, [], [[]], {}, {"a": {"b": []}}, True, float("nan"), float("inf"), *RAW, -1, 0, 0.5, 2**62 - 1, 2**63, 2**64,
    -(2**63), "", "x" * 100_000, "\x1b[31m\ud800\u202e\n$", [2**63], [-1, 1e300], [{"a": 1}], "NaN", [[], []],
]  # fmt: skip
# Files of each format, always the same; most of those of the first one are refused.
FEW = {"native": 100, "perfetto": 20, "chrome": 25, "task stream": 25, "otlp": 50}
THOROUGH = 400

Document = Any
Place = tuple[Any, ...]


def small_run() -> Trace:
    branches = [
        bar("a", "thread-1", 1, 2, index=0, parts=[("wait", 0.5), ("cpu", 0.5, 0.7)], span_id=4),
        bar("a", "thread-2", 1, 3, queued_s=0.5, index=1, cpu_s=1, links=(4,), noted=[1, "b"], writes=["total"]),
        bar("a", "thread-1", 2, 4, queued_s=1, index=2, status="error", error="ValueError: no", reads=["total"]),
    ]
    node = (bar("Check", "main", 0, 5, kind="node"), [(bar("exec", "main", 0, 4, kind="phase"), branches)])
    return make_trace(node, machine=Machine(4, "CPython 3.12", has_gil=True))


def native_file(folder: Path) -> Document:
    lines = [json.loads(line) for line in small_run().save(folder / "base.jsonl").read_text("utf-8").splitlines()]
    lines[-1]["memory"] = [[0, 1_000_000], [500, 700]]
    return lines


def our_perfetto_file(folder: Path) -> Document:
    return json.loads(to_perfetto(small_run(), folder / "base.json").read_text("utf-8"))


def chrome_file(folder: Path) -> Document:
    def event(phase: str, ts: float, **more: Any) -> dict[str, Any]:
        return {"ph": phase, "name": "work", "pid": 1, "tid": 1, "ts": ts, **more}

    return {
        "traceEvents": [
            event("M", 0, name="thread_name", args={"name": "main"}), event("b", 1, id=1, id2={"local": "0x1"}),
            event("X", 0, dur=10, tdur=5, args={"n": [1, "b"]}), event("B", 2, cat="io"), event("E", 5),
            event("e", 9, id=1), event("B", 3, tid=2),
        ],
        "displayTimeUnit": "ms",
    }  # fmt: skip


def task_stream_file(folder: Path) -> Document:
    transfer = ("transfer", 0.0, 1.0)
    return [
        task("load-1a2b3c4d", transfer, ("compute", 1.0, 2.0)),
        task("sum-1", ("compute", 2.0, 3.0), status="error"),
    ]


def otlp_file(folder: Path) -> Document:
    raised = otlp_pairs({"exception.type": "ValueError", "exception.message": "no"})
    parts = [{"name": "cpu", "timeUnixNano": "0", "attributes": otlp_pairs({"kaygraph_viz.lasted_s": 1.0})}]
    ours = {"kaygraph_viz.kind": "branch", "thread.name": "t-1", "kaygraph_viz.cpu_s": 0.5, "kaygraph_viz.index": 3}
    links = [{"traceId": "ab" * 16, "spanId": f"{2:016x}"}]
    return otlp(
        otlp_span(1, 0, 9, "run", noted={"thread.id": 7}), model_call(2, 0, 2, 1), otlp_span(3, 0, 1, "POST", 2),
        otlp_span(4, 2, 3, "tool", 1, {"pages": [1, 0.5], "map": {"a": True}}, links=links),
        otlp_span(5, 2, 4, "tool", 1, status={"code": 2, "message": "no"},
                  events=[{"name": "exception", "timeUnixNano": "1", "attributes": raised}]),
        otlp_span(6, 0, 1, "own", noted=ours, events=parts),
        service_name="demo", process_pid=3,
    )  # fmt: skip


FILES: dict[str, Callable[[Path], Document]] = {
    "native": native_file, "perfetto": our_perfetto_file, "chrome": chrome_file, "task stream": task_stream_file,
    "otlp": otlp_file,
}  # fmt: skip


def text_of(document: Document, form: str) -> str:
    texts = [json.dumps(each) for each in document] if form == "native" else [json.dumps(document)]
    text = "\n".join(texts)
    for name, number in RAW.items():
        text = text.replace(json.dumps(name), number)
    return text


def places_in(value: Any, at: Place = ()) -> Iterator[Place]:
    """Yield the way to each value at any depth."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*at, key)
        yield from places_in(each, (*at, key))


def with_value(document: Document, place: Place, value: Any) -> Document:
    changed = copy.deepcopy(document)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


def read_in_every_way(trace: Trace, folder: Path) -> None:
    """Call whatever takes a trace; whatever it holds, there is no error."""
    results = [
        trace, summarize(trace), explain(trace), critical_path(trace), what_if(trace, [1, 2]), compare(trace, trace),
        *conflicts(trace), *trace,
    ]  # fmt: skip
    texts = [str(per_worker(trace)), *(text for each in results for text in (str(each), repr(each)))]
    assert all(text.replace("\n", "").isprintable() for text in texts)
    for each in results:
        getattr(each, "_repr_html_", str)()
    trace.counts()
    trace.where(kind="branch")
    chart = Chart.of(trace)
    make_layout(chart)
    gantt_description(chart)
    pack(trace)
    for span in trace:
        span_facts(trace.columns, span.span_id)
    to_frame(trace)
    to_frame(trace, parts=True)
    assert len(load(to_perfetto(trace, folder / "again.json"))) == len(trace)
    assert len(load(trace.save(folder / "again.jsonl"))) == len(trace)


@pytest.mark.parametrize("form", FILES)
@pytest.mark.invalid_traces
def test_a_wrong_value_anywhere_is_refused_or_does_no_harm(form, tmp_path, request):
    document = FILES[form](tmp_path)
    cases = [(place, number) for place in places_in(document) for number in range(len(VALUES))]
    count = THOROUGH if request.config.getoption("--thorough") else FEW[form]
    cases = random.Random(form).sample(cases, min(count, len(cases)))
    failed = {}
    for place, number in cases:
        path = tmp_path / "run.json"
        path.write_text(text_of(with_value(document, place, VALUES[number]), form), encoding="utf-8")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                read_in_every_way(load(path), tmp_path)
        except TraceFormatError as error:
            if len(str(error)) > 2_000 or not str(error).isprintable():
                failed[place, number] = error
        except Exception as error:
            failed[place, number] = error
    assert not failed


def test_times_that_cannot_be_added_up_are_refused(tmp_path):
    document = native_file(tmp_path)
    for span in document[1:-1]:
        span.pop("parts", None)
        span |= {"submitted_ns": 0, "started_ns": 0, "ended_ns": 2**61}
    path = tmp_path / "run.json"
    path.write_text(text_of(document, "native"), encoding="utf-8")
    with pytest.raises(TraceFormatError, match="longer than can be added up"):
        load(path)
