"""The picture for where no kernel runs."""

from __future__ import annotations

import io

import matplotlib.image
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from kaygraph_viz.widgets.timeline.static_picture import DPI, still_png


def chart(width_in, height_in):
    return Figure(figsize=(width_in, height_in)).add_subplot()


def pixels(png):
    return matplotlib.image.imread(io.BytesIO(png))


def test_charts_stand_below_each_other_with_white_beside_the_narrow_one():
    found = pixels(still_png(chart(4, 2), chart(3, 1)))
    assert found.shape[:2] == (3 * DPI, 4 * DPI)
    assert (found[2 * DPI :, 3 * DPI :] == 1).all()


def test_same_charts_give_the_same_bytes():
    assert still_png(chart(2, 1)) == still_png(chart(2, 1))


def test_figures_of_pyplot_are_closed():
    before = plt.get_fignums()
    still_png(plt.subplots(figsize=(2, 1))[1])
    assert plt.get_fignums() == before


def test_figure_is_closed_also_when_it_cannot_be_drawn():
    before = plt.get_fignums()
    ax = plt.subplots(figsize=(2, 1))[1]
    ax.set_title("$\\broken{$")
    with pytest.raises(ValueError, match="broken"):
        still_png(ax)
    assert plt.get_fignums() == before
