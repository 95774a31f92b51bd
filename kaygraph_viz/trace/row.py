"""A row: a span as a tuple, from the moment it ends until somebody looks at it.

Belongs here: its fields, in which order they stand, what is made of them and who keeps them for a while; a row as JSON
fields, and values of the user's code made safe to keep in one. Who stamps a row is ``recorder``, ``execute`` and
``capture``; very many rows are kept in ``columns``. Worker processes load this module: it does without NumPy.
"""

from __future__ import annotations

import math
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple, NoReturn, Protocol

from kaygraph_viz.base.errors import short
from kaygraph_viz.base.parts import NO_SHARE, PART_CODE, PART_KINDS, RowParts, derived_parts
from kaygraph_viz.base.texts import MASK, NAME_LIMIT, cut, is_secret, visible, without_secrets
from kaygraph_viz.base.threads import RLock
from kaygraph_viz.trace.span import KINDS, STATUSES, Kind, Span, Status

# A span as the hot path writes it and as it travels between processes: making a plain tuple takes a sixth of the time
# of a `Row`, and pickling it fewer bytes.
RowTuple = tuple[
    int, int, int, str, Kind, str, int, int, int, int, int, Status, int, str | None, Mapping[str, Any] | None,
    tuple[int, ...] | None, RowParts | None,
]  # fmt: skip


class Row(NamedTuple):
    """A span as it is stored; `Row._make` names the fields of a plain tuple."""

    span_id: int
    parent_id: int
    index: int  # type: ignore[assignment]  # takes the place of a method of tuples, which no code of ours needs
    name: str
    kind: Kind
    lane: str
    submitted_ns: int
    started_ns: int
    ended_ns: int
    cpu_ns: int = -1
    blocked_ns: int = 0
    status: Status = "ok"
    attempt: int = 1
    error: str | None = None
    attributes: Mapping[str, Any] | None = None
    links: tuple[int, ...] | None = None
    parts: RowParts | None = None

    def blocked_until(self, ended_ns: int, blocked_ns: int) -> Row:
        """Return the row of a span that went on until `ended_ns`, and was blocked for `blocked_ns` at its end [ns]."""
        blocked = self._replace(blocked_ns=self.blocked_ns + blocked_ns)
        if ended_ns <= self.ended_ns:
            return blocked
        parts = self.parts
        if parts is None:
            parts = derived_parts(self.started_ns, self.ended_ns, self.cpu_ns, self.blocked_ns)
        return blocked._replace(ended_ns=ended_ns, parts=(*parts, (PART_CODE["blocked"], ended_ns, NO_SHARE)))


# One field of a plain tuple: to name all of them first would take long where there are very many.
span_id_of: Callable[[RowTuple], int] = itemgetter(Row._fields.index("span_id"))
parent_id_of: Callable[[RowTuple], int] = itemgetter(Row._fields.index("parent_id"))
kind_of: Callable[[RowTuple], Kind] = itemgetter(Row._fields.index("kind"))
lane_name_of: Callable[[RowTuple], str] = itemgetter(Row._fields.index("lane"))


def row_of(span: Span) -> Row:
    """Return the row of a span."""
    missing = {"parent_id": 0, "index": -1, "cpu_ns": -1}
    values = {name: getattr(span, name) for name in Row._fields if name != "parts"}
    given: dict[str, Any] = {name: missing.get(name) if value is None else value for name, value in values.items()}
    return Row(**given, parts=span.noted_parts)


class OpenSpan(Protocol):
    """A span that has begun, with its row for the case that the recording ends before it does."""

    @property
    def span_id(self) -> int:
        """The number of the span."""

    def abandoned_row(self, now_ns: int) -> RowTuple:
        """Return the row of this span if it is cut off at `now_ns`."""


# -- kept for a while -------------------------------------------------------------------------------------------------


class RowList:
    """The storage of a recorder in a process that keeps no trace of its own: rows that are fetched after each item."""

    def __init__(self, max_spans: int) -> None:
        self.buffer: list[RowTuple] = []
        self.dropped = 0
        self._max_spans = max_spans
        self._rows: list[RowTuple] = []

    def append(self, row: RowTuple) -> None:
        """Keep a row."""
        self.buffer.append(row)

    def compact(self) -> None:
        """Move the buffer, which the recorder keeps short, to the rows that are kept."""
        count = len(self.buffer)
        room = max(0, self._max_spans - len(self._rows))
        rows = self.buffer[: min(count, room)] + [row for row in self.buffer[room:count] if not parent_id_of(row)]
        self._rows += rows
        self.dropped += count - len(rows)
        del self.buffer[:count]

    def fetch(self) -> list[Row]:
        """Return the rows since the last time."""
        return [Row._make(row) for row in self.take()]

    def take(self) -> list[RowTuple]:
        """Return the rows since the last time as they were given: most are plain tuples."""
        count = len(self.buffer)
        rows, self._rows = self._rows + self.buffer[:count], []
        del self.buffer[:count]
        return rows

    def columns(self) -> NoReturn:
        """Raise `NotImplementedError`: a worker process keeps no trace."""
        raise NotImplementedError("a worker process keeps no trace")

    def sealed(self, last: Mapping[int, RowTuple]) -> NoReturn:
        """Raise `NotImplementedError`: a worker process keeps no trace."""
        raise NotImplementedError("a worker process keeps no trace")


