"""More bars than pixels, as an image."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

import kaygraph_viz as kv
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import recorded


def test_many_bars_become_an_image(batch):
    ax = gantt(batch(items=40), max_bars=39)
    assert len(ax.images) == 1
    assert not [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert "40 bars" in ax.get_xlabel()
    pixels = np.asarray(ax.images[0].get_array())
    assert pixels.min() >= 0
    assert pixels.max() <= 1


def test_an_image_marks_what_failed():
    made = [bar("b", "t", number, number + 1, status="error" if number == 7 else "ok") for number in range(20)]
    ax = gantt(make_trace(*made), max_bars=10)
    (marks,) = (c for c in ax.collections if c.get_gid() == "marks-error")
    assert marks.get_offsets()[0][0] == pytest.approx(8, abs=0.1)


def test_several_runs_become_images_below_each_other(batch):
    ax = gantt({"a": batch(), "b": batch(workers=2)}, max_bars=5)
    extents = [image.get_extent() for image in ax.images]
    assert [round(bottom - top) for _, _, bottom, top in extents] == [4, 2]
    assert extents[0][2] < extents[1][3]  # the heading of the second one lies between


def test_an_image_names_the_same_parts():
    ax = gantt(recorded("thread", lambda _: kv.compute(0.02), range(4)), max_bars=1)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CPU", "waiting for the interpreter"]
