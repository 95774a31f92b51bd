"""Random files: valid small ones of every format, and changes of their structure and of their bytes.

Belongs here: content. Does not belong here: reading it (``files``).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.testing import bar, make_trace

Documents = list[Any]  # the JSON of a file; several for one with a document in each line

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**53, 2**62, 2**63, -(2**63), 2**64, 10**30, 0.5, -0.0, 1e18, 1e308,
    float("nan"), float("inf"), "", "0", "ok", "branch", "error", "X", "B", "E", "b", "e", "M", "\0",
    "\ud800", "\u202e", "\x1b[31m", "<script>", "a" * 300, [], {}, [[]], [0, 1], {"": {}}, [[0, 1, 2]], [[0], [1]],
)  # fmt: skip
NAMES = (
    "parts", "links", "attributes", "memory", "machine", "parent_id", "span_id", "cpu_ns", "blocked_ns", "index",
    "attempt", "error", "spans", "dropped", "version", "format", "ph", "ts", "dur", "tdur", "args", "pid", "tid", "id",
    "startstops", "resourceSpans", "scopeSpans", "spans", "spanId", "parentSpanId", "endTimeUnixNano", "status",
)  # fmt: skip
BYTES = (b"\n", b"{", b"[", b'"', b"\xff", b"NaN", b"1e999", b"\\ud800", b"\x1f\x8b")


def corpus() -> list[bytes]:
    """Return small valid files, one or more of each format."""
    return [
        *_ours(),
        *(json.dumps(content).encode() for content in (_chrome(), _chrome()["traceEvents"], _dask(), _otlp())),
    ]


def _ours() -> list[bytes]:
    trace = make_trace(
        (bar("exec", "main", 0, 9, kind="phase", links=(3,), executor="thread", workers=2), [
            bar("a", "t-1", 0, 2, queued_s=1, cpu_s=1, index=0, parts=[("cpu", 1), ("unknown", 1, 0.2)]),
            bar("b", "t-2", 1, 3, blocked_s=0.5, index=1, status="error", error="ValueError: no", attempt=2),
            (bar("c", "t-1", 3, 8, status="abandoned"), [bar("inner", "t-1", 4, 5, kind="attempt")]),
        ]),
        dropped=2,
    )  # fmt: skip
    with kv.record(clock="virtual") as recorded, kv.get_executor("process", 2) as executor:
        list(executor.imap(kv.sleep, [0.1, 0.2, 0.1]))
    with TemporaryDirectory() as folder:
        paths = [each.save(f"{folder}/{number}") for number, each in enumerate((trace, recorded))]
        paths.append(kv.to_perfetto(trace, f"{folder}/perfetto"))
        found = [Path(path).read_bytes() for path in paths]
    return [*found, found[0].replace(b'"version":2', b'"version":1')]


def _chrome() -> dict[str, Any]:
    def event(phase: str, at: float, **more: Any) -> dict[str, Any]:
        return {"ph": phase, "name": "a", "pid": 1, "tid": 1, "ts": at, **more}

    return {
        "traceEvents": [
            event("M", 0, args={"name": "worker"}) | {"name": "thread_name"},
            event("X", 1, dur=9.5, tdur=3, args={"x": 1}, cat="c"), event("B", 2), event("E", 3), event("B", 4),
            event("b", 1, id="0x1", cat="d"), event("e", 7, id="0x1", cat="d"), event("i", 1),
        ],
        "otherData": {"version": "1"},
    }  # fmt: skip


def _dask() -> list[Any]:
    actions = [{"action": "transfer", "start": 1.0, "stop": 1.5}, {"action": "compute", "start": 1.5, "stop": 2.0}]
    task = {
        "key": "f-1a2b3c4d5e",
        "worker": "tcp://h:1",
        "thread": 7,
        "status": "OK",
        "nbytes": 8,
        "startstops": actions,
    }
    return [task, task | {"status": "error", "thread": 8}]


def _otlp() -> dict[str, Any]:
    def noted(**values: Any) -> list[Any]:
        return [{"key": key.replace("_", "."), "value": {"stringValue": value}} for key, value in values.items()]

    def span(number: int, parent: int, start: int, end: int, **more: Any) -> dict[str, Any]:
        ids = {"traceId": "ab" * 16, "spanId": f"{number:016x}", "parentSpanId": f"{parent:016x}"}
        return {**ids, "name": "a", "startTimeUnixNano": str(start), "endTimeUnixNano": str(end), **more}

    raised = [{"name": "exception", "attributes": noted(exception_type="ValueError")}]
    links = [{"traceId": "ab" * 16, "spanId": f"{2:016x}"}]
    ours = [{"key": "kaygraph_viz.kind", "value": {"stringValue": "branch"}}, *noted(thread_name="t-1")]
    spans = [
        span(1, 0, 0, 90), span(2, 1, 0, 20, attributes=noted(openinference_span_kind="LLM", llm_model="m")),
        span(3, 2, 5, 15), span(4, 1, 20, 40, links=links), span(5, 1, 25, 95, status={"code": 2}, events=raised),
        span(6, 0, 10, 0), span(7, 0, 10, 20, attributes=ours),
    ]  # fmt: skip
    return {"resourceSpans": [{"resource": {"attributes": noted(service_name="s")}, "scopeSpans": [{"spans": spans}]}]}


# -- changing a file --------------------------------------------------------------------------------------------------


def mutated(rnd: Random, content: bytes, other: bytes) -> bytes:
    """Return a file like `content` with some changes; parts of `other` may be put into it."""
    for _ in range(rnd.choice((1, 1, 1, 2, 4))):
        content = (_changed_structure if rnd.random() < 0.75 else _changed_bytes)(rnd, content, other)
    if rnd.random() < 0.1:
        content = gzip.compress(content, mtime=0)
        if rnd.random() < 0.7:
            content = _changed_bytes(rnd, content, other)
    return content


def _changed_structure(rnd: Random, content: bytes, other: bytes) -> bytes:
    documents, donor = _documents(content), _documents(other)
    if not documents:
        return _changed_bytes(rnd, content, other)
    rnd.choice(_CHANGES)(rnd, documents, donor or [0])
    return "\n".join(json.dumps(each) for each in documents).encode("utf-8", "replace")


def _documents(content: bytes) -> Documents:
    try:
        return [json.loads(line) for line in content.decode().splitlines() if line]
    except (ValueError, RecursionError):
        return []


def _places(documents: Documents) -> list[tuple[Any, Any]]:
    """Return every container with each of its keys or positions."""
    found, waiting = [], [documents]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], (dict, list)):
                waiting.append(holder[key])
    return found


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _replace(rnd: Random, documents: Documents, donor: Documents) -> None:
    holder, key = rnd.choice(_places(documents))
    holder[key] = _copy(rnd.choice(VALUES))


def _shift(rnd: Random, documents: Documents, donor: Documents) -> None:
    numbers = [(holder, key) for holder, key in _places(documents) if type(holder[key]) in (int, float)]
    if numbers:
        holder, key = rnd.choice(numbers)
        holder[key] += rnd.choice((-1, 1, -1000, 10**9, -(10**9), 2**62))


def _remove(rnd: Random, documents: Documents, donor: Documents) -> None:
    holder, key = rnd.choice(_places(documents))
    if holder is not documents or len(documents) > 1:
        del holder[key]


def _repeat(rnd: Random, documents: Documents, donor: Documents) -> None:
    holder, key = rnd.choice(_places(documents))
    if isinstance(holder, list):
        holder[key:key] = [_copy(holder[key]) for _ in range(rnd.choice((1, 1, 2, 20)))]


def _exchange(rnd: Random, documents: Documents, donor: Documents) -> None:
    (one, here), (other, there) = rnd.choice(_places(documents)), rnd.choice(_places(documents))
    one[here], other[there] = _copy(other[there]), _copy(one[here])


def _transplant(rnd: Random, documents: Documents, donor: Documents) -> None:
    (holder, key), (giver, given) = rnd.choice(_places(documents)), rnd.choice(_places(donor))
    holder[key] = _copy(giver[given])


def _add(rnd: Random, documents: Documents, donor: Documents) -> None:
    objects = [each for each in (holder for holder, _ in _places(documents)) if isinstance(each, dict)]
    if objects:
        rnd.choice(objects)[rnd.choice(NAMES)] = _copy(rnd.choice(VALUES))


def _deepen(rnd: Random, documents: Documents, donor: Documents) -> None:
    holder, key = rnd.choice(_places(documents))
    for _ in range(rnd.choice((1, 3, 200))):
        holder[key] = [holder[key]] if rnd.random() < 0.5 else {"a": holder[key]}


_CHANGES: tuple[Callable[[Random, Documents, Documents], None], ...] = (
    _replace, _replace, _replace, _shift, _shift, _remove, _repeat, _exchange, _transplant, _add, _add, _deepen,
)  # fmt: skip


def _changed_bytes(rnd: Random, content: bytes, other: bytes) -> bytes:
    at, to = sorted(rnd.randrange(len(content) + 1) for _ in range(2))
    kind = rnd.randrange(6)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + content[min(to, at + 20) :]
    if kind == 2:
        return content[:at] + bytes((rnd.randrange(256),)) + content[at + 1 :]
    if kind == 3:
        return content[:to] + content[at:to] + content[to:]
    if kind == 4:
        return content[:at] + rnd.choice(BYTES) + content[at:]
    return content[:at] + other[at:to]
