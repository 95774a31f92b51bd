"""A run as bytes for the browser: what each bar is, in columns, and the few texts beside them.

Belongs here: which numbers and texts leave Python, and how they are laid out. Does not belong here: what a front end
does with them (``data.js`` reads them), and sending (``timeline``).

A *piece* is what is drawn as one rectangle and its parts: a unit of work, one attempt of it, or the pause between two
attempts. Pieces are sorted by row and start, so that those in view are found by halving. What went on in most of them
follows from sums of their time, as for a span that has noted nothing; the parts of the others are columns of their own,
6 bytes a part and 8 a piece.

A time is a 32-bit number of ticks of the run's length / 2**32: twice as fine as a nanosecond in a run of a second, and
0.2 us in one of a quarter of an hour, everywhere alike, where a float would be coarse at the end. A column that has the
same value everywhere is sent as that one value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.own_time import recorded_owner
from kaygraph_viz.plot.gantt.description import gantt_description, gantt_title
from kaygraph_viz.plot.gantt.layout import label_at
from kaygraph_viz.plot.gantt.loops import RowStretches, awaiting, held_up, turns_of
from kaygraph_viz.plot.gantt.scene import Chart, Run, folded
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.trace.columns import tally
from kaygraph_viz.trace.nesting import is_own_time
from kaygraph_viz.trace.span import STATUSES
from kaygraph_viz.trace.trace import Trace, so_far
from kaygraph_viz.widgets.timeline.pieces import PieceParts, Pieces, pieces_of, with_parts

MAX_LABELS = 5_000  # of calls
MAX_ERRORS = 2_000  # whose texts are sent along; those of others are shown when their bar is selected
ERROR_LIMIT = 300
NOT_MEASURED = 0xFFFF  # the share of CPU time of a piece whose CPU time is not known
MAX_SHARE = 0xFFFE  # the share of all of its time
PART_NOT_MEASURED, MAX_PART_SHARE = 0xFF, 0xFE  # the same of a part
SLIM, PAUSE, RUNNING, OWN = 8, 16, 32, 64  # flags beside the three bits of the status
EXACT = 1 << 32  # numbers of spans from here on are sent as floats


@dataclass(frozen=True)
class Packed:
    """The state of a run, packed for the browser."""

    head: dict[str, Any]
    data: bytes
    ids: npt.NDArray[np.int64]


def pack(trace: Trace) -> Packed:
    """Return the state of a run for the browser."""
    is_live = trace.is_live  # before the spans are read: none may be missing in what calls itself complete
    trace, still_open = so_far(trace)
    chart = Chart.of(trace, has_own_time=True)
    (run,) = chart.runs
    pieces, parts = with_parts(run.nesting.columns, pieces_of(run))
    tick_s = max(run.extent_s, 1e-9) / (1 << 32)
    labels = _Labels(run)
    numbers = _numbers(run, pieces, labels, tick_s, still_open) | _part_numbers(run, parts, tick_s)
    for name, found in (("around", awaiting(run)), ("held", held_up(run))):
        numbers |= _row_numbers(name, found, run, pieces, tick_s)
    columns, data = _columns(numbers)
    bands = folded(chart)
    head = {
        "count": len(pieces.position), "bars": len(run.units), "extent_s": run.extent_s, "tick_s": tick_s,
        "columns": columns, "rows": _rows(chart, pieces), "bands": _bands(bands),
        "labels": labels.table, "nodes": labels.nodes,
        "lines": [[line.row, line.level, line.x0_s, line.x1_s, line.label] for line in run.nodes],
        "errors": _errors(run, pieces), "title": gantt_title(bands),
        "sentence": gantt_description(bands).sentence, "is_live": is_live, "dropped": run.trace.dropped,
        "turn": f"waiting for {turns_of(chart.runs)}",
    }  # fmt: skip
    return Packed(head, data, np.sort(run.ids))


def _rows(chart: Chart, pieces: Pieces) -> list[dict[str, Any]]:
    """Return the rows, each with the position of its first piece; its last is the one before the next row's first."""
    first = np.searchsorted(pieces.row, np.arange(len(chart.rows))).tolist()
    return [
        {"text": row.text, "first": at}
        | ({"heading": True} if row.is_heading else {})
        | ({"height": row.height} if row.height != 1 else {})
        | ({"lane": clean(row.lane)} if row.lane and row.lane != row.text else {})
        for row, at in zip(chart.rows, first, strict=True)
    ]


