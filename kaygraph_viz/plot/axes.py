"""What all charts over time share: an Axes to draw on, the time axis, rows, legend and title.

Belongs here: touching an Axes in ways that every chart needs. Does not belong here: what one chart shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from kaygraph_viz.analysis.wording import time_unit
from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.style import BAR, GRID, MUTED, TEXT, Fill, Size
from kaygraph_viz.plot.text import cut_to_width, escaped, width_pt

__all__ = [
    "LEGEND_LINE_PT",
    "add_legend",
    "checked_axes",
    "legend_columns",
    "new_axes",
    "set_rows",
    "set_time",
    "set_title",
    "size_pt",
]

POINTS = 72.0
LEGEND_ENTRY_PT = 31.0  # width of a legend entry beside its text: the patch and the gaps around it
LEGEND_LINE_PT = 14.0


def checked_axes(ax: object) -> Axes | None:
    """Return `ax` if it is an Axes or None.

    Raises
    ------
    OptionError
        If it is anything else.
    """
    if ax is not None and not isinstance(ax, Axes):
        raise OptionError("ax", ax, "a matplotlib Axes, or None to make one", "ax=plt.subplots()[1]")
    return ax


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
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / size:,.10g}"))
    ax.set_xlabel(f"time [{unit}]" + (f"\n{note}" if note else ""), fontsize=Size.font, color=TEXT)
    ax.tick_params(axis="x", labelsize=Size.small_font, colors=MUTED, length=3)
    ax.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(MUTED)


def set_rows(ax: Axes, labels: Sequence[str], header: float) -> None:
    """Write the names of the rows, as many as fit, first row on top.

    Parameters
    ----------
    ax
        Where.
    labels
        One for each row.
    header
        Room above the first row [rows].
    """
    ax.set_ylim(len(labels) - 0.5, -0.5 - header)
    row_pt = size_pt(ax)[1] / (len(labels) + header)
    step = max(1, -int(-(Size.small_font + 1.5) // row_pt))
    shown = [row for row in range(0, len(labels), step) if labels[row]]
    font = Size.font if row_pt > 13 else Size.small_font
    ax.set_yticks(shown, [escaped(labels[row]) for row in shown], fontsize=font)
    ax.tick_params(axis="y", length=0, labelcolor=TEXT)


def set_title(ax: Axes, title: str, legend_rows: int) -> None:
    """Write the title above the legend, cut to the width of the Axes."""
    text = cut_to_width(title, size_pt(ax)[0], Size.title_font, is_bold=True) or title
    pad = 8 + legend_rows * LEGEND_LINE_PT
    ax.set_title(escaped(text), loc="left", pad=pad, fontsize=Size.title_font, fontweight="bold", color=TEXT)


def add_legend(ax: Axes, fills: Sequence[Fill]) -> int:
    """Put a legend above the Axes, where it covers nothing, and return how many lines it has."""
    if not fills:
        return 0
    per_line = legend_columns(fills, size_pt(ax)[0])
    ax.legend(
        handles=[_handle(fill) for fill in fills],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=per_line,
        frameon=False,
        fontsize=Size.small_font,
        handlelength=1.6,
        handletextpad=0.5,
        columnspacing=1.4,
        borderpad=0.1,
        borderaxespad=0.2,
        labelcolor=TEXT,
    )
    return -(-len(fills) // per_line)


def legend_columns(fills: Sequence[Fill], room_pt: float) -> int:
    """Return how many entries of a legend fit beside each other in `room_pt`; 1 or more.

    Entries fill a legend column by column, the first ones taking what is over; a column is as wide as its widest entry.
    """
    widths = [width_pt(fill.label, Size.small_font) + LEGEND_ENTRY_PT for fill in fills]
    for columns in range(len(fills), 1, -1):
        if sum(float(column.max()) for column in np.array_split(widths, columns)) <= room_pt:
            return columns
    return 1


def _handle(fill: Fill) -> Artist:
    label = escaped(fill.label)
    if fill.marker:
        return Line2D([], [], linestyle="", marker=fill.marker, markersize=6, color=fill.colour, label=label)
    return Patch(facecolor=fill.colour, edgecolor=BAR, hatch=fill.hatch, linewidth=0.6, label=label)
