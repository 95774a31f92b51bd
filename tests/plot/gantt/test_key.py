"""The key of a chart: what each entry of its legend means."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.gantt.key import MEANINGS, WHOLE
from kaygraph_viz.plot.style import CRITICAL, FILLS, LOOP_HELD_UP, PREDICTED, STATUS_FILLS
from kaygraph_viz.testing import bar, make_trace


def entries(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_key_explains_what_is_in_the_chart_and_nothing_else(validation, neat):
    found = entries(gantt(validation, key=True, critical_path=True))
    assert found[0] == "bar: one branch, with its name or its item's number"
    assert {
        "grey line: a node, from its begin to its end",
        "blocked: held up by a lock, a queue or a limit",
        "error: it ended with an error",
        "critical path: the bars that made the run so long",
    } <= set(found)
    assert not any(entry.startswith(("queued", "waiting for", "predicted")) for entry in found)
    assert neat(gantt(validation, key=True, critical_path=True))


def test_a_chart_without_a_key_has_short_entries(batch):
    assert "queued" in entries(gantt(batch()))
    assert "queued: no worker was free yet" in entries(gantt(batch(), key=True))


def test_each_entry_that_a_legend_can_have_is_explained():
    labels = {key.label for key in (*FILLS.values(), *STATUS_FILLS.values(), CRITICAL, LOOP_HELD_UP, PREDICTED)}
    assert labels <= MEANINGS.keys() | WHOLE.keys()


@pytest.mark.parametrize(("lane", "other"), [("task-1", "another coroutine"), ("t-1", "another thread")])
def test_what_bars_wait_for_depends_on_their_workers(lane, other):
    ax = gantt(make_trace(bar("a", lane, 0, 2, parts=[("gil", 1), ("cpu", 1)])), key=True)
    assert any(entry.endswith(f": {other} computes") for entry in entries(ax))


def test_bands_are_explained_in_place_of_bars():
    ax = gantt(make_trace(*(bar("a", f"t-{number}", 0, 1, cpu_s=1) for number in range(300))), key=True)
    assert any(entry.startswith("band:") for entry in entries(ax))
    assert not any(entry.startswith("bar:") for entry in entries(ax))


def test_a_key_that_is_neither_wanted_nor_unwanted_is_an_error(batch):
    with pytest.raises(OptionError, match="key"):
        gantt(batch(), key="yes")
