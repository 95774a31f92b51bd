"""The legend of a picture: above the Axes, in as many lines as its entries need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.legend_handler import HandlerPatch, HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from kaygraph_viz.plot.style import PAPER, TEXT, Key, Size, Stroke
from kaygraph_viz.plot.text import escaped, width_pt

ENTRY_PT = 31.0  # width of an entry beside its text: the patch and the gaps around it
LEGEND_LINE_PT = 14.0
MARKER_PT = 6.5
BASE_SHARE = 0.4  # of the height of a patch with two colours is filled with the second one


def add_legend(ax: Axes, keys: Sequence[Key], room_pt: float) -> int:
    """Put a legend above the Axes, where it covers nothing, and return how many lines it has."""
    if not keys:
        return 0
    columns = _columns(keys, room_pt)
    by_columns = [key for column in range(columns) for key in keys[column::columns]]  # the order that matplotlib fills
    ax.legend(
        handles=[_handle(key) for key in by_columns],
        labels=[escaped(key.label) for key in by_columns],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
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
    return legend_lines(keys, room_pt)


def _columns(keys: Sequence[Key], room_pt: float) -> int:
    """Return how many entries fit beside each other, 1 or more; a column is as wide as its widest entry."""
    widths = [width_pt(key.label, Size.small_font) + ENTRY_PT for key in keys]
    for columns in range(len(keys), 1, -1):
        if sum(max(widths[column::columns]) for column in range(columns)) <= room_pt:
            return columns
    return 1


def legend_lines(keys: Sequence[Key], room_pt: float) -> int:
    """Return how many lines the legend has in `room_pt` [pt]."""
    return -(-len(keys) // _columns(keys, room_pt))


def _handle(key: Key) -> Any:
    """Return the artist that shows a key in the legend: a patch, a marker, both on each other, or a line."""
    if isinstance(key, Stroke):
        style: Any = {"linestyle": key.style, "linewidth": key.width, "marker": key.marker, "markersize": 5}
        return Line2D([], [], color=key.colour, **style)
    if key.base:
        return _HalfPatch(facecolor=key.colour, edgecolor=key.line, linewidth=0.6, base=key.base)
    patch = Patch(facecolor=key.colour, edgecolor=key.line, hatch=key.hatch, linewidth=0.6)
    if not key.marker:
        return patch
    style = {"linestyle": "", "marker": key.marker, "markersize": MARKER_PT, "markeredgewidth": 0.7}
    marker = Line2D([], [], color=key.line, markeredgecolor=PAPER, **style)
    return (patch, marker) if key.hatch else marker


class _HalfPatch(Patch):
    """A patch for the legend that is filled with a second colour up to a share of its height."""

    def __init__(self, *, base: str, **style: Any) -> None:
        super().__init__(**style)
        self.base = base


class _HalfHandler(HandlerPatch):
    """A handler of matplotlib that fills the lower part of a `_HalfPatch`."""

    def create_artists(self, legend: Any, orig_handle: Any, *place: Any) -> Sequence[Any]:
        x, y, width, height, _, trans = place
        base = Rectangle((-x, -y), width, BASE_SHARE * height, facecolor=orig_handle.base, transform=trans)
        return [*super().create_artists(legend, orig_handle, *place), base]
