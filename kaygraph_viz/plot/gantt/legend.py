"""What each entry of a Gantt chart's legend means, for people who see one for the first time.

Does not belong here: how a legend is drawn, and its short labels (``plot.style``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kaygraph_viz.plot.gantt.scene import Chart
from kaygraph_viz.plot.style import (
    CRITICAL,
    FILLS,
    LOOP_HELD_UP,
    MUTED,
    PAPER,
    PREDICTED,
    STATUS_FILLS,
    Fill,
    Key,
    Stroke,
)

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


def explained(keys: Sequence[Key], chart: Chart) -> list[Key]:
    """Return the entries of a legend with their meanings, after entries for what every chart consists of."""
    first: list[Key] = [BAND_KEY if chart.band_count else BAR_KEY]
    nodes = [NODE_KEY] if any(run.nodes for run in chart.runs) else []
    words = {**WHOLE, **{label: f"{label}: {meaning}" for label, meaning in MEANINGS.items()}}
    return [*first, *nodes, *(key._replace(label=words.get(key.label, key.label)) for key in keys)]
