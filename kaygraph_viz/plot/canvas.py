"""The canvas of a picture: a matplotlib Axes with its size in points, its rows and its time axis; and its file.

Belongs here: what every picture does with its Axes: checking and making it, axes, rows, texts, title, and writing it
with its description. Does not belong here: what one picture shows.
"""

from __future__ import annotations

import io
import os
from bisect import bisect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from kaygraph_viz.analysis.wording import time_unit
from kaygraph_viz.base.checks import checked_number
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.description import Description, attach, description_of, tell_ipython
from kaygraph_viz.plot.legend import LEGEND_LINE_PT, add_legend
from kaygraph_viz.plot.rows import Row, centres
from kaygraph_viz.plot.style import GRID, MUTED, TEXT, Key, Size
from kaygraph_viz.plot.text import cut_to_width, escaped
from kaygraph_viz.trace.files import written
from kaygraph_viz.trace.trace import Trace

POINTS = 72.0
EMPTY_MARGINS_PT = (14.0, 14.0, 14.0, 46.0)
Margins = tuple[float, float, float, float]  # left, right, bottom and top [pt]


def figure_of(ax: Axes) -> Figure:
    """Return the whole figure of an Axes, also of one in a subfigure."""
    return ax.figure.canvas.figure  # `get_figure` returns it from matplotlib 3.10 on


class Canvas:
    """An Axes to draw on, with its size, the centres of its rows and the scale of its time axis."""

    def __init__(self, ax: Axes) -> None:
        box = ax.get_window_extent()
        tell_ipython()
        self.ax = ax
        self.width_pt: float = box.width / ax.figure.dpi * POINTS
        self.height_pt: float = box.height / ax.figure.dpi * POINTS
        self.points_per_s = 0.0
        self.row_pt = 0.0
        self.row_centres = np.empty(0)

    @classmethod
    def of(cls, ax: Axes | None, width_in: float, height_in: float, margins_pt: Margins) -> Canvas:
        """Return a canvas on an Axes that was given, or on that of a new figure with fixed margins."""
        if ax is not None:
            return cls(ax)
        left, right, bottom, top = margins_pt
        figure = plt.figure(figsize=(width_in, height_in), layout="none")
        wide, high = width_in * POINTS, height_in * POINTS
        return cls(figure.add_axes((left / wide, bottom / high, 1 - (left + right) / wide, 1 - (bottom + top) / high)))

    @classmethod
    def empty(cls, ax: Axes | None) -> Canvas:
        """Return a canvas with the text that nothing was recorded."""
        canvas = cls.of(ax, Size.figure_width, Size.min_height, EMPTY_MARGINS_PT)
        canvas.ax.set_axis_off()
        place: dict[str, Any] = {"transform": canvas.ax.transAxes, "ha": "center", "va": "center"}
        canvas.ax.text(0.5, 0.5, "nothing was recorded", color=MUTED, **place)
        return canvas

    def make_plain(self) -> None:
        """Make ticks small and grey, leave the left and the lower border, and draw a faint grid behind everything."""
        self._add_grid("both")
        for side, spine in self.ax.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(MUTED)

    def set_time(self, extent_s: float, note: str = "") -> None:
        """Set up the time axis: data in seconds, ticks written in a unit that fits."""
        extent = extent_s or 1e-9
        self.ax.set_xlim(-0.008 * extent, 1.008 * extent)
        low, high = self.ax.get_xlim()
        self.points_per_s = float(self.width_pt / (high - low))
        self.set_time_ticks(extent_s, "time", note)
        self._add_grid("x")
        for side in ("top", "right", "left"):
            self.ax.spines[side].set_visible(False)
        self.ax.spines["bottom"].set_color(MUTED)

    def set_time_ticks(self, longest_s: float, what: str, note: str = "") -> None:
        """Write ticks in a unit that fits the longest time [s], and below them what they are, and a note."""
        unit, size = time_unit(longest_s)
        ticks = MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10]) if longest_s else FixedLocator([0])
        self.ax.xaxis.set_major_locator(ticks)
        self.ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / size:,.10g}"))
        self.ax.set_xlabel(f"{what} [{unit}]" + (f"\n{note}" if note else ""), fontsize=Size.font, color=TEXT)

    def _add_grid(self, axis: Any) -> None:
        self.ax.tick_params(axis=axis, labelsize=Size.small_font, colors=MUTED, length=3)
        self.ax.grid(visible=True, axis=axis, color=GRID, linewidth=0.8)
        self.ax.set_axisbelow(True)

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Set up the axis of rows, first row on top; of the names, headings get room before others."""
        at = centres(rows)
        height = sum(row.height for row in rows)
        top = at[0] - rows[0].height / 2
        self.ax.set_ylim(top + height, top)
        self.row_centres, self.row_pt = np.array(at), self.height_pt / height
        font = Size.font if self.row_pt > 13 else Size.small_font
        shown = _apart(rows, at, (Size.small_font + 1.5) / self.row_pt)
        self.ax.set_yticks([at[row] for row in shown], [escaped(rows[row].text) for row in shown], fontsize=font)
        self.ax.tick_params(axis="y", length=0, labelcolor=TEXT)
        for row, label in zip(shown, self.ax.get_yticklabels(), strict=True):
            label.set_fontweight("bold" if rows[row].is_heading else "normal")

    def write(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write a text from a trace as plain text, centred; what leaves the Axes is clipped."""
        style = {"ha": "center", "clip_on": True, "color": TEXT, **style}
        self.ax.text(x, y, escaped(text), **style)

    def finish(self, title: str, keys: Sequence[Key], description: Description) -> Axes:
        """Add legend and title, attach the description, and return the Axes."""
        lines = add_legend(self.ax, keys, self.width_pt)
        text = cut_to_width(title, self.width_pt, Size.title_font, is_bold=True) or title
        style: dict[str, Any] = {"fontsize": Size.title_font, "fontweight": "bold", "color": TEXT}
        self.ax.set_title(escaped(text), loc="left", pad=8 + lines * LEGEND_LINE_PT, **style)
        attach(self.ax, description)
        return self.ax


