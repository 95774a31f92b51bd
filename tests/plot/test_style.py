"""Colours and hatches: readable, and told apart without colour."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from kaygraph_viz.plot.style import (
    BRANCH_FILL,
    FILLS,
    MORE_FILL,
    NAME_COLOURS,
    PARALLEL_FILL,
    STATUS_COLOURS,
    TEXT,
)


def luminance(colour):
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize(
    "colour",
    [*(fill.colour for key, fill in FILLS.items() if key != "queued"), *NAME_COLOURS, *STATUS_COLOURS.values(),
     PARALLEL_FILL, BRANCH_FILL, MORE_FILL],
)  # fmt: skip
def test_text_is_readable_on_every_fill(colour):
    assert (luminance(colour) + 0.05) / (luminance(TEXT) + 0.05) >= 4.5


def test_what_a_branch_did_is_told_apart_without_colour():
    bright = {key: luminance(FILLS[key].colour) for key in ("cpu", "gil", "core", "wait")}
    assert bright["cpu"] < min(bright["gil"], bright["core"])
    assert max(bright["gil"], bright["core"]) < bright["wait"]
    assert bright["wait"] - bright["cpu"] > 0.3
    hatches = [FILLS[key].hatch for key in ("gil", "core", "blocked", "wait")]
    assert len(set(hatches)) == len(hatches)
