"""A reader of OpenTelemetry's spans (OTLP as JSON), of any program: services, agents, calls of models.

Belongs here: how documents, ids, times and attributes are written, what a span becomes and in which lane, what
attributes mean (OpenTelemetry's own words, GenAI, and OpenInference), and spans that ``to_opentelemetry`` has exported,
as they were recorded.

A file is one document or has one in each line, as the file exporter of the collector writes it. Names of fields may be
those of JSON or of the protocol (``scopeSpans`` or ``scope_spans``), ids are hexadecimal or base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import heappop, heappush
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from kaygraph_viz.base.parts import NO_SHARE, PART_CODE, PartKind, RowParts
from kaygraph_viz.export.perfetto import outside_in, parent_positions
from kaygraph_viz.export.reader import LARGEST_NS, JsonStream, Reader, integer_ns
from kaygraph_viz.trace.columns import TEXT_LIMIT, SpanColumns
from kaygraph_viz.trace.files import Allowance
from kaygraph_viz.trace.row import LARGEST, LONGEST_NAME, Row, safe_attributes, safe_error
from kaygraph_viz.trace.span import KINDS, STATUSES, Kind, Status

Ints = npt.NDArray[np.int64]
FAILED = (2, "2", "STATUS_CODE_ERROR")
MOST_AROUND = 64  # of spans around one that do not enclose it, as they should
LANE_LIMIT = TEXT_LIMIT - 40  # characters; numbers may follow
INSTANCE = ("process.pid", "service.instance.id", "k8s.pod.name", "host.name")  # which of several of one service


class _Place(NamedTuple):
    """Where a span ran: the number of its resource, and the name of its thread, empty where it is not known."""

    resource: int
    thread: str


class OtlpReader(Reader):
    """A reader that makes branches of operations, and graphs and nodes of the spans around them."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__(allowance)
        self._numbers: dict[int, int] = {}  # of spans by their ids
        self._parents: dict[int, int] = {}
        self._links: dict[int, list[int]] = {}
        self._calls: list[int] = []
        self._recorded: set[int] = set()  # numbers of spans of ours
        self._unfinished: list[Row] = []
        self._resources: dict[int, tuple[str, str]] = {}  # service and which of several
        self._places: dict[_Place, str] = {}
        self._scope: object = None
        self._count = self._last_ns = 0

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in a resource, a scope, or a span."""
        number = event["of"]
        if isinstance(resource := event.get("resource"), dict):
            self._resources[number] = _service(attributes_in(resource))
        elif isinstance(scope := event.get("scope"), dict):
            self._scope = scope.get("name")
        elif isinstance(span := event.get("span"), dict):
            self._add(span, number)
        elif "span" in event:
            raise ValueError(f"it is {type(span).__name__}, expected an object with a span")

    def _add(self, span: Mapping[str, Any], resource: int) -> None:
        noted, key, parent = attributes_in(span), _key(span, "spanId"), _key(span, "parentSpanId")
        is_ours = PREFIX + "kind" in noted
        is_around_ours = self._scope == PREFIX.rstrip(".") and not is_ours and not parent
        self.predicted_from = origin_in(noted) or self.predicted_from
        if not is_span(noted) or is_around_ours or key in self._numbers:  # exporters that try again send spans twice
            return
        number = self._count = self._count + 1
        if key:
            self._numbers[key] = number
        if parent:
            self._parents[number] = parent
        links = [_key(link, "spanId") for link in _list(span, "links")]
        if links:
            self._allowance.take_values(len(links))
            self._links[number] = links
        row = self._row(number, span, noted, is_ours=is_ours)
        if not is_ours:
            place = _Place(resource, _thread(noted))
            row = row._replace(lane=self._places.setdefault(place, f"\0{len(self._places)}"))
        self._last_ns = max(self._last_ns, row.ended_ns)
        if row.status == "abandoned" and not is_ours:
            self._unfinished.append(row)
        else:
            self._keep(row)

    def _row(self, number: int, span: Mapping[str, Any], noted: Mapping[str, Any], *, is_ours: bool) -> Row:
        started_ns = time_ns(field_of(span, "startTimeUnixNano"))
        ended_ns = time_ns(field_of(span, "endTimeUnixNano") or 0)
        status, error = _outcome(span, noted) if ended_ns else ("abandoned", None)
        name = str(span.get("name") or "")[:LONGEST_NAME]
        ended_ns = max(started_ns, ended_ns)  # clocks may be set back
        row = Row(number, 0, -1, name, "branch", "", started_ns, started_ns, ended_ns, status=status, error=error)
        if is_ours:
            self._recorded.add(number)
            return as_recorded(row, noted, _list(span, "events"))
        facts = facts_of(noted)
        if is_remote_call(facts):
            self._calls.append(number)
        return row._replace(name=name_of(name, facts), attributes=self._noted({**facts, **noted}))

    # -- the end -----------------------------------------------------------------------------------------------------

    def finish(self, *, is_complete: bool) -> tuple[SpanColumns, int]:
        """Return the spans, each within another, of a kind, and in a lane."""
        for row in self._unfinished:
            self._keep(row._replace(ended_ns=max(self._last_ns, row.started_ns)))
        self._unfinished = []
        columns, dropped = super().finish(is_complete=is_complete)
        if len(columns):
            columns.rows["parent_id"] = self._nested(columns)
            self._set_kinds_and_lanes(columns)
            columns.links = self._linked(columns)
        return columns, dropped

    def _nested(self, columns: SpanColumns) -> Ints:
        """Return the number of the innermost span around each that encloses it, or 0."""
        count = self._count + 1
        ids, started, ended = (columns.column(name) for name in ("span_id", "started_ns", "ended_ns"))
        parent, at = np.zeros(count, np.int64), np.full(count, -1)
        at[ids] = np.arange(len(ids))
        for number, key in self._parents.items():
            parent[number] = self._numbers.get(key, 0)
        parent[at[parent] < 0] = 0
        found = parent[ids]
        for _ in range(MOST_AROUND):
            around = at[found]
            is_outside = (found > 0) & ((started[around] > started) | (ended[around] < ended))
            if not is_outside.any():
                return found
            found = np.where(is_outside, parent[found], found)
        return np.where(is_outside, 0, found)

    def _linked(self, columns: SpanColumns) -> dict[int, tuple[int, ...]]:
        """Return the links to spans that are here, and, of spans of others, that had ended before."""
        ends = {self._numbers[key] for keys in self._links.values() for key in keys if key in self._numbers}
        is_end = np.isin(columns.rows["span_id"], sorted({*self._links, *ends}))
        times = columns.rows[["span_id", "started_ns", "ended_ns"]][is_end]
        started, ended = ({row[0]: row[at] for row in times.tolist()} for at in (1, 2))
        found: dict[int, tuple[int, ...]] = {}
        found |= {number: (each,) for number, each in links_to_earlier(columns).items() if number not in self._recorded}
        for number, keys in self._links.items():
            targets = dict.fromkeys(self._numbers[key] for key in keys if key in self._numbers)
            kept = (each for each in targets if each in ended and each != number)
            if number in started and number not in self._recorded:
                kept = (each for each in kept if ended[each] <= started[number])
            if links := tuple(kept):
                found[number] = tuple(dict.fromkeys((*links, *found.get(number, ()))))
        return found

    def _set_kinds_and_lanes(self, columns: SpanColumns) -> None:
        """Give the spans of others a kind and a lane; ours have theirs."""
        order = outside_in(columns)
        is_other = ~np.isin(columns.rows["span_id"], list(self._recorded))
        parents = parent_positions(columns)
        kinds = _kinds(order.tolist(), parents.tolist(), np.isin(columns.rows["span_id"], self._calls).tolist())
        codes = np.array([KINDS.index(kind) for kind in kinds], np.uint8)
        columns.rows["kind"] = np.where(is_other, codes, columns.rows["kind"])
        names = self._lane_names(columns.lanes)
        group_of = {name: code for code, name in enumerate(dict.fromkeys(names))}
        group = np.array([group_of[name] for name in names], np.int64)[columns.rows["lane"]]
        rows = _rows(columns, np.flatnonzero(is_other), group, parents)
        is_around = is_other & columns.is_kind("graph", "node")
        rows = np.where(is_around | ~is_other, 0, rows + 1)
        columns.rows["lane"], columns.lanes = _numbered(list(group_of), group, rows)

    def _lane_names(self, lanes: Sequence[str]) -> list[str]:
        """Return the name of each lane so far: of ours as it is, of others that of service and thread."""
        place_of = {code: place for place, code in self._places.items()}
        places = [place_of[lane] for lane in lanes if lane in place_of]
        services = {self._resources.get(place.resource, ("", "")) for place in places}
        has_twins = len({service for service, _ in services}) < len(services)
        return [
            self._name_of(place_of[lane], len(services) > 1, has_twins) if lane in place_of else lane for lane in lanes
        ]

    def _name_of(self, place: _Place, has_several: bool, has_twins: bool) -> str:
        service, instance = self._resources.get(place.resource, ("", ""))
        process = " ".join(filter(None, (service, instance if has_twins else ""))) or "process"
        if not place.thread:
            return process[:LANE_LIMIT]
        return (f"{process[: LANE_LIMIT // 2]}/{place.thread}" if has_several else place.thread)[:LANE_LIMIT]


def _key(message: Mapping[str, Any], field: str) -> int:
    """Return the id of a span together with that of its trace; 0 for none. A number takes a third of the memory."""
    span = id_of(field_of(message, field))
    return int(id_of(field_of(message, "traceId")) + span.zfill(32), 16) if span else 0


def _list(message: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return objects_in(message.get(name))


def _service(noted: Mapping[str, Any]) -> tuple[str, str]:
    name = str(noted.get("service.name") or "").partition(":")[0][:LANE_LIMIT]
    instance = next((str(noted[each])[:40] for each in INSTANCE if noted.get(each) is not None), "")
    return "" if name == "unknown_service" else name, instance


def _thread(noted: Mapping[str, Any]) -> str:
    name, number = noted.get("thread.name"), noted.get("thread.id")
    if isinstance(name, str) and name:
        return name[:LANE_LIMIT]
    return "" if number is None else f"thread {str(number)[:40]}"


def _outcome(span: Mapping[str, Any], noted: Mapping[str, Any]) -> tuple[Status, str | None]:
    """Return the status of a span, and its error with the exception that the last event about one has."""
    status = span.get("status")
    if not isinstance(status, dict) or status.get("code") not in FAILED:
        return "ok", None
    raised = [attributes_in(event) for event in _list(span, "events") if event.get("name") == "exception"]
    kind, message = (str((raised or [{}])[-1].get(f"exception.{name}") or "") for name in ("type", "message"))
    kind = kind or str(noted.get("error.type") or "")
    error = ": ".join(filter(None, (kind, message))) if raised else str(status.get("message") or kind)
    is_cancelled = kind.endswith("CancelledError")
    return "cancelled" if is_cancelled else "error", safe_error(error or "the span says that it failed")


def _kinds(order: Sequence[int], parents: Sequence[int], is_call: Sequence[bool]) -> list[Kind]:
    """Return the kind of each span; `order` has each after the one around it."""
    has_inner, has_call, is_detail = ([False] * len(order) for _ in range(3))
    for at in reversed(order):
        if parents[at] >= 0:
            has_inner[parents[at]] = True
            has_call[parents[at]] |= is_call[at] or has_call[at]
    kinds: list[Kind] = ["branch"] * len(order)
    for at in order:
        around = parents[at]
        is_detail[at] = around >= 0 and (is_detail[around] or (is_call[around] and not has_call[around]))
        if is_detail[at]:
            kinds[at] = "attempt"
        elif has_inner[at] and not (is_call[at] and not has_call[at]):
            kinds[at] = "graph" if around < 0 else "node"
    return kinds


def _rows(columns: SpanColumns, others: Ints, group: Ints, parents: Ints) -> Ints:
    """Return the row of each span in its group; 0 for those that have a lane. Attempts are in that of their branch."""
    depth = np.empty(len(columns), np.int64)
    depth[outside_in(columns)] = np.arange(len(columns))
    started, ended = columns.column("started_ns"), columns.column("ended_ns")
    is_attempt = columns.is_kind("attempt")
    packed = others[~is_attempt[others]]
    packed = packed[np.lexsort((depth[packed], started[packed]))]
    place = np.full(len(columns) + 1, -1)
    place[packed] = np.arange(len(packed))
    fields = (group[packed], started[packed], ended[packed], place[parents[packed]])
    rows = np.zeros(len(columns), np.int64)
    rows[packed] = pack_rows([Packed(*each) for each in zip(*(field.tolist() for field in fields), strict=True)])
    for at in outside_in(columns).tolist():
        if is_attempt[at] and parents[at] >= 0:
            rows[at], group[at] = rows[parents[at]], group[parents[at]]
    return rows


def _numbered(groups: Sequence[str], group: Ints, rows: Ints) -> tuple[Ints, list[str]]:
    """Return the lane of each span, and the names of the lanes, with a number where a group has several rows."""
    count = int(rows.max()) + 1
    used, code = np.unique(group * count + rows, return_inverse=True)
    several = set((used[used % count > 1] // count).tolist())
    known: dict[tuple[int, int], int] = {}
    names: dict[str, None] = {}
    lane_of = []
    for of, row in (divmod(each, count) for each in used.tolist()):
        key = of, row if of in several else 0
        if key not in known:
            name = f"{groups[of]}-{row}" if key[1] else groups[of]
            while name in names:  # a thread may have a name like that of a row
                name += "'"
            known[key], names[name] = len(known), None
        lane_of.append(known[key])
    return np.array(lane_of, np.int64)[code], list(names)


# -- what attributes mean --------------------------------------------------------------------------------------------


KIND_ATTRIBUTES = (
    "openinference.span.kind",
    "gen_ai.operation.name",
    "traceloop.span.kind",
    "langsmith.span.kind",
    "llm.request.type",
)
# What a span does, by the words of all conventions; other words stay as they are.
OPERATIONS = {
    "chat": "llm",
    "text_completion": "llm",
    "completion": "llm",
    "generate_content": "llm",
    "embeddings": "embedding",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "workflow": "chain",
    "invoke_workflow": "chain",
    "retrieval": "retriever",
    "rerank": "reranker",
}
NAMED = {  # what an operation works with, and where its name stands
    "model": (
        "gen_ai.request.model",
        "gen_ai.response.model",
        "llm.model_name",
        "llm.request.model",
        "embedding.model_name",
        "reranker.model_name",
    ),
    "tool": ("gen_ai.tool.name", "tool.name"),
    "agent": ("gen_ai.agent.name", "agent.name", "agent_name"),
}
TOKENS = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
    ),
}
TARGETS = {"llm": "model", "embedding": "model", "reranker": "model", "tool": "tool", "agent": "agent"}
REMOTE = frozenset({"llm", "embedding", "retriever", "reranker"})
NO_SPANS = frozenset({"pending_span", "log"})  # of Logfire: a span that has only begun, and an instant
LONGEST = 200  # characters of a word or a name


def facts_of(noted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a span did, with which model, tool and agent, and how many tokens that took, as far as it says so."""
    found: dict[str, Any] = {name: _text_in(noted, places) for name, places in NAMED.items()}
    for name, places in TOKENS.items():
        counts = (noted.get(place) for place in places)
        numbers = (each for each in counts if isinstance(each, (int, float)) and not isinstance(each, bool))
        found[name] = next((int(each) for each in numbers if 0 <= each < 1 << 62), None)
    word = _text_in(noted, KIND_ATTRIBUTES)
    implied = next((each for each in ("tool", "agent") if found[each]), "llm" if found["model"] else None)
    operation = OPERATIONS.get(word.lower(), word.lower()) if word else implied
    return {name: value for name, value in {"operation": operation, **found}.items() if value is not None}


