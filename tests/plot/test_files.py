"""Pictures as files that contain their description."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.curves.concurrency import concurrency
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.files import save_picture
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import bar, make_trace


def test_a_png_carries_its_description(batch, tmp_path):
    path = save_picture(gantt(batch()), tmp_path / "chart.png", dpi=50)
    with Image.open(path) as image:
        assert image.text["Description"] == describe(gantt(batch())).sentence


def test_an_svg_has_its_description_as_title_and_is_the_same_each_time(batch, tmp_path):
    paths = [save_picture(gantt(batch()), tmp_path / f"{number}.svg") for number in range(2)]
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert b"<title>Gantt chart of 12 branches" in first
    assert b"<script" not in first


def test_a_figure_of_several_pictures_carries_all_descriptions(batch, tmp_path):
    _, axes = plt.subplots(2)
    gantt(batch(), ax=axes[0])
    concurrency(batch(), ax=axes[1])
    path = save_picture(axes[0], tmp_path / "both.svg")
    title = path.read_text(encoding="utf-8").partition("<title>")[2].partition("</title>")[0]
    assert "Gantt chart" in title
    assert "Curve of how much ran at once" in title


def test_hostile_names_are_escaped_in_the_title(tmp_path):
    ax = gantt(make_trace(bar("</title><script>alert(1)</script>", "t", 0, 1)))
    text = save_picture(ax, tmp_path / "x.svg").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_pdf_has_a_subject(batch, tmp_path):
    data = save_picture(gantt(batch()), tmp_path / "chart.pdf").read_bytes()
    assert b"/Subject (Gantt chart of 12 branches" in data


@pytest.mark.parametrize(
    ("ax", "name", "options"),
    [(3, "x.png", {}), (None, "x.png", {}), ("chart", "x.exe", {}), ("chart", "x", {}), ("chart", "x.png", {"dpi": 0}),
     ("chart", "x.png", {"dpi": np.nan})],
)  # fmt: skip
def test_what_cannot_be_written_is_refused(ax, name, options, batch, tmp_path):
    picture = gantt(batch()) if ax == "chart" else ax
    with pytest.raises(OptionError):
        save_picture(picture, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []
