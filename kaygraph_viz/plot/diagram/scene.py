"""The geometry of a diagram, in points: boxes, arrows, frames and labels, and scenes made of them.

Belongs here: what a drawing consists of, moving and joining such drawings. Does not belong here: which boxes a graph
has (``blocks``), where its columns stand (``placement``), and any plotting library (``diagram``).

A point is 1/72 inch; x grows to the right, y downwards. Boxes are as large as their texts need, so nothing that is
drawn at this size, or smaller as a whole, can overflow or collide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

__all__ = ["STACK_PT", "Arrow", "Box", "Frame", "Label", "Line", "Point", "Scene"]

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
