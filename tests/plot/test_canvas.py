"""The canvas of a picture: time axis, rows, texts, title."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import drawn


@pytest.mark.parametrize(
    ("scale", "unit", "number"), [(1, "s", "2"), (1e-2, "ms", "20"), (1e-5, "µs", "20"), (1e-8, "ns", "20")]
)
def test_the_time_axis_is_in_seconds_and_written_in_a_fitting_unit(scale, unit, number):
    ax = gantt(make_trace(bar("a", "t", 0, 2 * scale)))
    assert ax.get_xlabel() == f"time [{unit}]"
    assert ax.get_xlim()[1] == pytest.approx(2 * scale, rel=0.05)
    assert ax.xaxis.get_major_formatter()(2 * scale, 0) == number


def test_rows_are_named_from_top_to_bottom(validation):
    ax = gantt(validation)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["main", "t-1", "t-2", "t-3", "t-4"]
    bottom, top = ax.get_ylim()
    assert bottom > top


def test_row_names_thin_out_before_they_collide(batch):
    ax = gantt(batch(300, 300))
    renderer = drawn(ax)
    boxes = [label.get_window_extent(renderer) for label in ax.get_yticklabels()]
    assert 20 < len(boxes) < 300
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))