MOST_LATE = 8_192  # some 8 MB: beyond it, each span that ends has the row of the oldest one made


class LateRows:
    """The facts of spans that have ended, in order: tuples, whose first item is a function that makes a row of them."""

    def __init__(self, add: Callable[[RowTuple], None], give_up: Callable[[BaseException], None]) -> None:
        self._add, self._give_up = add, give_up
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._lock = RLock()  # who reads all rows waits for one that another thread is making

    def put(self, facts: tuple[Any, ...]) -> None:
        """Keep the facts of a span that has ended."""
        waiting = self._waiting
        waiting.append(facts)
        if len(waiting) > MOST_LATE:
            self.make_all(MOST_LATE)

    def make_all(self, but: int = 0) -> None:
        """Make the rows of all spans so far, or of all but the last ones; never raises."""
        with self._lock:
            while len(self._waiting) > but:
                facts = self._waiting.popleft()
                try:
                    self._add(facts[0](facts))
                except Exception as error:
                    self._give_up(error)


# -- as JSON fields: what every file format that can carry all of a span has in common --------------------------------

LARGEST = 1 << 62  # of any number in a file, so that sums of two stay within 64 bits
LONGEST_NAME = 4 * NAME_LIMIT  # characters, of which fewer are shown
MAX_LEVELS = 64  # of attributes within each other; recorded ones have 3
_INTEGERS = ("span_id", "submitted_ns", "started_ns", "ended_ns")
_OPTIONAL_INTEGERS = ("parent_id", "index", "cpu_ns", "blocked_ns", "attempt")
_USUAL: dict[str, Any] = {
    "parent_id": None,
    "index": None,
    "cpu_ns": None,
    "blocked_ns": 0,
    "status": "ok",
    "attempt": 1,
    "error": None,
}


def as_fields(span: Span) -> dict[str, Any]:
    """Return a span as plain JSON data; fields with their usual value are left out."""
    fields: dict[str, Any] = {name: getattr(span, name) for name in (*_INTEGERS, "name", "kind", "lane")}
    fields |= {name: value for name, usual in _USUAL.items() if (value := getattr(span, name)) != usual}
    if span.attributes:
        fields["attributes"] = _finite(dict(span.attributes))
    if span.links:
        fields["links"] = span.links
    if span.noted_parts is not None:
        fields["parts"] = [  # kind and end, and the share of CPU in thousandths where there is one
            [PART_KINDS[code], until_ns, *([round(share * 1000)] if share >= 0 else [])]
            for code, until_ns, share in span.noted_parts
        ]
    return fields