def _apart(rows: Sequence[Row], at: Sequence[float], least: float) -> list[int]:
    """Return the rows whose names are written: their centres are at least `least` [rows] apart."""
    shown: list[int] = []
    for is_heading in (True, False):
        for number, row in enumerate(rows):
            place = bisect(shown, number)
            near = (at[other] for other in shown[max(0, place - 1) : place + 1])
            if row.text and row.is_heading == is_heading and all(abs(at[number] - other) >= least for other in near):
                shown.insert(place, number)
    return shown


# -- arguments -------------------------------------------------------------------------------------------------------


def checked_axes(ax: object) -> Axes | None:
    """Return `ax` if it is an Axes or None."""
    if ax is not None and not isinstance(ax, Axes):
        raise OptionError("ax", ax, "a matplotlib Axes, or None to make one", "ax=plt.subplots()[1]")
    return ax


def checked_trace(trace: object) -> Trace:
    """Return `trace` if it is one."""
    if not isinstance(trace, Trace):
        raise OptionError("trace", trace, "a Trace, as record() yields it", "with record() as trace: ...")
    return trace


def checked_traces(trace: object) -> list[Trace]:
    """Return the traces of a mapping from names, at least one, or the one that is given."""
    given = list(trace.values()) if isinstance(trace, Mapping) else [trace]
    traces = [each for each in given if isinstance(each, Trace)]
    if not traces or len(traces) < len(given):
        expected = "a Trace, as record() yields it, or several by name"
        raise OptionError("trace", trace, expected, "with record() as trace: ...")
    return traces


# -- files -----------------------------------------------------------------------------------------------------------

FORMATS = ("png", "svg", "pdf")
DPI = 150


def save_picture(ax: Axes, path: str | os.PathLike[str], *, dpi: float = DPI) -> Path:
    """Write the figure of a picture, with its description where the format has a place for it.

    Parameters
    ----------
    ax
        What any of the drawing functions returned; of a figure with several pictures, any of them.
    path
        Where to: a name that ends in ``.png``, ``.svg`` or ``.pdf``. An existing file is replaced, at once and only
        when everything was written.
    dpi
        Points per inch of a PNG, above 0.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    OptionError
        If `ax` is no Axes, the name ends otherwise, or `dpi` is not above 0.
    OSError
        If the file cannot be written.

    Notes
    -----
    A PNG has the sentences in its field ``Description``, a PDF as its subject. An SVG has them as its title, which
    browsers show and screen readers read; its texts are shapes, so that they look the same everywhere. No file holds a
    date: the same picture gives the same bytes.

    Examples
    --------
    >>> from kaygraph_viz.plot.gantt.gantt import gantt
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> chart = gantt(make_trace(bar("a", "t-1", 0, 1)))
    >>> path = save_picture(chart, getfixture("tmp_path") / "chart.svg")
    >>> path.read_text(encoding="utf-8").count("<title>Gantt chart of 1 branch on 1 worker")
    1
    """
    if checked_axes(ax) is None:
        raise OptionError("ax", ax, "the result of a drawing function", 'save_picture(gantt(trace), "run.png")')
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise OptionError("path", str(target), f"a name that ends in one of {', '.join(FORMATS)}", '"run.png"')
    checked_number("dpi", dpi, example="dpi=150", above=True)
    content = io.BytesIO()
    figure = figure_of(ax)
    found = (description_of(each) for each in figure.axes)
    text = " ".join(description.sentence for description in found if description is not None)
    metadata = {
        "png": {"Description": text},
        "svg": {"Title": text or "Picture", "Date": None},
        "pdf": {"Subject": text, "CreationDate": None},
    }[kind]
    with rc_context({"svg.hashsalt": "kaygraph-viz"}):  # else the ids in an SVG differ each time
        figure.savefig(content, format=kind, dpi=dpi, bbox_inches="tight", metadata=metadata)
    with written(target) as stream:
        stream.write(content.getbuffer())
    return target
