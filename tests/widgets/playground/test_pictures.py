"""Tests of the pictures of a panel."""

from __future__ import annotations

import io

import matplotlib.image
import numpy as np

from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.playground.pictures import gantt_picture


def height_and_lowest_ink(trace):
    picture = matplotlib.image.imread(io.BytesIO(gantt_picture(trace).png))[..., :3]
    return len(picture), int(np.flatnonzero((picture < 0.9).any(axis=(1, 2))).max())


def test_a_note_below_the_axis_is_not_cut_off():
    whole = make_trace(bar("whole", "thread-1", 0, 1, parts=[("wait", 1)]))
    in_bits = make_trace(bar("in bits", "thread-1", 0, 1, parts=[("cpu", 0.001), ("wait", 0.001)] * 500))
    (height, without), (same, noted) = height_and_lowest_ink(whole), height_and_lowest_ink(in_bits)
    assert same == height
    assert without < noted < height - 2


def test_very_many_workers_are_folded():
    picture = gantt_picture(make_trace(*(bar("a", f"t-{lane}", 0, 1) for lane in range(1_000))))
    assert "folded into 20 bands" in picture.alt
