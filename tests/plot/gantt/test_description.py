"""Gantt charts in words."""

from __future__ import annotations

import kaygraph_viz as kv
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.gantt.gantt import gantt
from tests.plot.gantt.examples import recorded


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
    rows = describe(gantt(batch(150, 150))).tables[0].rows
    assert len(rows) == 40
    assert rows[-1][1] == "111 more rows"


def test_several_runs_are_told_apart(batch):
    description = describe(gantt({"before": batch(), "after": batch(workers=2)}, critical_path=True))
    assert description.sentence.count("Gantt chart") == 2
    assert "The critical path of after is" in description.sentence
    table = description.tables[0]
    assert {row[0] for row in table.rows} == {"before", "after"}
    assert {row[-1] for row in table.rows} == {"yes", ""}


def test_the_picture_and_its_words_name_the_same_parts():
    ax = gantt(recorded("process", lambda _: kv.compute(3), range(4), cores=2))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CPU", "waiting for a core"]
    assert "50% computing and 50% waiting for a core; at most 2 bars compute at once." in kv.describe(ax).sentence
    heading = str(kv.describe(ax)).splitlines()[2].split()
    assert heading == ["worker", "bar", "from", "to", "CPU", "core", "ended"]
