"""The legend of a Gantt chart, as data: its entries, their words, and the note below the time axis.

Belongs here: which entries a chart has, and what each means for people who see one for the first time. Does not belong
here: how a legend is drawn (``plot.style``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.plot.gantt.layout import Layout
from kaygraph_viz.plot.gantt.loops import turns_of
from kaygraph_viz.plot.gantt.scene import Chart
from kaygraph_viz.plot.style import (
    BANDS_NOTE,
    CRITICAL,
    FILLS,
    LOOP_HELD_UP,
    MUTED,
    NAME_COLOURS,
    OTHER,
    PAPER,
    PREDICTED,
    STATUS_COLOURS,
    STATUS_FILLS,
    STATUS_WORDS,
    Fill,
    Key,
    Stroke,
)

IDLE = Fill("#F6F7F8", "idle rows")
STACKED_NOTE = "where parts are too short to draw, the height of a colour is its share of the time"


def bar_fills(layout: Layout, color_by: str) -> dict[str, Fill]:
    """Return the fill of each kind of rectangle that occurs, in the order of the legend."""
    present = dict.fromkeys(rect.fill for rect in layout.rects)
    found = {key: fill for key, fill in FILLS.items() if key in present}
    if color_by == "status":
        words = {key: STATUS_WORDS.get(key, key) for key in STATUS_COLOURS if key in present}
        return found | {key: Fill(STATUS_COLOURS[key], word) for key, word in words.items()}
    if color_by == "name":
        time_s: dict[str, float] = dict.fromkeys(present, 0.0)
        for rect in layout.rects:
            time_s[rect.fill] += rect.x1_s - rect.x0_s
        names = sorted(present.keys() - FILLS.keys(), key=lambda name: (-time_s[name], name))
        by_alphabet = sorted(names[: len(NAME_COLOURS)])  # so that a name has one colour in the charts of several runs
        colours = dict(zip(by_alphabet, NAME_COLOURS, strict=False))
        return found | {name: Fill(colours.get(name, OTHER), name if name in colours else "others") for name in names}
    return found


def image_keys(chart: Chart) -> list[Key]:
    """Return the entries that the legend of an image may have: a new figure needs room for them before it is drawn."""
    bad = {status for status in STATUS_FILLS for run in chart.runs if run.nesting.columns.is_status(status).any()}
    recorded = {code for run in chart.runs for code in np.unique(run.nesting.columns.parts.parts["kind"]).tolist()}
    absent = {kind for kind in ("gil", "core", "pause") if PART_CODE[kind] not in recorded}  # only if recorded
    return shown_keys(FILLS.keys() - {"queued", "around", "unknown"} - absent, bad, has_bands=chart.band_count > 0)


def shown_keys(parts: Collection[str], statuses: Collection[str], *, has_bands: bool) -> list[Key]:
    """Return the entries for parts and statuses that are in an image."""
    fills = [FILLS[part] for part in FILLS if part in parts] + [IDLE] * has_bands
    marks = [STATUS_FILLS[status] for status in STATUS_FILLS if status in statuses]
    return [fill._replace(hatch="") for fill in [*fills, *marks]]


def bar_keys(layout: Layout, fills: Mapping[str, Fill], marked: Collection[str]) -> list[Key]:
    """Return the entries of the legend: each fill once, and each way in which something ended badly."""
    found = {rect.fill for rect in layout.failed} | {bar.status for bar in layout.bars}
    keys = {fill.label: fill for fill in fills.values()}
    for status, fill in STATUS_FILLS.items():
        if status in found:
            colour = keys.get(fill.label, fill).colour  # where bars are filled by how they ended
            keys[fill.label] = fill._replace(colour=colour, marker=fill.marker if status in marked else "")
    return [*keys.values(), *[PREDICTED] * any(bar.is_predicted for bar in layout.bars)]


def note_of(chart: Chart, layout: Layout | None) -> str:
    """Return the sentence below the time axis: what readers of the picture could misunderstand."""
    if layout is not None:
        share = STACKED_NOTE if layout.is_stacked else ""
    elif chart.band_count:
        share = f"{chart.folded_count:,} rows in {counted(chart.band_count, 'band')}: {BANDS_NOTE}"
    else:
        share = f"{chart.bar_count:,} bars: a darker colour means that more of the time was used"
    dropped = f"{counted(chart.dropped, 'span')} dropped, not shown" if chart.dropped else ""
    predicted = dict.fromkeys(f"predicted from {run.predicted_from}" for run in chart.runs if run.predicted_from)
    return "; ".join(filter(None, [*predicted, share, dropped]))


# -- what each entry means --------------------------------------------------------------------------------------------

BAR_KEY = Fill(PAPER, "bar: one branch, with its name or its item's number")
BAND_KEY = Fill(PAPER, "band: many rows; a higher colour means more of them")
NODE_KEY = Stroke(MUTED, "grey line: a node, from its begin to its end", 1.6)
WHOLE: Mapping[str, str] = {FILLS["unknown"].label: "CPU and waiting, order not known (height: CPU share)"}
MEANINGS: Mapping[str, str] = {
    FILLS["queued"].label: "no worker was free yet",
    FILLS["cpu"].label: "computing",
    FILLS["gil"].label: "another thread computes",
    "waiting for the loop": "another coroutine computes",
    "waiting for the interpreter or the loop": "another one computes",
    FILLS["core"].label: "all cores are busy",
    FILLS["blocked"].label: "held up by a lock, a queue or a limit",
    FILLS["pause"].label: "it failed, and tries again later",
    FILLS["wait"].label: "for an answer, a file or a timer",
    FILLS["around"].label: "they have bars of their own",
    FILLS["busy"].label: "computing or waiting, not measured",
    STATUS_FILLS["error"].label: "it ended with an error",
    STATUS_FILLS["timeout"].label: "it took longer than allowed",
    STATUS_FILLS["abandoned"].label: "given up, but it went on",
    STATUS_FILLS["lost"].label: "the process of the worker died",
    STATUS_FILLS["cancelled"].label: "stopped before its end",
    CRITICAL.label: "the bars that made the run so long",
    LOOP_HELD_UP.label: "no other coroutine could go on",
    PREDICTED.label: "calculated, not measured",
}


def in_words(keys: Sequence[Key], chart: Chart, *, is_explained: bool) -> list[Key]:
    """Return the entries in their final words; if asked for with meanings, after those that every chart has."""
    usual = FILLS["gil"].label
    turns = f"waiting for {turns_of(chart.runs)}" if any(key.label == usual for key in keys) else usual
    found = [key._replace(label=turns) if key.label == usual else key for key in keys]
    if not is_explained:
        return found
    first: list[Key] = [BAND_KEY if chart.band_count else BAR_KEY]
    nodes = [NODE_KEY] if any(run.nodes for run in chart.runs) else []
    words = {**WHOLE, **{label: f"{label}: {meaning}" for label, meaning in MEANINGS.items()}}
    return [*first, *nodes, *(key._replace(label=words.get(key.label, key.label)) for key in found)]
