"""The style of all pictures: colours, hatches, sizes, and the words of legends.

Does not belong here: geometry (``gantt.layout``, ``diagram.scene``), and which entries a legend has.

The colours derive from the palette of Okabe and Ito (2008), whose members stay distinct under the common forms of
colour blindness. Nothing is said by colour alone: each kind of failure has a hatch, a word and a marker of its own,
waiting is paler as well as another colour, waiting for the interpreter and for a core have a light hatch, the queue is
thinner. Black text is readable on every fill (contrast of at least 4.5).
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

BAR = "#2F4858"  # outlines and lines
TEXT = "#1A1A1A"
MUTED = "#5F6B73"
GRID = "#E3E7EA"
PAPER = "#FFFFFF"
FAILED = "#A33B00"
OTHER = "#C9CED2"  # names for which no colour is left


class Fill(NamedTuple):
    """The fill of one kind of rectangle, and its name in the legend; `line` is for its hatch and its marker."""

    colour: str
    label: str
    hatch: str = ""
    marker: str = ""
    line: str = BAR
    base: str = ""


class Stroke(NamedTuple):
    """The style of one kind of line, and its name in the legend."""

    colour: str
    label: str
    width: float = 1.5
    style: str = "-"
    marker: str = ""


Key: TypeAlias = Fill | Stroke  # an entry of a legend


class Size:
    """Sizes: heights as a share of a row, widths and fonts in points, figures in inches."""

    full = 0.74
    slim = 0.34
    queue = 0.16
    font = 9.0
    small_font = 8.0
    title_font = 11.0
    figure_width = 9.0
    row_height = 0.34
    max_height = 11.0
    min_height = 1.55


CPU, WAITING = "#56A5DD", "#D8EAF8"
FILLS = {  # by the kinds of parts, in the order of the legend; where parts are stacked, from the bottom of the bar
    "queued": Fill("#8C8C8C", "queued"),
    "cpu": Fill(CPU, "CPU"),
    "gil": Fill("#A3D6BD", "waiting for the interpreter", "....", line="#5F9F82"),
    "core": Fill("#C4B8E4", "waiting for a core", "////", line="#9483C4"),
    "blocked": Fill("#E69F00", "blocked", "xxx"),
    "pause": Fill("#B5739D", "pause before a retry"),
    "wait": Fill(WAITING, "waiting"),
    "unknown": Fill(WAITING, "not known when (height: CPU share)", base=CPU),
    "around": Fill("#E3E7EA", "waiting for its branches"),
    "busy": Fill("#9CCBEB", "running"),  # what is not known when, and of which CPU was not measured
}
STATUS_FILLS = {  # what did not end well: a hatch over the bar, and a marker where the bar has no room for a word
    "error": Fill(PAPER, "error", "/////", "X", FAILED),
    "timeout": Fill(PAPER, "timed out", "\\\\\\\\\\", "v", FAILED),
    "abandoned": Fill(PAPER, "abandoned", "|||", "D", FAILED),
    "lost": Fill(PAPER, "worker lost", "+++", "P", FAILED),
    "cancelled": Fill(PAPER, "cancelled", "---", "s", MUTED),
}
STATUS_WORDS = {status: fill.label for status, fill in STATUS_FILLS.items()} | {"skipped": "skipped"}
STATUS_COLOURS = {
    "ok": "#56B4E9",
    "error": "#E8793A",
    "cancelled": "#C9CED2",
    "timeout": "#E69F00",
    "abandoned": "#CC79A7",
    "lost": "#F0E442",
    "skipped": "#FFFFFF",
}
NAME_COLOURS = (  # the last one is that of a pause, too
    "#56B4E9",
    "#E69F00",
    "#2DB98B",
    "#F0E442",
    "#E8793A",
    "#8FA6E8",
    "#CC79A7",
)
BANDS_NOTE = "the height of a colour is its share of the rows of a band"
CRITICAL = Stroke("#7A1FA2", "critical path", 2.4)
LOOP_HELD_UP = Stroke(FAILED, "held up the loop", 2.4)
PREDICTED = Fill(PAPER, "predicted", "//", line=MUTED)  # lies over what was never measured

NODE_FILL = "#FFFFFF"
PARALLEL_FILL = "#D8EAF8"
BRANCH_FILL = "#EEF6FC"
MORE_FILL = "#F4F4F4"
BOX_FILLS = {"node": NODE_FILL, "parallel": PARALLEL_FILL, "branch": BRANCH_FILL, "more": MORE_FILL, "join": BAR}
