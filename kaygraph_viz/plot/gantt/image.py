"""The image of more bars than pixels: the deeper the colour, the more of that moment was used; in bands, the higher.

Belongs here: mixing and stacking colours by shares. Does not belong here: the shares (``bins``).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb, to_rgba

from kaygraph_viz.parts import PART_CODE
from kaygraph_viz.plot.canvas import Canvas
from kaygraph_viz.plot.gantt.bars import add_marks
from kaygraph_viz.plot.gantt.bins import Bins, make_bins
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.part_fills import Floats
from kaygraph_viz.plot.style import BAR, FILLS, STATUS_FILLS, Fill, Key, Size

__all__ = ["draw_image", "image_keys"]

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.floating[Any]]]

MAX_SEPARATE_ROWS = 60  # of more rows, gaps between them would take what little height they have
MIN_BINS = 50
BAND_LINES = 32  # of an image for the height of a row: so fine are the heights in a band
EDGE = 0.5  # how dark the upper edge of a band is
IDLE = Fill("#F6F7F8", "idle rows")


def draw_image(canvas: Canvas, chart: Chart) -> list[Key]:
    """Draw the bars of a chart as images, one for each block of rows, and return the entries of the legend."""
    at, ax = canvas.row_centres, canvas.ax
    pixels = round(canvas.width_pt / 72 * ax.figure.dpi)
    bins = make_bins(chart, max(MIN_BINS, pixels))
    limits = ax.get_xlim(), ax.get_ylim()
    is_crowded = len(chart.rows) > MAX_SEPARATE_ROWS
    for block in bins:
        if not block.shares:  # where nothing took any time
            continue
        extent = (0.0, chart.extent_s or 1e-9, at[block.rows.stop - 1] + 0.5, at[block.rows.start] - 0.5)
        style: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "origin": "upper", "zorder": 1.5}
        pixels_of = _stacked(block) if chart.band_count else _image(block, is_crowded=is_crowded)
        ax.imshow(pixels_of, extent=extent, **style)
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])
    failed = [
        (status, time_s, int(row))
        for block in bins
        for status, places in block.failed.items()
        for row, time_s in places
    ]
    parts = {part for block in bins for part in block.shares}
    return _keys(parts, add_marks(canvas, failed), has_bands=chart.band_count > 0)


def image_keys(chart: Chart) -> list[Key]:
    """Return the entries that the legend of an image may have: a new figure needs room for them before it is drawn."""
    bad = {status for status in STATUS_FILLS for run in chart.runs if run.nesting.columns.is_status(status).any()}
    recorded = {code for run in chart.runs for code in np.unique(run.nesting.columns.parts.parts["kind"]).tolist()}
    absent = {kind for kind in ("gil", "core", "pause") if PART_CODE[kind] not in recorded}  # only if recorded
    return _keys(FILLS.keys() - {"queued", "around", "unknown"} - absent, bad, has_bands=chart.band_count > 0)


def _keys(parts: Collection[str], statuses: Collection[str], *, has_bands: bool) -> list[Key]:
    fills = [FILLS[part] for part in FILLS if part in parts] + [IDLE] * has_bands
    marks = [STATUS_FILLS[status] for status in STATUS_FILLS if status in statuses]
    return [fill._replace(hatch="") for fill in [*fills, *marks]]


def _stacked(bins: Bins) -> Pixels:
    """Return the colours of the parts on each other, each as high as the share of the rows of a band that it has."""
    parts = [part for part in FILLS if part in bins.shares]
    lines = round(BAND_LINES * Size.full)
    highs = np.cumsum([lines * bins.shares[part] for part in parts], axis=0)
    rows, wide = highs[0].shape
    below = np.arange(lines)[::-1, None]  # how many lines are below each
    image = np.zeros((rows, BAND_LINES, wide, 4), np.float32)
    inner = image[:, (BAND_LINES - lines) // 2 :][:, :lines]
    inner[:] = to_rgba(IDLE.colour)
    for row in range(rows):
        for part, high in zip(reversed(parts), highs[::-1, row], strict=True):  # those below cover those above
            _paint(inner[row], FILLS[part].colour, (high - below).clip(0, 1))
        top = highs[-1, row]
        _paint(inner[row], BAR, EDGE * ((top - below).clip(0, 1) - (top - 1 - below).clip(0, 1)))
    return image.clip(0, 1, out=image).reshape(-1, wide, 4)


def _paint(pixels: Pixels, colour: str, cover: Floats) -> None:
    """Paint each pixel as far as it is covered, 0 to 1."""
    pixels += cover[:, :, None].astype(np.float32) * (np.array(to_rgba(colour), np.float32) - pixels)


def _image(bins: Bins, *, is_crowded: bool) -> Pixels:
    """Return the colours of the parts mixed with white by their shares; empty time and gaps of rows are transparent."""
    some = next(iter(bins.shares.values()))
    mixed = np.ones((*some.shape, 4))
    for part, share in bins.shares.items():
        mixed[:, :, :3] -= share[:, :, None] * (1 - np.array(to_rgb(FILLS[part].colour)))
    mixed[:, :, 3] = (mixed[:, :, :3] < 1).any(axis=2)
    if is_crowded:
        return mixed.clip(0, 1)
    lines = np.repeat(mixed[:, None], 8, axis=1)
    lines[:, [0, -1], :, 3] = 0
    return lines.reshape(-1, *mixed.shape[1:]).clip(0, 1)
