"""Pictures in words: descriptions, alternative texts, and files that carry them."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import select_figure_formats
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot import description as alt_texts, description as descriptions
from kaygraph_viz.plot.canvas import save_picture
from kaygraph_viz.plot.curves.concurrency import concurrency
from kaygraph_viz.plot.description import MAX_LENGTH, NOTHING, Description, Table, alt_text, describe
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import bar, make_trace


def test_columns_without_anything_in_them_are_left_out():
    shown = str(Description("x", [Table(("name", "unused", "time"), [("a", "", "1 s"), ("b", "", "10 s")])]))
    assert shown.splitlines() == ["x", "", "name  time", "a      1 s", "b     10 s"]


def test_html_is_escaped():
    shown = Description("<b>", [Table(("name",), [("<script>",)])])._repr_html_()
    assert "<p>&lt;b&gt;</p>" in shown
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown


def test_the_last_picture_on_an_axes_is_the_one_described(batch):
    _, ax = plt.subplots()
    gantt(batch(), ax=ax)
    concurrency(batch(), ax=ax)
    assert describe(ax).sentence.startswith("Curve")
    assert ax.get_label() == describe(ax).sentence


def test_an_axes_of_others_has_no_description():
    for other in (plt.subplots()[1], 3):
        with pytest.raises(OptionError, match="drawn on by this package"):
            describe(other)


def test_descriptions_do_not_keep_figures_alive(batch):
    gc.collect()
    before = len(descriptions._descriptions)
    gantt(batch())
    plt.close("all")
    gc.collect()
    assert len(descriptions._descriptions) == before


# -- alternative texts of figures, also as ipython stores them -----


def trace():
    return make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 2))


def test_the_text_of_our_chart_is_its_description():
    ax = gantt(trace())
    assert alt_text(ax.figure) == describe(ax).sentence


def test_a_figure_of_several_charts_has_the_sentences_of_all():
    figure, (upper, lower) = plt.subplots(2)
    gantt(trace(), ax=upper)
    concurrency(trace(), ax=lower)
    figure.suptitle("One run")
    assert alt_text(figure) == f"One run. {describe(upper).sentence} {describe(lower).sentence}"


def test_a_figure_that_is_not_ours_is_described_by_its_titles_labels_and_lines():
    _, ax = plt.subplots()
    ax.set(title="How long it took", xlabel="workers", ylabel="seconds")
    ax.plot([1, 2], [2, 1], label="threads")
    ax.plot([1, 2], [2, 2], label="processes")
    assert alt_text(ax.figure) == (
        "How long it took: workers on the x axis and seconds on the y axis. It shows threads and processes."
    )


@pytest.mark.parametrize("drawn", [(), ("plot",)])
def test_a_figure_without_a_word_has_a_text(drawn):
    figure = Figure()
    for name in drawn:
        getattr(figure.add_subplot(), name)([1, 2])
    assert alt_text(figure) == NOTHING


def test_a_text_is_plain_and_not_endless():
    figure = Figure()
    figure.add_subplot().set_title("a\x00b\u202e" + "long " * 10_000)
    text = alt_text(figure)
    assert len(text) <= MAX_LENGTH
    assert not {"\x00", "\u202e"} & set(text)


@pytest.fixture
def shell(monkeypatch):
    """A shell of IPython that shows figures as the inline backend does."""
    shell = InteractiveShell()
    monkeypatch.setattr(alt_texts.sys.modules["IPython"], "get_ipython", lambda: shell)
    select_figure_formats(shell, {"png"})
    return shell


def test_ipython_stores_the_text_beside_the_picture(shell):
    ax = gantt(trace())
    data, metadata = shell.display_formatter.format(ax.figure)
    assert metadata == {"image/png": {"alt": describe(ax).sentence}}
    assert {"image/png", "text/plain"} == set(data)


def test_a_figure_of_the_reader_looks_as_before_and_has_a_text(shell):
    figure = Figure()
    figure.add_subplot().set_title("Mine")
    before, nothing = shell.display_formatter.format(figure)
    gantt(trace())
    data, metadata = shell.display_formatter.format(figure)
    assert (nothing, metadata) == ({}, {"image/png": {"alt": "Mine."}})
    assert data == before


def test_nothing_happens_where_no_ipython_runs(monkeypatch):
    monkeypatch.setattr(alt_texts.sys.modules["IPython"], "get_ipython", lambda: None)
    assert gantt(trace()).figure.axes


# -- pictures as files that contain their description -----


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
