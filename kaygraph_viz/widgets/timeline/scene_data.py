"""What the browser needs beside the bars, as plain data: the diagram, the looks of all parts, the facts of one span.

Belongs here: turning a scene and the constants of ``plot.style`` into what JSON can hold, and the scripts that read it.
Does not belong here: where boxes stand (``plot.diagram``) and what colours are (``plot.style``): the picture in the
browser has those of the static one.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np

from kaygraph_viz.analysis.wording import duration
from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.plot.diagram.description import diagram_description
from kaygraph_viz.plot.diagram.layering import graph_scene
from kaygraph_viz.plot.diagram.scene import LINE_PT, PAD_Y, SMALL_LINE_PT, STACK_PT, Box, Frame
from kaygraph_viz.plot.diagram.stats import graph_stats
from kaygraph_viz.plot.gantt.legend import STACKED_NOTE
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.plot.style import (
    BANDS_NOTE,
    BAR,
    BOX_FILLS,
    CRITICAL,
    FAILED,
    FILLS,
    LOOP_HELD_UP,
    MUTED,
    PAPER,
    STATUS_FILLS,
    STATUS_WORDS,
    TEXT,
    Fill,
    Size,
)
from kaygraph_viz.trace.columns import TEXT_LIMIT as NAME_LIMIT, SpanColumns
from kaygraph_viz.trace.span import STATUSES, Span
from kaygraph_viz.trace.trace import GraphView, Trace

MAX_BRANCHES = 6


def _fill(fill: Fill) -> dict[str, str]:
    return dict(fill._asdict())


STYLES: dict[str, Any] = {
    "parts": {part: _fill(fill) for part, fill in FILLS.items()},
    "statuses": [
        {"key": status, **_fill(STATUS_FILLS.get(status, Fill(PAPER, STATUS_WORDS.get(status, status))))}
        for status in STATUSES
    ],
    "boxes": BOX_FILLS,
    "bar": BAR, "text": TEXT, "muted": MUTED, "paper": PAPER, "failed": FAILED, "critical": CRITICAL.colour,
    "held": {"colour": LOOP_HELD_UP.colour, "label": LOOP_HELD_UP.label},
    "full": Size.full, "slim": Size.slim, "queue": Size.queue,
    "line": LINE_PT, "small_line": SMALL_LINE_PT, "pad": PAD_Y, "stack": STACK_PT,
    "font": Size.font, "small_font": Size.small_font, "stacked": STACKED_NOTE,
    "bands": f"in bands, {BANDS_NOTE}; a click shows its rows",
}  # fmt: skip


def scene_data(view: GraphView, trace: Trace | None) -> dict[str, Any]:
    """Return a diagram for the browser."""
    stats = graph_stats(trace, view)
    scene = graph_scene(view, stats, MAX_BRANCHES)
    return {
        "width": scene.width, "height": scene.height, "sentence": diagram_description(view, stats).sentence,
        "boxes": [_box(box) for box in scene.boxes],
        "frames": [_place(frame) for frame in scene.frames],
        "arrows": [
            {"points": [list(point) for point in arrow.points], "curve": arrow.is_curve, "faint": arrow.is_faint,
             "head": arrow.has_head, "critical": arrow.is_critical}
            for arrow in scene.arrows
        ],
        "labels": [{"x": label.x, "y": label.y, "width": label.width, "text": label.text} for label in scene.labels],
    }  # fmt: skip


def _box(box: Box) -> dict[str, Any]:
    branch, node = clean(box.branch) if box.branch else "", box.node_id
    if len(node) > NAME_LIMIT:  # as names of spans are, so that the two can be compared
        node = node[: NAME_LIMIT - 3] + "..."
    marks = {"stacked": box.is_stacked, "failed": box.is_failed, "critical": box.is_critical}
    return {**_place(box), "style": box.style, "node": node, "branch": branch, **marks}


def _place(part: Box | Frame) -> dict[str, Any]:
    lines = [{"text": line.text, "bold": line.is_bold, "small": line.is_small} for line in part.lines]
    return {"x": part.x, "y": part.y, "width": part.width, "height": part.height, "lines": lines}


# -- scripts ---------------------------------------------------------------------------------------------------------

SCRIPTS = ["data", "beside", "bands", "hatches", "paint", "diagram", "details", "timeline"]


def script() -> str:
    """Return the module that draws the chart."""
    return "\n".join(files(__package__).joinpath(f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)


def stylesheet() -> str:
    """Return the looks of its parts."""
    return files(__package__).joinpath("timeline.css").read_text(encoding="utf-8")


# -- the facts of one span -------------------------------------------------------------------------------------------

TEXT_LIMIT = 500


def span_facts(columns: SpanColumns, span_id: int) -> list[list[str]]:
    """Return the details of a span as pairs of words; an empty list if there is no such span."""
    found = np.flatnonzero(columns.rows["span_id"] == span_id)
    if not len(found):
        return []
    first_ns = int(columns.column("submitted_ns").min())
    pairs = _facts(columns.span(int(found[0])), first_ns)
    return [[clean(name), clean(value, TEXT_LIMIT)] for name, value in pairs if value]


def _facts(span: Span, first_ns: int) -> Iterator[tuple[str, str]]:
    yield "name", span.name
    yield "item", "" if span.index is None else str(span.index)
    yield "worker", span.lane
    yield "from", duration((span.started_ns - first_ns) / 1e9)
    yield "took", duration(span.service_s)
    yield "queued", duration(span.queue_wait_s)
    yield from _part_facts(span)
    yield "ended", STATUS_WORDS.get(span.status, span.status)
    yield "attempts", str(span.attempt) if span.attempt > 1 else ""
    yield "error", span.error or ""
    for key, value in span.attributes.items():
        yield key, value if isinstance(value, str) else repr(value)  # plain data: see trace.attributes


def _part_facts(span: Span) -> Iterator[tuple[str, str]]:
    """Yield the sum of each kind of part: CPU and waiting always, the others where there are any."""
    took_ns: dict[str, int] = dict.fromkeys(PART_KINDS, 0)
    for part in span.parts:
        took_ns[part.kind] += part.lasted_ns
    named = {kind: took_ns[kind] for kind in ("gil", "core", "blocked", "pause") if took_ns[kind]}
    cpu_ns = span.cpu_ns
    waiting_ns = None if cpu_ns is None else max(0, span.ended_ns - span.started_ns - cpu_ns - sum(named.values()))
    for kind, part_ns in {"cpu": cpu_ns, "wait": waiting_ns, **named}.items():
        yield _word(kind), "not measured" if part_ns is None else duration(part_ns / 1e9)
    if took_ns["unknown"]:
        yield _word("unknown"), f"{duration(took_ns['unknown'] / 1e9)} of these times"


def _word(kind: str) -> str:
    """Return the name of a kind of part without the remark that the legend adds."""
    return FILLS[kind].label.partition(" (")[0]