def _bands(chart: Chart) -> list[tuple[int, int, str]]:
    """Return the bands of a folded chart: each from a row to before another, by their numbers before, and its name."""
    ends = np.cumsum([row.stands_for for row in chart.rows]).tolist()
    rows = zip(chart.rows, ends, strict=True)
    return [(end - row.stands_for, end, row.text) for row, end in rows if row.stands_for > 1]


def _numbers(
    run: Run, pieces: Pieces, labels: _Labels, tick_s: float, still_open: frozenset[int]
) -> dict[str, npt.NDArray[Any]]:
    """Return all columns, in the types in which they are sent."""
    columns = run.nesting.columns
    wait_ns = (columns.rows["started_ns"] - columns.rows["submitted_ns"])[pieces.unit]
    start_ns, length_ns = pieces.start_ns - run.first_ns, pieces.end_ns - pieces.start_ns
    ids, code = recorded_owner(columns)[pieces.unit], labels.code[pieces.unit]
    flags = np.where(pieces.is_pause, PAUSE, columns.rows["status"][pieces.position]) + SLIM * labels.is_slim[code]
    flags += OWN * is_own_time(columns)[pieces.unit]
    if still_open:  # of what a branch around others did by itself, its last piece may go on
        whole = np.where(is_own_time(columns), run.nesting.parent, np.arange(len(columns)))[pieces.position]
        is_open = np.isin(columns.rows["span_id"][whole], list(still_open)) & ~pieces.is_pause
        flags += RUNNING * (is_open & (pieces.end_ns == columns.column("ended_ns")[whole]))
    return {
        "start": _ticks(start_ns, tick_s),
        "length": (length_ns / 1e9).astype("<f4"),
        "queued": (np.where(pieces.is_first, wait_ns, 0) / 1e9).astype("<f4"),
        "cpu": np.where(pieces.cpu_ns < 0, NOT_MEASURED, _share(pieces.cpu_ns, length_ns)).astype("<u2"),
        "blocked": _share(pieces.blocked_ns, length_ns).astype("<u2"),
        "label": code.astype("<u4"),
        "item": columns.rows["index"][pieces.unit].clip(-1, 2**31 - 1).astype("<i4"),
        "id": ids.astype("<u4" if not len(ids) or ids.max() < EXACT else "<f8"),
        "attempt": pieces.attempt.clip(max=255).astype("u1"),
        "tries": pieces.tries.clip(max=255).astype("u1"),
        "flags": flags.astype("u1"),
    }


