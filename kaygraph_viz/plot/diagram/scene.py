"""What a diagram shows: boxes, arrows, frames and labels in points, with what is written into them.

Belongs here: what a drawing consists of, and the drawing of one node: a box, a
box opened into its branches, or a frame around a nested graph. Does not belong here: how the nodes stand to each other
(``layering``), and any plotting library (``diagram``).

A point is 1/72 inch; x grows to the right, y downwards. Boxes are as large as their texts need, so nothing that is
drawn at this size, or smaller as a whole, can overflow or collide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from kaygraph_viz.analysis.wording import counted, duration
from kaygraph_viz.plot.diagram.stats import BranchStats, GraphStats, NodeStats
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.plot.style import Size
from kaygraph_viz.plot.text import width_pt
from kaygraph_viz.trace.trace import NodeView

Point: TypeAlias = tuple[float, float]
STACK_PT = 5.0  # how far the shadows of a stack of boxes stick out


class Line(NamedTuple):
    """One line of text in a box."""

    text: str
    is_bold: bool = False
    is_small: bool = False


@dataclass(frozen=True)
class Box:
    """A box with centred lines of text; `style` is one of ``node parallel branch more join``."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[Line, ...] = ()
    style: str = "node"
    is_stacked: bool = False
    is_failed: bool = False
    is_critical: bool = False
    node_id: str = ""
    branch: str = ""

    @property
    def right(self) -> float:
        """Its right end, shadows of a stack included [pt]."""
        return self.x + self.width + self.is_stacked * STACK_PT

    @property
    def bottom(self) -> float:
        """Its lower end, shadows of a stack included [pt]."""
        return self.y + self.height + self.is_stacked * STACK_PT


@dataclass(frozen=True)
class Frame:
    """A border around the nodes of a nested graph, with its name at the top left."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Label:
    """A text centred at a point, with the size it needs."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Arrow:
    """An arrow along a path of points, with rounded corners or as a curve."""

    points: tuple[Point, ...]
    is_curve: bool = False
    is_faint: bool = False
    has_head: bool = True
    is_critical: bool = False


