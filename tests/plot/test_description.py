"""Pictures in words, and pictures as files that carry them."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot import description as module
from kaygraph_viz.plot.curves.concurrency import concurrency
from kaygraph_viz.plot.description import Description, Table, describe
from kaygraph_viz.plot.files import save_picture
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


def test_a_table_without_rows_is_left_out():
    assert str(Description("x", [Table(("name",), [])])) == "x"


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
    before = len(module._descriptions)
    gantt(batch())
    plt.close("all")
    gc.collect()
    assert len(module._descriptions) == before


def test_a_chart_of_few_bars_has_a_line_for_each(validation):
    table = describe(gantt(validation)).tables[0]
    rows = {row[2]: row for row in table.rows}
    numbers = ("", "0.100 s", "2.90 s", "", "", "2.00 s", "0 s")
    assert rows["external"] == ("", "t-3", "external", "1.00 s", "6.00 s", *numbers, "error", "")
    assert rows["format"][-2] == "ok, 2 tries"
    assert "Validate: prep" in rows


def test_a_chart_of_many_bars_has_a_line_for_each_row(batch):
    table = describe(gantt(batch(items=80))).tables[0]
    assert len(table.rows) == 4
    assert table.rows[0] == ("", "thread-1", "20", "0 s", "19.9 s", "18.0 s", "9.50 s", "6.00 s", "12.0 s", *[""] * 4,
                             "0")  # fmt: skip


def test_a_chart_of_very_many_workers_has_a_bounded_table(batch):
    rows = describe(gantt(batch(300, 300))).tables[0].rows
    assert len(rows) == 40
    assert rows[-1][1] == "261 more rows"


def test_several_runs_are_told_apart(batch):
    description = describe(gantt({"before": batch(), "after": batch(workers=2)}, critical_path=True))
    assert description.sentence.count("Gantt chart") == 2
    assert "The critical path of after leads through" in description.sentence
    table = description.tables[0]
    assert {row[0] for row in table.rows} == {"before", "after"}
    assert {row[-1] for row in table.rows} == {"yes", ""}


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
    assert "Curve of what ran at once" in title


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