def _row_numbers(
    name: str, found: RowStretches, run: Run, pieces: Pieces, tick_s: float
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of stretches of rows, each with the first piece of a bar in the same row."""
    first_piece = np.zeros(len(run.nesting.columns), np.int64)
    first = np.flatnonzero(pieces.is_first)
    first_piece[pieces.unit[first]] = first
    return {
        f"{name}_piece": first_piece[run.units[found.place]].astype("<u4"),
        f"{name}_start": _ticks(found.started_ns - run.first_ns, tick_s),
        f"{name}_end": _ticks(found.ended_ns - run.first_ns, tick_s),
    }


def _part_numbers(run: Run, parts: PieceParts, tick_s: float) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of the parts, the pieces that have any, and the first part of each of these."""
    first = np.flatnonzero(parts.owner != np.append(-1, parts.owner[:-1]))
    share = np.where(np.isnan(parts.share), PART_NOT_MEASURED, (parts.share * MAX_PART_SHARE).round())
    return {
        "noted": parts.owner[first].astype("<u4"),
        "noted_first": first.astype("<u4"),
        "part_kind": parts.kind.astype("u1"),
        "part_end": _ticks(parts.end_ns - run.first_ns, tick_s),
        "part_share": share.astype("u1"),
    }


def _ticks(time_ns: npt.NDArray[np.int64], tick_s: float) -> npt.NDArray[np.uint32]:
    ticks: npt.NDArray[np.uint32] = (time_ns / (tick_s * 1e9)).round().clip(max=EXACT - 1).astype("<u4")
    return ticks


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = (part / np.maximum(whole, 1) * MAX_SHARE).clip(0, MAX_SHARE).round()
    return shares


def _columns(numbers: dict[str, npt.NDArray[Any]]) -> tuple[dict[str, Any], bytes]:
    """Return the offset, type and length of each column, and all columns as bytes."""
    places: dict[str, Any] = {}
    chunks: list[bytes] = []
    offset = 0
    for name, values in numbers.items():
        if len(values) and (values == values[0]).all():
            places[name] = {"value": values[0].item(), "count": len(values)}
            continue
        places[name] = {"type": values.dtype.str.lstrip("<|"), "offset": offset, "count": len(values)}
        chunks.append(values.tobytes() + bytes(-values.nbytes % 8))
        offset += len(chunks[-1])
    return places, b"".join(chunks)


def _errors(run: Run, pieces: Pieces) -> dict[str, str]:
    """Return the texts of the first errors, by the positions of their pieces."""
    columns, number = run.nesting.columns, recorded_owner(run.nesting.columns)
    found: dict[str, str] = {}
    bad = np.flatnonzero((columns.rows["status"][pieces.position] != STATUSES.index("ok")) & ~pieces.is_pause)
    for place in bad[:MAX_ERRORS].tolist():
        ids = (int(number[at]) for at in (pieces.position[place], pieces.unit[place]))
        text = next((columns.errors[number] for number in ids if number in columns.errors), None)
        if text:
            found[str(place)] = clean(text, ERROR_LIMIT)
    return found


class _Labels:
    """The distinct labels of bars: name and node, and whether the bar is the phase around the work."""

    def __init__(self, run: Run) -> None:
        columns, nesting = run.nesting.columns, run.nesting
        node = nesting.nearest(columns.is_kind("node", "graph"))
        name, is_phase = columns.column("name"), (columns.is_kind("phase") & ~is_own_time(columns)).astype(np.int64)
        node_name = np.where(node >= 0, name[node], -1) if len(node) else name
        many = len(columns.names) + 1
        keys = (name * many + node_name + 1) * 2 + is_phase
        known, self.code = np.unique(keys, return_inverse=True)
        uses = tally(name[run.units], len(columns.names))
        node_codes = np.unique(node_name[node_name >= 0]).tolist()
        self.nodes = [columns.names[code] for code in node_codes]
        place = {code: at for at, code in enumerate(node_codes)}
        self.table: list[list[Any]] = []
        for key in known.tolist():
            (own, inside), is_inner = divmod(key // 2, many), key % 2
            text, inside = clean(columns.names[own]), inside - 1
            phase = text if is_inner and text in ("prep", "post") else ""
            shown = clean(columns.names[inside]) if is_inner and inside >= 0 else text
            self.table.append([shown, place.get(inside, -1), phase, int(uses[own] > 1)])
        self._add_labelled(run)
        self.is_slim = np.array([bool(entry[2]) for entry in self.table], np.int64)

    def _add_labelled(self, run: Run) -> None:
        """Add an entry for each call that has a label; beyond very many, calls have only their names."""
        columns, known = run.nesting.columns, dict[tuple[int, str], int]()
        labelled = [number for number, facts in columns.attributes.items() if isinstance(facts.get("label"), str)]
        for position in run.units[np.isin(columns.column("span_id")[run.units], labelled)].tolist():
            key = int(self.code[position]), label_at(columns, position)
            if key not in known and len(known) < MAX_LABELS:
                known[key] = len(self.table)
                self.table.append([*self.table[key[0]], key[1]])
            self.code[position] = known.get(key, key[0])
