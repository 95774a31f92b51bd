"""Readers of Chrome trace events: those that `to_perfetto` wrote, without loss, and those of other tools.

Belongs here: the spans in the arguments of our events, the meaning of events of each phase of others, and nesting those
by their times. Does not belong here: writing them (``perfetto``).
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from sys import intern
from typing import Any, NamedTuple

import numpy as np

from kaygraph_viz.base.errors import short
from kaygraph_viz.export.perfetto import PART_OF, enclosing
from kaygraph_viz.export.reader import Reader, integer_ns
from kaygraph_viz.trace.columns import TEXT_LIMIT, SpanColumns
from kaygraph_viz.trace.files import READABLE, Allowance, checked_origin
from kaygraph_viz.trace.row import LONGEST_NAME, as_row, problem_with
from kaygraph_viz.trace.span import Status

PHASES = ("X", "b")  # of begin and end only the begin has the arguments


class PerfettoReader(Reader):
    """A reader that makes spans of the arguments of events."""

    def __init__(self, allowance: Allowance, head: Mapping[str, Any]) -> None:
        super().__init__(allowance)
        if head.get("version") not in READABLE:
            raise ValueError(
                f"it has version {short(head.get('version'))} of the format, this package reads {READABLE}"
            )
        self._head = head
        self.predicted_from = checked_origin(head)
        self._count = 0

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in one event."""
        if event.get("ph") not in PHASES:
            return
        fields = event.get("args")
        if isinstance(fields, dict) and PART_OF in fields:
            return  # its span has the part in its own arguments
        problem = problem_with(fields) if isinstance(fields, dict) else "it has no arguments"
        if problem:
            raise ValueError(problem)
        self._keep(as_row(fields or {}))
        self._count += 1

    def finish(self, *, is_complete: bool) -> tuple[SpanColumns, int]:
        """Return the spans, and how many spans were not kept when they were recorded."""
        dropped = self._head.get("dropped", 0)
        if not is_complete:
            return self._spans.columns(), 0
        if self._head.get("spans") != self._count:
            raise ValueError(f"its head counts {short(self._head.get('spans'))} spans, but has {self._count}")
        if type(dropped) is not int or dropped < 0:
            raise ValueError(f"dropped is {str(dropped)[:40]!r}, expected a whole number, 0 or more")
        return self._spans.columns(), dropped


MICROSECOND_NS = 1000
LANE_LIMIT = TEXT_LIMIT - 20  # characters; a number may follow
THREAD, PROCESS, ASYNC = "thread", "process", "async"
Key = tuple[str, str, str | None]  # thread, process or async; its process; its number there


class _Begun(NamedTuple):
    """An event that has begun and not ended."""

    name: str
    started_ns: int
    noted: dict[str, Any] | None


