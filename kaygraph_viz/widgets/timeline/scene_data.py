"""The diagram of a graph and the looks of all parts, as plain data for the browser.

Belongs here: turning a scene and the constants of ``plot.style`` into what JSON can hold. Does not belong here: where
boxes stand (``plot.diagram.placement``) and what colours are (``plot.style``): the picture in the browser has those of
the static one.
"""

from __future__ import annotations

from typing import Any

from kaygraph_viz.plot.diagram.blocks import LINE_PT, PAD_Y, SMALL_LINE_PT
from kaygraph_viz.plot.diagram.description import diagram_description
from kaygraph_viz.plot.diagram.placement import graph_scene
from kaygraph_viz.plot.diagram.scene import STACK_PT, Box, Frame
from kaygraph_viz.plot.diagram.stats import graph_stats
from kaygraph_viz.plot.gantt.worker_rows import STACKED_NOTE
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
from kaygraph_viz.trace.columns import TEXT_LIMIT
from kaygraph_viz.trace.span import STATUSES
from kaygraph_viz.trace.structure import GraphView
from kaygraph_viz.trace.trace import Trace

__all__ = ["STYLES", "scene_data"]

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
    if len(node) > TEXT_LIMIT:  # as names of spans are, so that the two can be compared
        node = node[: TEXT_LIMIT - 3] + "..."
    marks = {"stacked": box.is_stacked, "failed": box.is_failed, "critical": box.is_critical}
    return {**_place(box), "style": box.style, "node": node, "branch": branch, **marks}


def _place(part: Box | Frame) -> dict[str, Any]:
    lines = [{"text": line.text, "bold": line.is_bold, "small": line.is_small} for line in part.lines]
    return {"x": part.x, "y": part.y, "width": part.width, "height": part.height, "lines": lines}