def _text_in(noted: Mapping[str, Any], places: Iterable[str]) -> str | None:
    found = (noted.get(place) for place in places)
    return next((each[:LONGEST] for each in found if isinstance(each, str) and each), None)


def name_of(name: str, facts: Mapping[str, Any]) -> str:
    """Return a name of a span that says which model, tool or agent it was."""
    target = facts.get(TARGETS.get(facts.get("operation", ""), ""))
    return f"{name} {target}".strip() if target and target not in name else name


def is_remote_call(facts: Mapping[str, Any]) -> bool:
    """Return whether a span is one call of a model or a retriever, within which requests are only details."""
    return facts.get("operation") in REMOTE


def is_span(noted: Mapping[str, Any]) -> bool:
    """Return whether what was sent as a span is one, and not the notice of one that has begun, or of an instant."""
    return str(noted.get("logfire.span_type")) not in NO_SPANS


# -- documents, ids, times and attributes ----------------------------------------------------------------------------


TRACES = ("resourceSpans", "resource_spans", "batches")  # the last one is that of Tempo
SIGNALS = frozenset({*TRACES, "resourceMetrics", "resourceLogs"})  # a file may have these, too
SCOPES = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans")
SCALARS = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue")
MAX_LEVELS = 8  # of a value within others; deeper ones are cut anyway
WIDTHS = (8, 16)  # bytes of the id of a span and of a trace
HEX = re.compile(r"(?:[0-9a-fA-F]{16}){1,2}")
DIGITS = re.compile(r"[0-9]{1,19}")