class ChromeReader(Reader):
    """A reader that makes branches of complete (``X``, ``B`` with ``E``) and asynchronous (``b`` with ``e``) events."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__(allowance)
        self._lanes: dict[Key, str] = {}  # lanes get numbers first: their names may come at the end of the file
        self._names: dict[Key, str] = {}
        self._open: dict[Key, list[_Begun]] = {}
        self._count = self._last_ns = 0

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in one event."""
        phase = event.get("ph")
        if not isinstance(phase, str):
            raise ValueError("it has no phase 'ph', so it is no trace event")  # noqa: TRY004  (it is the file's fault)
        if phase == "X":
            begun, duration = self._begun(event), event.get("dur", 0)
            duration_ns = integer_ns(duration, MICROSECOND_NS)
            # Rounded once: inner events stay within outer ones.
            ended_ns = integer_ns(event["ts"] + duration, MICROSECOND_NS)
            cpu_ns = min(integer_ns(event["tdur"], MICROSECOND_NS), duration_ns) if "tdur" in event else -1
            self._add(_thread(event), begun, ended_ns, "ok", cpu_ns)
        elif phase in ("B", "b"):
            key = _thread(event) if phase == "B" else _identity(event)
            self._open.setdefault(key, []).append(self._begun(event))
        elif phase in ("E", "e"):
            key = _thread(event) if phase == "E" else _identity(event)
            if self._open.get(key):  # no begin: it lay before the recording
                self._add(key, self._open[key].pop(), integer_ns(event.get("ts"), MICROSECOND_NS), "ok")
        elif phase == "M":
            self._name(event)

    def _begun(self, event: Mapping[str, Any]) -> _Begun:
        name, noted, category = event.get("name"), event.get("args"), event.get("cat")
        kept = dict(noted) if isinstance(noted, dict) else {}
        if isinstance(category, str) and category:
            kept.setdefault("category", intern(category))
        started_ns = integer_ns(event.get("ts"), MICROSECOND_NS)
        return _Begun(name[:LONGEST_NAME] if isinstance(name, str) else "", started_ns, self._noted(kept))

    def _name(self, event: Mapping[str, Any]) -> None:
        noted = event.get("args")
        name = noted.get("name") if isinstance(noted, dict) else None
        if not isinstance(name, str):
            return
        if event.get("name") == "thread_name":
            self._names[_thread(event)] = name[:LONGEST_NAME]
        elif event.get("name") == "process_name":
            self._names[PROCESS, _text(event.get("pid")), None] = name[:LONGEST_NAME]

    def _add(self, key: Key, begun: _Begun, ended_ns: int, status: Status, cpu_ns: int = -1) -> None:
        self._count += 1
        self._last_ns = max(self._last_ns, ended_ns)
        lane = self._lanes.setdefault(key, str(len(self._lanes)))
        name, started_ns, noted = begun
        self._keep((
            self._count, 0, -1, name, "branch", lane, started_ns, started_ns, ended_ns, cpu_ns, 0, status, 1, None,
            noted, None, None,
        ))  # fmt: skip

    # -- the end -----------------------------------------------------------------------------------------------------

    def finish(self, *, is_complete: bool) -> tuple[SpanColumns, int]:
        """Return the spans, nested as their times are."""
        for key, begun in self._open.items():
            for each in begun:
                self._add(key, each, max(self._last_ns, each.started_ns), "abandoned")
        self._open = {}
        columns, dropped = super().finish(is_complete=is_complete)
        key_of = {number: key for key, number in self._lanes.items()}
        keys = [key_of[number] for number in columns.lanes]
        names = self._thread_names(keys) | _slots(columns, [key[0] == ASYNC for key in keys])
        lanes = list(dict.fromkeys(names.values()))
        code_of = {lane: code for code, lane in enumerate(lanes)}
        columns.rows["lane"] = np.array([code_of[names[code]] for code in range(len(keys))], "u4")[columns.rows["lane"]]
        columns.lanes = lanes
        columns.rows["parent_id"] = enclosing(columns)
        return columns, dropped

    def _thread_names(self, keys: Sequence[Key]) -> dict[int, str]:
        """Return a name for each thread by code, all different; with its process where there are several."""
        has_several = len({key[1] for key in keys}) > 1
        found: dict[int, str] = {}
        taken: Counter[str] = Counter()
        for code, (kind, pid, tid) in enumerate(keys):
            if kind == THREAD:
                thread = self._names.get((THREAD, pid, tid)) or f"thread {tid}"
                name = f"{self._names.get((PROCESS, pid, None)) or 'process'} {pid}/{thread}" if has_several else thread
                name = name[:LANE_LIMIT]
                taken[name] += 1
                found[code] = name if taken[name] == 1 else f"{name} #{taken[name]}"
        return found


def _thread(event: Mapping[str, Any]) -> Key:
    return THREAD, _text(event.get("pid")), _text(event.get("tid"))


def _identity(event: Mapping[str, Any]) -> Key:
    return ASYNC, _text(event.get("pid")), " ".join(_text(event.get(name)) for name in ("cat", "id", "id2"))


def _text(number: object) -> str:
    return str(number)[:200]


def _slots(columns: SpanColumns, is_async: Sequence[bool]) -> dict[int, str]:
    """Return the lane of each asynchronous identity by code: the lowest slot that is free while it lasts."""
    lane, count = columns.rows["lane"], len(is_async)
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(first, lane, columns.rows["started_ns"])
    np.maximum.at(last, lane, columns.rows["ended_ns"])
    found: dict[int, str] = {}
    busy: list[tuple[int, int]] = []  # (end, slot)
    free: list[int] = []
    for code in np.argsort(first, kind="stable").tolist():
        if is_async[code]:
            while busy and busy[0][0] <= first[code]:
                heapq.heappush(free, heapq.heappop(busy)[1])
            slot = heapq.heappop(free) if free else len(busy) + 1
            heapq.heappush(busy, (int(last[code]), slot))
            found[code] = f"async-{slot}"
    return found
