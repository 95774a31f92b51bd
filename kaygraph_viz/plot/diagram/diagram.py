"""The diagram of a graph: its nodes from left to right, parallel nodes opened into their branches.

Belongs here: putting a scene on a canvas. Does not belong here: the geometry (``scene``, ``layering``).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path

from kaygraph_viz.analysis.wording import duration
from kaygraph_viz.base.checks import checked_whole
from kaygraph_viz.plot.canvas import Canvas, checked_axes, checked_trace
from kaygraph_viz.plot.diagram.description import HasStructure, checked_view, diagram_description
from kaygraph_viz.plot.diagram.layering import graph_scene
from kaygraph_viz.plot.diagram.scene import LINE_PT, PAD_Y, SMALL_LINE_PT, STACK_PT, Arrow, Box, Line, Point, Scene
from kaygraph_viz.plot.diagram.stats import graph_stats
from kaygraph_viz.plot.labels import clean, heading
from kaygraph_viz.plot.legend import LEGEND_LINE_PT
from kaygraph_viz.plot.style import BAR, BOX_FILLS, CRITICAL, FAILED, MUTED, PAPER, TEXT, Key, Size
from kaygraph_viz.trace.trace import GraphView, Trace

MAX_WIDTH_IN, MAX_HEIGHT_IN, EDGE_PT, MARGIN_PT, TITLE_PT = 16.0, 20.0, 8.0, 4.0, 28.0
CORNER, LEVEL_PT = 6.0, 0.01


def diagram(
    graph: GraphView | HasStructure | object,
    *,
    trace: Trace | None = None,
    ax: Axes | None = None,
    critical_path: bool = True,
    max_branches: int = 6,
    title: str | None = None,
) -> Axes:
    """Draw a graph from left to right, each parallel node opened into the branches that run at once.

    Branches are not edges of a graph: they start and end within one node. The diagram shows them between the node and a
    bar at which they meet again, since the next node starts only when the slowest of them has ended.

    Parameters
    ----------
    graph
        A graph or node, or its `GraphView`; also a flow of PocketFlow, a graph of KayGraph, or a compiled one of
        LangGraph, whose nodes are found in a trace by their names.
    trace
        A run of it: adds times, shares of the makespan, numbers of branches, and how often each edge was taken.
    ax
        Where to draw; the drawing is made smaller as a whole if it does not fit. Default: a new figure of its size.
    critical_path
        Whether to highlight what made the traced run as long as it was: nodes, edges, and of the branches of a node
        those that hold a tenth or more of its time on the critical path.
    max_branches
        The most branches of one node that are drawn one by one [2 or more].
    title
        Default: the name of the graph, and the makespan.

    Returns
    -------
    Axes
        One unit of its axes is one point at full size. Nothing is shown.

    Raises
    ------
    OptionError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    Graphs inside the graph are opened one level deep. Edges that close a loop run below the nodes. Edges that a traced
    run never took are dotted; those taken more than once have the number. Where two nodes worked at the same time, as
    the stages of a pipeline do, that is the number of items that went from one to the other.

    Examples
    --------
    >>> from kaygraph_viz.trace.trace import EdgeView, NodeView
    >>> view = GraphView("checks", (NodeView("in", "Input"), NodeView("all", "Checks", True, ("format", "age"))),
    ...                  (EdgeView("in", "all"),))
    >>> diagram(view).get_title(loc="left")
    'checks'
    """
    view = checked_view(graph)
    run = None if trace is None else checked_trace(trace)
    stats = graph_stats(run, view, critical_path=critical_path)
    checked_whole("max_branches", max_branches, 2, example="max_branches=6")
    checked_axes(ax)
    scene = graph_scene(view, stats, max_branches)
    is_marked = any(arrow.is_critical for arrow in scene.arrows) or any(box.is_critical for box in scene.boxes)
    keys: list[Key] = [CRITICAL] if is_marked else []
    canvas = Canvas(ax) if ax is not None else _new_canvas(scene, len(keys))
    scale = _set_limits(canvas, scene)
    _draw(canvas, scene, scale)
    default = clean(view.name) + (f", {duration(trace.makespan_s, 2)}" if trace is not None else "")
    return canvas.finish(heading(title, default), keys, diagram_description(view, stats))


def _new_canvas(scene: Scene, legend_rows: int) -> Canvas:
    wide, high = max(scene.width, 120) + 2 * MARGIN_PT, max(scene.height, 30) + 2 * MARGIN_PT
    shrink = min(1.0, MAX_WIDTH_IN * 72 / wide, MAX_HEIGHT_IN * 72 / high)
    top = TITLE_PT + legend_rows * LEGEND_LINE_PT
    width, height = (wide * shrink + 2 * EDGE_PT) / 72, (high * shrink + EDGE_PT + top) / 72
    return Canvas.of(None, width, height, (EDGE_PT, EDGE_PT, EDGE_PT, top))


def _set_limits(canvas: Canvas, scene: Scene) -> float:
    """Put the drawing in the middle of the Axes and return the scale at which it fits, at most 1."""
    width, height = canvas.width_pt, canvas.height_pt
    scale = min(1.0, width / (scene.width + 2 * MARGIN_PT), height / (scene.height + 2 * MARGIN_PT))
    x, y = scene.width / 2, scene.height / 2
    canvas.ax.set_xlim(x - width / scale / 2, x + width / scale / 2)
    canvas.ax.set_ylim(y + height / scale / 2, y - height / scale / 2)
    canvas.ax.set_axis_off()
    return scale


def _draw(canvas: Canvas, scene: Scene, scale: float) -> None:
    if not scene.boxes:
        _write(canvas, 0, 0, "this graph has no nodes", scale, color=MUTED)
    for frame in scene.frames:
        corner, lines = (frame.x, frame.y), (0, (4, 3))
        look: dict[str, Any] = {"edgecolor": MUTED, "facecolor": "#FAFBFC", "linewidth": scale, "linestyle": lines}
        canvas.ax.add_patch(Rectangle(corner, frame.width, frame.height, zorder=1, gid="frame", **look))
        _write_lines(canvas, frame.lines, frame.x + 8, frame.y + PAD_Y, scale, ha="left")
    for arrow in scene.arrows:
        _draw_arrow(canvas, arrow, scale)
    for box in scene.boxes:
        _draw_box(canvas, box, scale)
    style = {"bbox": {"facecolor": PAPER, "edgecolor": "none", "pad": 1.2 * scale}, "gid": "edge-label"}
    for label in scene.labels:
        _write(canvas, label.x, label.y, label.text, scale, size=Size.small_font, **style)


def _write(
    canvas: Canvas, x: float, y: float, text: str, scale: float, *, size: float = Size.font, **style: Any
) -> None:
    canvas.write(x, y, text, **{"va": "center", "zorder": 4, "fontsize": size * scale, **style})


def _draw_box(canvas: Canvas, box: Box, scale: float) -> None:
    """Draw a box, three times for a stack; a failure has a thick border, since colour alone says nothing to some."""
    shifts = (STACK_PT, STACK_PT / 2, 0.0) if box.is_stacked else (0.0,)
    rounding = 0 if box.style == "join" else 4
    edge, thickness = (FAILED, 1.8) if box.is_failed else (CRITICAL.colour, 2.0) if box.is_critical else (BAR, 0.9)
    for shift in shifts:
        patch = FancyBboxPatch(
            (box.x + shift, box.y + shift),
            box.width,
            box.height,
            boxstyle=f"round,pad=0,rounding_size={rounding}",
            facecolor=BOX_FILLS[box.style],
            edgecolor=edge,
            linewidth=thickness * scale,
            linestyle=(0, (3, 2)) if box.style == "more" else "-",
            zorder=3,
            gid="shadow" if shift else f"box-{box.style}",
        )
        canvas.ax.add_patch(patch)
    _write_lines(canvas, box.lines, box.x + box.width / 2, box.y + PAD_Y, scale, ha="center")


def _write_lines(canvas: Canvas, lines: tuple[Line, ...], x: float, y: float, scale: float, *, ha: str) -> None:
    for line in lines:
        height = SMALL_LINE_PT if line.is_small else LINE_PT
        size, colour = (Size.small_font, MUTED) if line.is_small else (Size.font, TEXT)
        weight = "bold" if line.is_bold else "normal"
        _write(canvas, x, y + height / 2, line.text, scale, size=size, color=colour, fontweight=weight, ha=ha)
        y += height


def _draw_arrow(canvas: Canvas, arrow: Arrow, scale: float) -> None:
    path = _curve(arrow.points) if arrow.is_curve else _rounded(arrow.points)
    patch = FancyArrowPatch(
        path=path,
        arrowstyle="-|>" if arrow.has_head else "-",
        mutation_scale=8 * scale,
        shrinkA=0,
        shrinkB=0,
        color=CRITICAL.colour if arrow.is_critical else MUTED if arrow.is_faint else BAR,
        linewidth=(2.0 if arrow.is_critical else 1.0) * scale,
        linestyle=(0, (1.5, 2.5)) if arrow.is_faint else "-",
        capstyle="butt",
        joinstyle="miter",
        zorder=2.5 if arrow.is_critical else 2,
        gid="arrow-critical" if arrow.is_critical else "arrow",
    )
    canvas.ax.add_patch(patch)


def _curve(points: tuple[Point, ...]) -> Path:
    """Return a path whose slanted parts are curves that begin and end horizontally."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(x1 - x0) + abs(y1 - y0) < LEVEL_PT:  # a last part without length has no direction for the head
            continue
        if abs(y1 - y0) < LEVEL_PT:
            vertices, codes = [*vertices, (x1, y1)], [*codes, Path.LINETO]
        else:
            middle = (x0 + x1) / 2
            vertices += [(middle, y0), (middle, y1), (x1, y1)]
            codes += [Path.CURVE4] * 3
    return Path(vertices, codes)


def _rounded(points: tuple[Point, ...]) -> Path:
    """Return a path along straight lines with rounded corners."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, corner, after in zip(points[:-2], points[1:-1], points[2:], strict=True):
        vertices += [_towards(corner, before), corner, _towards(corner, after)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])


def _towards(corner: Point, other: Point) -> Point:
    """Return where the rounding of a corner begins: at most half the distance to the other point away."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)  # lines are horizontal or vertical
    share = min(CORNER, length / 2) / length if length else 0.0
    return corner[0] + dx * share, corner[1] + dy * share
