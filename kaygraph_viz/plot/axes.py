"""What all charts over time share: an Axes to draw on, the time axis, rows, legend and title.

Belongs here: touching an Axes in ways that every chart needs. Does not belong here: what one chart shows.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.legend_handler import HandlerPatch, HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from kaygraph_viz.analysis.wording import time_unit
from kaygraph_viz.plot.rows import Row, centres
from kaygraph_viz.plot.style import GRID, MUTED, PAPER, TEXT, Key, Size, Stroke
from kaygraph_viz.plot.text import cut_to_width, escaped, width_pt

__all__ = [
    "LEGEND_LINE_PT",
    "MARKER_PT",
    "add_legend",
    "legend_columns",
    "new_axes",
    "plain_axes",
    "set_rows",
    "set_time",
    "set_title",
    "size_pt",
]

POINTS = 72.0
LEGEND_ENTRY_PT = 31.0  # width of a legend entry beside its text: the patch and the gaps around it
LEGEND_LINE_PT = 14.0
MARKER_PT = 6.5
BASE_SHARE = 0.4  # how high the second colour of a look is in the legend


def new_axes(width_in: float, height_in: float, *, margins_pt: tuple[float, float, float, float]) -> Axes:
    """Make a figure with one Axes that leaves fixed margins.

    Parameters
    ----------
    width_in, height_in
        Size of the figure [inches].
    margins_pt
        Left, right, bottom and top [pt].
    """
    left, right, bottom, top = margins_pt
    figure = plt.figure(figsize=(width_in, height_in), layout="none")
    wide, high = width_in * POINTS, height_in * POINTS
    place = (left / wide, bottom / high, 1 - (left + right) / wide, 1 - (bottom + top) / high)
    return figure.add_axes(place)


def size_pt(ax: Axes) -> tuple[float, float]:
    """Return width and height of an Axes [pt]."""
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi * POINTS, box.height / ax.figure.dpi * POINTS


def plain_axes(ax: Axes) -> None:
    """Make ticks small and grey, leave the left and the lower border, and draw a faint grid behind everything."""
    ax.tick_params(labelsize=Size.small_font, colors=MUTED, length=3)
    ax.grid(visible=True, color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)


def set_time(ax: Axes, extent_s: float, note: str = "") -> None:
    """Set up the time axis: data in seconds, ticks written in a unit that fits.

    Parameters
    ----------
    ax
        Where.
    extent_s
        The time that the axis has room for [s].
    note
        A sentence below the axis.
    """
    unit, size = time_unit(extent_s)
    extent = extent_s or 1e-9
    ax.set_xlim(-0.008 * extent, 1.008 * extent)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10]) if extent_s else FixedLocator([0]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / size:,.10g}"))
    ax.set_xlabel(f"time [{unit}]" + (f"\n{note}" if note else ""), fontsize=Size.font, color=TEXT)
    ax.tick_params(axis="x", labelsize=Size.small_font, colors=MUTED, length=3)
    ax.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(MUTED)


def set_rows(ax: Axes, rows: Sequence[Row]) -> None:
    """Write the names of the rows, first row on top: headings first, then as many others as have room.

    Parameters
    ----------
    ax
        Where.
    rows
        From top to bottom.
    """
    at = centres(rows)
    height = sum(row.height for row in rows)
    top = at[0] - rows[0].height / 2
    ax.set_ylim(top + height, top)
    row_pt = size_pt(ax)[1] / height
    font = Size.font if row_pt > 13 else Size.small_font
    shown = _apart(rows, at, (Size.small_font + 1.5) / row_pt)
    ax.set_yticks([at[row] for row in shown], [escaped(rows[row].text) for row in shown], fontsize=font)
    ax.tick_params(axis="y", length=0, labelcolor=TEXT)
    for row, label in zip(shown, ax.get_yticklabels(), strict=True):
        label.set_fontweight("bold" if rows[row].is_heading else "normal")


def _apart(rows: Sequence[Row], at: Sequence[float], least: float) -> list[int]:
    """Return the rows whose names have room, at least so far apart [rows]."""
    shown: list[int] = []
    for is_heading in (True, False):
        for number, row in enumerate(rows):
            place = bisect(shown, number)
            near = (at[other] for other in shown[max(0, place - 1) : place + 1])
            if row.text and row.is_heading == is_heading and all(abs(at[number] - other) >= least for other in near):
                shown.insert(place, number)
    return shown


def set_title(ax: Axes, title: str, legend_rows: int) -> None:
    """Write the title above the legend, cut to the width of the Axes."""
    text = cut_to_width(title, size_pt(ax)[0], Size.title_font, is_bold=True) or title
    pad = 8 + legend_rows * LEGEND_LINE_PT
    ax.set_title(escaped(text), loc="left", pad=pad, fontsize=Size.title_font, fontweight="bold", color=TEXT)


def add_legend(ax: Axes, keys: Sequence[Key]) -> int:
    """Put a legend above the Axes, where it covers nothing, and return how many lines it has."""
    if not keys:
        return 0
    per_line = legend_columns(keys, size_pt(ax)[0])
    ordered = _by_columns(keys, per_line)
    ax.legend(
        handles=[_handle(key) for key in ordered],
        labels=[escaped(key.label) for key in ordered],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=per_line,
        frameon=False,
        fontsize=Size.small_font,
        handlelength=1.6,
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.2), _HalfPatch: _HalfHandler()},
        handletextpad=0.5,
        columnspacing=1.4,
        borderpad=0.1,
        borderaxespad=0.2,
        labelcolor=TEXT,
    )
    return -(-len(keys) // per_line)


def legend_columns(keys: Sequence[Key], room_pt: float) -> int:
    """Return how many entries of a legend fit beside each other in `room_pt`; 1 or more.

    A column is as wide as its widest entry.
    """
    widths = [width_pt(key.label, Size.small_font) + LEGEND_ENTRY_PT for key in keys]
    for columns in range(len(keys), 1, -1):
        if sum(max(widths[column::columns]) for column in range(columns)) <= room_pt:
            return columns
    return 1


def _by_columns(keys: Sequence[Key], columns: int) -> list[Key]:
    """Return the entries in the order that a legend, which is filled by columns, needs so that it reads by lines."""
    return [key for column in range(columns) for key in keys[column::columns]]


def _handle(key: Key) -> Any:
    """Return what stands for a key in the legend: a patch, a marker, both on each other, or a line."""
    if isinstance(key, Stroke):
        look: Any = {"linestyle": key.style, "linewidth": key.width, "marker": key.marker, "markersize": 5}
        return Line2D([], [], color=key.colour, **look)
    if key.base:
        return _HalfPatch(facecolor=key.colour, edgecolor=key.line, linewidth=0.6, base=key.base)
    patch = Patch(facecolor=key.colour, edgecolor=key.line, hatch=key.hatch, linewidth=0.6)
    if not key.marker:
        return patch
    look = {"linestyle": "", "marker": key.marker, "markersize": MARKER_PT, "markeredgewidth": 0.7}
    marker = Line2D([], [], color=key.line, markeredgecolor=PAPER, **look)
    return (patch, marker) if key.hatch else marker


class _HalfPatch(Patch):
    """Stands in the legend for what is filled with a second colour up to a share of its height."""

    def __init__(self, *, base: str, **look: Any) -> None:
        super().__init__(**look)
        self.base = base


class _HalfHandler(HandlerPatch):
    """Draws such a patch with its lower part filled."""

    def create_artists(self, legend: Any, orig_handle: Any, *place: Any) -> Sequence[Any]:
        x, y, width, height, _, trans = place
        base = Rectangle((-x, -y), width, BASE_SHARE * height, facecolor=orig_handle.base, transform=trans)
        return [*super().create_artists(legend, orig_handle, *place), base]
