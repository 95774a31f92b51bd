"""The legend of a picture."""

from __future__ import annotations

from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.style import (
    FILLS,
)
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import drawn


def test_the_legend_covers_no_bar(validation):
    ax = gantt(validation)
    renderer = drawn(ax)
    legend = ax.get_legend().get_window_extent(renderer)
    assert legend.y0 >= ax.get_window_extent(renderer).y1 - 1
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    share = "not known when (height: CPU share)"
    assert set(texts) == {"CPU", "blocked", share, "running", "pause before a retry", "error", "timed out"}


def test_the_legend_shows_what_is_not_known_when_in_two_colours(neat):
    ax = gantt(make_trace(bar("a", "main", 0, 4, cpu_s=1)))
    assert "not known when (height: CPU share)" in neat(ax)
    colours = {to_rgb(patch.get_facecolor()) for patch in ax.get_legend().findobj(Patch)}
    assert {to_rgb(FILLS["unknown"].colour), to_rgb(FILLS["unknown"].base)} <= colours
