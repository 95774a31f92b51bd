"""The circle of a deadlock: threads, what they wait for, and who holds it.

Belongs here: the picture. Does not belong here: finding the circle (``clock.virtual``).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin
from typing import Any

from matplotlib.axes import Axes
from matplotlib.text import Annotation

from kaygraph_viz.base.errors import DeadlockError, OptionError, Wait
from kaygraph_viz.plot.canvas import Canvas, checked_axes
from kaygraph_viz.plot.description import Description, Table
from kaygraph_viz.plot.labels import clean, heading
from kaygraph_viz.plot.style import BAR, CRITICAL, FILLS, PAPER, Size, Stroke
from kaygraph_viz.plot.text import escaped

WAITS, HELD = Stroke(CRITICAL.colour, "waits for", 2.0, "--"), Stroke(BAR, "held by", 1.5)
HEIGHT_IN, MARGINS_PT = 3.2, (14.0, 14.0, 14.0, 46.0)
LIMITS = 1.35, 1.25  # of the axes: the circle has radius 1, and its texts need room beside it


def wait_circle(error: DeadlockError, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the threads of a deadlock that wait for each other, with the lines in which they wait."""
    circle = getattr(error, "circle", ())
    if not circle:
        raise OptionError("error", error, "a DeadlockError with a circle", "wait_circle(found.first.error)")
    checked_axes(ax)
    canvas = Canvas.of(ax, Size.figure_width * 0.8, HEIGHT_IN, MARGINS_PT)
    canvas.ax.set_axis_off()
    canvas.ax.set_xlim(-LIMITS[0], LIMITS[0])
    canvas.ax.set_ylim(-LIMITS[1], LIMITS[1])
    _draw(canvas.ax, circle)
    count = len(circle)
    kind = "task" if all(wait.is_of_task for wait in circle) else "thread"
    text = f"A {kind} waits for itself" if count == 1 else f"{count} {kind}s wait for each other"
    return canvas.finish(heading(title, text), [WAITS, HELD], _description(text, circle))


def _draw(ax: Axes, circle: Sequence[Wait]) -> None:
    """Draw threads and what they wait for by turns, clockwise from the left, and the arrows between neighbours."""
    texts = [text for wait in circle for text in (_thread(wait), _held(wait))]
    angles = [pi - 2 * pi * number / len(texts) for number in range(len(texts))]
    places = [(cos(angle), sin(angle)) for angle in angles]
    boxes = [_box(ax, texts[number], place, is_held=number % 2 == 1) for number, place in enumerate(places)]
    for number, start in enumerate(boxes):
        end, stroke = boxes[(number + 1) % len(boxes)], HELD if number % 2 else WAITS
        line = {"color": stroke.colour, "linewidth": stroke.width, "linestyle": stroke.style}
        patches = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch(), "shrinkA": 2, "shrinkB": 2}
        style = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=-0.15", **line, **patches}
        ax.annotate("", end.xy, xytext=start.xy, arrowprops=style, zorder=4)  # after the boxes, which it is cut at


def _thread(wait: Wait) -> str:
    return "\n".join(clean(part) for part in (wait.thread, *wait.place.split(", "), wait.code) if part)


def _held(wait: Wait) -> str:
    taken = f"taken in {wait.held_since}" if wait.held_since else ""
    return "\n".join(clean(part) for part in (wait.waits_for, taken, wait.held_code) if part)


def _box(ax: Axes, text: str, place: tuple[float, float], *, is_held: bool) -> Annotation:
    fill = FILLS["blocked"].colour if is_held else PAPER
    style: dict[str, Any] = {"boxstyle": "round,pad=0.4", "facecolor": fill, "edgecolor": BAR}
    return ax.annotate(escaped(text), place, ha="center", va="center", fontsize=Size.small_font, bbox=style, zorder=3)


def _description(text: str, circle: Sequence[Wait]) -> Description:
    rows = [(wait.thread, wait.place, wait.waits_for, wait.held_by, wait.held_since) for wait in circle]
    headings = ("thread", "waits in", "for", "held by", "taken in")
    return Description(f"Circle of a deadlock: {text}.", [Table(headings, rows, words=5)])