def _finite(value: Any) -> Any:
    """Return the value with NaN and infinities as text, which JSON has no number for."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def problem_with(fields: Mapping[str, Any]) -> str | None:
    """Return why fields from a file are not a span, in words, or None if they are one."""
    for name in (*_INTEGERS, *(name for name in _OPTIONAL_INTEGERS if name in fields)):
        if type(fields.get(name)) is not int or abs(fields[name]) >= LARGEST:
            return f"{name} is {str(fields.get(name))[:40]!r}, expected a whole number"
    if any(fields.get(name, 1) < 1 for name in ("attempt", "parent_id", "span_id")):
        return "attempt, parent_id and span_id count from 1"
    for name in ("name", "lane"):
        if not isinstance(fields.get(name), str):
            return f"{name} is missing or not a text"
    if not isinstance(fields.get("error", ""), str) or not isinstance(fields.get("attributes", {}), dict):
        return "error is not a text or attributes is not an object"
    if _is_deeper(fields.get("attributes", {}), MAX_LEVELS):
        return f"attributes are nested in more than {MAX_LEVELS} levels"
    if fields.get("kind") not in KINDS or fields.get("status", "ok") not in STATUSES:
        return f"kind {short(fields.get('kind'))} or status {short(fields.get('status'))} is not known in this format"
    links = fields.get("links", [])
    if not isinstance(links, list) or not all(type(link) is int and 0 < link < LARGEST for link in links):
        return "links is not a list of span numbers"
    return _problem_with_parts(fields)


def _problem_with_parts(fields: Mapping[str, Any]) -> str | None:
    """Return why the parts of a span are not those of one, in words, or None."""
    parts, until = fields.get("parts"), fields["started_ns"]
    if parts is None:
        return None
    if not isinstance(parts, list) or not all(map(_is_part, parts)):
        return "parts is not a list of kind, end and share of CPU in thousandths"
    for _, ended, *_ in parts:
        if ended <= until:
            return "parts are not in the order of time"
        until = ended
    return None if until == fields["ended_ns"] else "parts do not end when their span does"


def _is_part(part: Any) -> bool:
    if not isinstance(part, list) or len(part) not in (2, 3) or part[0] not in PART_KINDS:
        return False
    return all(type(number) is int for number in part[1:]) and 0 <= (part[2] if len(part) == 3 else 0) <= 1000


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner if isinstance(item, (dict, list)))


def as_row(fields: Mapping[str, Any]) -> Row:
    """Return the row of a span from fields that `problem_with` has accepted."""
    value = {**_USUAL, "attributes": None, "links": None, "parts": None, **fields}
    parts: RowParts | None = None
    if (noted := value["parts"]) is not None:
        parts = tuple((PART_CODE[kind], end, share[0] / 1000 if share else -1.0) for kind, end, *share in noted)
    return Row(
        value["span_id"], value["parent_id"] or 0, -1 if value["index"] is None else value["index"],
        value["name"][:LONGEST_NAME], value["kind"], value["lane"][:LONGEST_NAME], value["submitted_ns"],
        value["started_ns"], value["ended_ns"], -1 if value["cpu_ns"] is None else value["cpu_ns"], value["blocked_ns"],
        value["status"], value["attempt"], value["error"], value["attributes"],
        tuple(value["links"] or ()), parts,
    )  # fmt: skip


# -- values of the user's code: short, plain, without secrets, and never called back, since a ``__repr__`` may do all --

TEXT_LIMIT = 200
ERROR_LIMIT = 500
ITEM_LIMIT = 8
DEPTH_LIMIT = 3
ATTRIBUTE_LIMIT = 100  # attributes of a span
SEEN = 4  # times the limit of a text: so far a credential is looked for, since one that is cut is still one


def safe_attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` as short plain data, with the values of secret-looking names masked."""
    few = islice(values.items(), ATTRIBUTE_LIMIT)
    return {_key(key): MASK if _is_secret(key) else safe_value(value) for key, value in few}


def safe_value(value: Any, depth: int = 0) -> Any:
    """Return one value as short plain data; only exact builtin types are looked into."""
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return value if value.bit_length() <= 63 else f"<int of {value.bit_length()} bits>"
    if kind is str:
        return cut(without_secrets(value[: SEEN * TEXT_LIMIT]), TEXT_LIMIT)
    if depth < DEPTH_LIMIT and kind in (list, tuple):
        if len(value) == 2 and _is_secret(value[0]):  # of a pair such as a header, the second may be a secret
            return [safe_value(value[0], depth + 1), MASK]
        return [safe_value(item, depth + 1) for item in value[:ITEM_LIMIT]] + ["..."] * (len(value) > ITEM_LIMIT)
    if depth < DEPTH_LIMIT and kind is dict:
        few = list(islice(value.items(), ITEM_LIMIT))  # at once: another thread may be writing to it
        return {_key(key): MASK if _is_secret(key) else safe_value(item, depth + 1) for key, item in few}
    return f"<{kind.__name__}>"


def _key(key: Any) -> str:
    return key[:TEXT_LIMIT] if type(key) is str else f"<{type(key).__name__}>"


def _is_secret(key: Any) -> bool:
    """Return whether a key names a secret; headers are often bytes."""
    return is_secret(key if type(key) is str else key.decode("latin-1")) if type(key) in (str, bytes) else False


def describe_error(error: BaseException) -> str:
    """Return type and message of an error in at most 500 characters, all of them `visible`."""
    try:
        message = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a broken __str__ must not become the error
        message = "<message could not be read>"
    return safe_error(f"{type(error).__name__}: {message}" if message else type(error).__name__)


def traceback_text(error: BaseException) -> str:
    """Return an error with its traceback and its causes as text, as far as its own methods let that be told."""
    try:
        return "".join(traceback.format_exception(error))
    except KeyboardInterrupt:
        raise
    except BaseException:  # such as a truth of the error that raises
        lines = vars(BaseException)["__traceback__"].__get__(error)  # its own attribute may raise, too
        return "".join([*traceback.format_tb(lines), describe_error(error), "\n"])


def safe_error(text: str) -> str:
    """Return the text of an error as it is kept: cut, visible, without credentials."""
    return cut(visible(without_secrets(text[: SEEN * ERROR_LIMIT])[: ERROR_LIMIT + 1]), ERROR_LIMIT)