@dataclass
class Scene:
    """A drawing that arrows enter at the left and leave at the right, both at the height of its `axis`."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    middle: float | None = None  # the height of the axis, if it is not half the height
    entry: float = 0.0  # the distance of the first box from the left

    @property
    def axis(self) -> float:
        """The height at which arrows come in and go out [pt]."""
        return self.height / 2 if self.middle is None else self.middle

    def add(self, other: Scene, dx: float, dy: float) -> None:
        """Add all shapes of another drawing, moved by (dx, dy)."""
        self.boxes += [replace(box, x=box.x + dx, y=box.y + dy) for box in other.boxes]
        self.frames += [replace(frame, x=frame.x + dx, y=frame.y + dy) for frame in other.frames]
        self.labels += [replace(label, x=label.x + dx, y=label.y + dy) for label in other.labels]
        self.arrows += [replace(arrow, points=_moved(arrow.points, dx, dy)) for arrow in other.arrows]


def _moved(points: Iterable[Point], dx: float, dy: float) -> tuple[Point, ...]:
    return tuple((x + dx, y + dy) for x, y in points)


# -- the drawing of one node -----------------------------------------------------------------------------------------

PAD_X, PAD_Y, LINE_PT, SMALL_LINE_PT = 9.0, 6.0, 12.5, 11.0
BRANCH_GAP, FAN_WIDTH, JOIN_WIDTH = 9.0, 34.0, 5.0
FRAME_PAD = 16.0
NAME_LIMIT = 34


def lines_size(lines: Sequence[Line]) -> tuple[float, float]:
    """Return width and height that lines of text need [pt]."""
    width = max(
        (width_pt(text, Size.small_font if small else Size.font, is_bold=bold) for text, bold, small in lines),
        default=0.0,
    )
    return width, sum(SMALL_LINE_PT if line.is_small else LINE_PT for line in lines)


def make_box(
    lines: Sequence[Line],
    style: str,
    *,
    is_failed: bool = False,
    is_stacked: bool = False,
    is_critical: bool = False,
    shows: tuple[str, str] = ("", ""),
) -> Box:
    """Return a box that is just large enough for its lines; `shows` is a node id and a branch."""
    width, height = lines_size(lines)
    kind = style, is_stacked, is_failed, is_critical
    return Box(0, 0, width + 2 * PAD_X, height + 2 * PAD_Y, tuple(lines), *kind, *shows)


def box_scene(box: Box) -> Scene:
    """Return a drawing of a single box."""
    return Scene(box.width, box.height, [box])


def more_box(number: int) -> Box:
    """Return the box that replaces nodes that are left out, with their number."""
    return make_box([Line(f"… {counted(number, 'more node')}")], "more")


def closed_box(view: NodeView, stats: GraphStats | None) -> Box:
    """Return the box of a nested graph that is not opened, with its number of nodes."""
    size = len(view.graph.nodes) if view.graph is not None else 0
    lines = [*node_lines(view, stats), Line(f"a graph of {size:,}", is_small=True)]
    return make_box(lines, "more", shows=(view.node_id, ""))


def node_box(view: NodeView, stats: GraphStats | None) -> Box:
    """Return the box of a node, without its branches."""
    node = stats.nodes.get(view.node_id) if stats is not None else None
    style = "parallel" if view.is_parallel or view.branches else "node"
    bad, critical = (node.not_ok > 0, node.is_critical) if node is not None else (False, False)
    lines, shows = node_lines(view, stats), (view.node_id, "")
    return make_box(lines, style, is_failed=bad, is_critical=critical, shows=shows)


def node_lines(view: NodeView, stats: GraphStats | None) -> list[Line]:
    """Return the text in the box of a node: class, id where it differs, times where there is a trace."""
    label, node_id = clean(view.label, NAME_LIMIT), clean(view.node_id, NAME_LIMIT)
    lines = [Line(label, is_bold=True)]
    if node_id != label:
        lines.append(Line(node_id, is_small=True))
    if stats is not None:
        lines.append(Line(_times(stats.nodes.get(view.node_id), stats.makespan_s), is_small=True))
    return lines


def _times(node: NodeStats | None, makespan_s: float) -> str:
    if node is None:
        return "did not run"
    share = f", {node.total_s / makespan_s:.0%}" if makespan_s else ""
    if node.runs == 1:
        return duration(node.total_s) + share
    return f"x {node.runs:,}, mean {duration(node.total_s / node.runs)}{share}"


def node_scene(view: NodeView, stats: GraphStats | None, max_branches: int) -> Scene:
    """Return the drawing of a node, opened into its branches where it is parallel."""
    box = node_box(view, stats)
    if box.style != "parallel":
        return box_scene(box)
    node = stats.nodes.get(view.node_id) if stats is not None else None
    return _fan(box, branch_boxes(view, node, max_branches))


def branch_boxes(view: NodeView, node: NodeStats | None, most: int) -> list[Box]:
    """Return a box for each branch of a node by name, at most `most`, the last one for all that are left out."""
    known = dict.fromkeys(view.branches)
    measured = node.branches if node is not None else {}
    names = list(known | dict.fromkeys(measured))
    if not names:
        return [make_box([Line("one branch per item")], "branch", is_stacked=True)]
    shown = names
    if len(names) > most:  # those on the critical path, then the first ones
        critical = [name for name in names if name in measured and measured[name].is_critical][: most - 1]
        kept = {*critical, *[name for name in names if name not in critical][: most - 1 - len(critical)]}
        shown = [name for name in names if name in kept]
    boxes = [_branch_box(view.node_id, name, measured.get(name)) for name in shown]
    if len(shown) < len(names):
        is_hidden = node is not None and node.is_opened and not any(box.is_critical for box in boxes)
        more = Line(f"… and {len(names) - len(shown):,} more")
        boxes.append(make_box([more], "more", is_stacked=True, is_critical=is_hidden))
    return boxes


def _branch_box(node_id: str, name: str, stats: BranchStats | None) -> Box:
    label, shows = clean(name, NAME_LIMIT), (node_id, name)
    if stats is None:
        return make_box([Line(label)], "branch", shows=shows)
    many = stats.count > 1
    times = f"mean {duration(stats.mean_s)}" if many else duration(stats.mean_s)
    notes = [f"{stats.not_ok:,} not ok" if many else "not ok"] if stats.not_ok else []
    if stats.retries:
        notes.append(counted(stats.retries, "retry", "retries"))
    lines = [Line(f"{label} x {stats.count:,}" if many else label), Line(", ".join([times, *notes]), is_small=True)]
    is_failed, is_critical = stats.not_ok > 0, stats.is_critical
    return make_box(lines, "branch", is_failed=is_failed, is_stacked=many, is_critical=is_critical, shows=shows)


def _fan(box: Box, branches: list[Box]) -> Scene:
    """Return the drawing of a parallel node: box, branches and the bar at which they meet, on one middle line."""
    width = max(branch.width for branch in branches)
    height = sum(branch.height for branch in branches) + BRANCH_GAP * (len(branches) - 1)
    scene = Scene(height=max(height, box.height))
    scene.add(box_scene(box), 0, scene.axis - box.height / 2)
    left = box.width + FAN_WIDTH
    join = left + width + FAN_WIDTH
    y = scene.axis - height / 2
    for branch in branches:
        scene.add(box_scene(replace(branch, width=width)), left, y)
        middle = y + branch.height / 2
        scene.arrows += [
            Arrow(((box.width, scene.axis), (left, middle)), is_curve=True, is_critical=branch.is_critical),
            Arrow(((left + width, middle), (join, middle)), is_critical=branch.is_critical),
        ]
        y += branch.height + BRANCH_GAP
    scene.boxes.append(Box(join, scene.axis - height / 2, JOIN_WIDTH, height, style="join"))
    scene.width = join + JOIN_WIDTH
    return scene


def framed(inner: Scene, view: NodeView, stats: GraphStats | None) -> Scene:
    """Return the drawing of a nested graph: its nodes within a frame, with its name at the top."""
    name = clean(view.graph.name if view.graph is not None else view.label, NAME_LIMIT)
    first, *rest = node_lines(view, stats)
    lines = [
        Line(name, is_bold=True),
        *([first._replace(is_bold=False, is_small=True)] if first.text != name else []),
        *(line for line in rest if line.text != name),
    ]
    title_width, title_height = lines_size(lines)
    width = max(inner.width, title_width) + 2 * FRAME_PAD
    top = title_height + FRAME_PAD
    height = top + inner.height + FRAME_PAD
    scene = Scene(width, height, middle=top + inner.axis)
    scene.frames.append(Frame(0, 0, width, height, tuple(lines)))
    left = (width - inner.width) / 2
    scene.add(inner, left, top)
    scene.arrows.append(Arrow(((0, scene.axis), (left + inner.entry, scene.axis))))
    return scene