def otlp_events(stream: JsonStream, fields: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield what is in documents, one after the other: ``{"resource": ...}``, ``{"scope": ...}`` and ``{"span"."""
    number = 0
    while True:
        for name in fields:
            for _ in _elements(stream, are_wanted=name in TRACES):
                number += 1
                for field in stream.fields():
                    if field == "resource":
                        yield {"resource": stream.value(), "of": number}
                    else:
                        for _ in _elements(stream, are_wanted=field in SCOPES):
                            for event in _of_scope(stream):
                                yield event | {"of": number}
        if not stream.peek():
            return
        fields = stream.fields()


def _of_scope(stream: JsonStream) -> Iterator[dict[str, Any]]:
    for name in stream.fields():
        if name in ("scope", "instrumentationLibrary"):
            yield {"scope": stream.value()}
        elif name == "spans":
            for span in stream.array():
                yield {"span": span}
        else:
            stream.skip()


def _elements(stream: JsonStream, *, are_wanted: bool) -> Iterator[None]:
    if are_wanted:
        yield from stream.elements()
    else:
        stream.skip()


# -- values ------------------------------------------------------------------------------------------------------------


@lru_cache(64)
def _in_protocol(name: str) -> str:
    return re.sub("([A-Z])", lambda found: "_" + found[1].lower(), name)


def field_of(message: Mapping[str, Any], name: str) -> Any:
    """Return a field by its name in JSON or that in the protocol, or None."""
    value = message.get(name)
    return message.get(_in_protocol(name)) if value is None else value


def objects_in(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list; nothing of what is none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def id_of(value: object) -> str:
    """Return an id in hexadecimal digits; the empty text for none, which may be written as zeros."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is not an id")  # noqa: TRY004  (of the file, not of ours)
    found = value.lower()
    if not HEX.fullmatch(value):
        try:
            decoded = base64.b64decode(value[:40], validate=True)
        except binascii.Error:
            decoded = b""
        if len(decoded) not in WIDTHS or len(value) > 40:
            raise ValueError(f"{value[:40]!r} is not an id")
        found = decoded.hex()
    return found if found.strip("0") else ""


def time_ns(value: object) -> int:
    """Return a time, written as a number or, as usual, as a text with it [ns]."""
    if isinstance(value, str) and DIGITS.fullmatch(value) and int(value) < LARGEST_NS:
        return int(value)
    return integer_ns(value, 1)


def attributes_in(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a resource, span or event as plain values."""
    return _pairs(message.get("attributes"), 0)


def _pairs(pairs: object, level: int) -> dict[str, Any]:
    named = (each for each in objects_in(pairs) if isinstance(each.get("key"), str))
    return {each["key"]: _plain(each.get("value"), level) for each in named}


def _plain(value: object, level: int) -> Any:
    if not isinstance(value, dict) or level > MAX_LEVELS:
        return None
    inner = field_of(value, "arrayValue")
    if isinstance(inner, dict):
        return [_plain(each, level + 1) for each in objects_in(inner.get("values"))]
    inner = field_of(value, "kvlistValue")
    if isinstance(inner, dict):
        return _pairs(inner.get("values"), level + 1)
    whole = field_of(value, "intValue")
    if isinstance(whole, str) and DIGITS.fullmatch(whole.removeprefix("-")):  # 64 bits do not fit into numbers of JSON
        return int(whole)
    found = (field_of(value, name) for name in SCALARS)
    return next((each for each in found if isinstance(each, (str, int, float))), None)


# -- spans of ours ---------------------------------------------------------------------------------------------------


PREFIX = "kaygraph_viz."
SECOND_NS = 1_000_000_000
NOT_RECORDED = ("thread.name", "error.type")  # attributes that the export has added


def as_recorded(row: Row, noted: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Row:
    """Return the row of a span with what our export has noted about it."""
    kind, status = noted[PREFIX + "kind"], noted.get(PREFIX + "status", "ok")
    if kind not in KINDS or status not in STATUSES:
        raise ValueError(f"kind {str(kind)[:40]!r} or status {str(status)[:40]!r} is not known")
    own = {name: value for name, value in noted.items() if not name.startswith(PREFIX) and name not in NOT_RECORDED}
    lasted_ns = row.ended_ns - row.started_ns
    cpu_ns = _seconds(noted, "cpu_s")
    return row._replace(
        kind=kind,
        status=status,
        lane=str(noted.get("thread.name"))[:200],
        index=_whole(noted, "index", -1),
        attempt=max(1, _whole(noted, "attempt", 1)),
        submitted_ns=row.started_ns - (_seconds(noted, "queue_wait_s") or 0),
        cpu_ns=-1 if cpu_ns is None else min(cpu_ns, lasted_ns),
        blocked_ns=min(_seconds(noted, "blocked_s") or 0, lasted_ns),
        attributes=safe_attributes(own) or None,
        parts=_parts(row, events),
    )


def origin_in(noted: Mapping[str, Any]) -> str:
    """Return what the attributes of a span say that it was predicted from; empty for nothing."""
    return str(noted.get(PREFIX + "predicted_from", ""))[:200]


def _seconds(noted: Mapping[str, Any], name: str) -> int | None:
    value = noted.get(PREFIX + name)
    return None if value is None else max(0, integer_ns(value, SECOND_NS))


def _whole(noted: Mapping[str, Any], name: str, usual: int) -> int:
    value = noted.get(PREFIX + name)
    return value if type(value) is int and 0 <= value < LARGEST else usual


def _parts(row: Row, events: Sequence[Mapping[str, Any]]) -> RowParts | None:
    """Return the parts of a span, each of which lasts until the next one begins; None if these are no parts of it."""
    found = []
    for event in events:
        noted, code = attributes_in(event), PART_CODE.get(cast("PartKind", str(event.get("name"))))
        if code is not None and PREFIX + "lasted_s" in noted:
            share = noted.get(PREFIX + "cpu_share", NO_SHARE)
            share = share if isinstance(share, (int, float)) and 0 <= share <= 1 else NO_SHARE
            found.append((time_ns(field_of(event, "timeUnixNano")), code, share))
    begins = [each[0] for each in found]
    untils = [*begins[1:], row.ended_ns]
    tiles = begins[:1] == [row.started_ns] and all(begin < until for begin, until in zip(begins, untils, strict=True))
    return tuple((code, until, share) for (_, code, share), until in zip(found, untils, strict=True)) if tiles else None


# -- spans that followed each other ----------------------------------------------------------------------------------


def links_to_earlier(columns: SpanColumns) -> dict[int, int]:
    """Return for spans that began when all earlier ones of the same parent had ended the last one of those."""
    rows = columns.rows[(columns.rows["parent_id"] > 0) & ~columns.is_kind("attempt")]
    order = np.lexsort((rows["span_id"], rows["ended_ns"], rows["started_ns"], rows["parent_id"]))
    fields = (rows[name][order].tolist() for name in ("parent_id", "span_id", "started_ns", "ended_ns"))
    found: dict[int, int] = {}
    around = before = latest = latest_ns = 0
    for parent, number, started_ns, ended_ns in zip(*fields, strict=True):
        if parent != around:
            around, before, latest, latest_ns = parent, 0, 0, started_ns
        elif started_ns >= latest_ns:
            before = latest
        if before:
            found[number] = before
        if not latest or ended_ns >= latest_ns:
            latest, latest_ns = number, ended_ns
    return found


# -- rows for spans that have no lane: those that overlap get different ones -----------------------------------------


class Packed(NamedTuple):
    """A span to put into a row: its group, its begin and end [ns], and the position of the span around it, or -1."""

    group: int
    started_ns: int
    ended_ns: int
    parent: int


class _Group:
    """The rows of one group: which are free, and until when the others are taken."""

    def __init__(self) -> None:
        self._taken: list[tuple[int, int]] = []  # (end, row)
        self._free: list[int] = []
        self._count = 0
        self.open: dict[int, list[tuple[int, int]]] = {}  # by row: end and position of the spans within each other

    def take(self, started_ns: int, ended_ns: int) -> int:
        """Return the lowest row in which nothing runs any more, and take it."""
        while self._taken and self._taken[0][0] <= started_ns:
            heappush(self._free, heappop(self._taken)[1])
        if not self._free:
            heappush(self._free, self._count)
            self._count += 1
        row = heappop(self._free)
        heappush(self._taken, (ended_ns, row))
        self.open[row] = []
        return row

    def is_innermost(self, row: int, position: int, now_ns: int) -> bool:
        """Return whether a span runs in a row, and none within it."""
        spans = self.open[row]
        while spans and spans[-1][0] <= now_ns:
            spans.pop()
        return bool(spans) and spans[-1][1] == position


def pack_rows(spans: Sequence[Packed]) -> list[int]:
    """Return the row of each span in its group, from 0, such that spans of one row lie within or beside each other."""
    groups: dict[int, _Group] = {}
    rows: list[int] = []
    for position, (number, started_ns, ended_ns, parent) in enumerate(spans):
        group = groups.setdefault(number, _Group())
        is_with_parent = (
            0 <= parent < position
            and spans[parent].group == number
            and group.is_innermost(rows[parent], parent, started_ns)
        )
        row = rows[parent] if is_with_parent else group.take(started_ns, ended_ns)
        group.open[row].append((ended_ns, position))
        rows.append(row)
    return rows
