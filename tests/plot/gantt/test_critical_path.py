"""The critical path on the rows of a chart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.collections import LineCollection

from kaygraph_viz.analysis.nesting import Nesting
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.critical_path import path_lines, path_steps
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.rows import centres
from kaygraph_viz.plot.style import Size
from kaygraph_viz.testing import bar, make_trace


def test_the_path_leads_from_row_to_row():
    branches = [bar("a", "t-1", 0, 2), bar("b", "t-2", 2, 5, span_id=9, links=(8,)), bar("c", "t-1", 2, 3)]
    branches[0] = bar("a", "t-1", 0, 2, span_id=8)
    chart = Chart.of(make_trace((bar("exec", "main", 0, 5, kind="phase"), branches)))
    lines = path_lines(chart.runs[0], path_steps(chart.runs[0].nesting), centres(chart.rows))
    assert [[x for x, _ in line] for line in lines.along] == [[0, 2], [2, 5]]
    assert lines.between == [[(2, 0.37), (2, 1.37), (2, 1.37)]]
    assert lines.waits == []


def test_many_steps_of_one_row_are_one_line():
    made = [bar("b", "t", number, number + 0.9999) for number in range(3_000)]
    chart = Chart.of(make_trace((bar("exec", "main", 0, 3_000, kind="phase"), made)))
    assert len(path_lines(chart.runs[0], path_steps(chart.runs[0].nesting), centres(chart.rows)).along) == 1


def test_the_critical_path_is_drawn_beneath_its_bars():
    branches = [bar("a", "t-1", 0, 2), bar("b", "t-2", 0, 3), bar("c", "t-2", 3, 5), bar("d", "t-1", 5.5, 6)]
    ax = gantt(make_trace((bar("exec", "main", 0, 6, kind="phase"), branches)), critical_path=True)
    lines = {c.get_gid(): [np.round(line, 6).tolist() for line in c.get_segments()] for c in ax.collections
             if isinstance(c, LineCollection)}  # fmt: skip
    low, high = 0.37, 1.37  # the lower ends of the bars in the rows of t-1 and t-2
    assert lines["critical"] == [[[0, high], [5, high]], [[5.5, low], [6, low]]]
    assert lines["critical-wait"] == [[[5, high], [5, low], [5.5, low]]]
    assert "critical path" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert "The critical path is b, then c, then d." in ax.get_label()


def test_without_being_asked_for_no_critical_path_is_drawn(validation):
    assert not [c for c in gantt(validation).collections if str(c.get_gid()).startswith("critical")]


def test_a_step_that_is_no_bar_of_the_chart_is_left_out():
    run = Chart.of(make_trace(bar("a", "t-1", 0, 2, span_id=8))).runs[0]
    (step,) = path_steps(run.nesting)
    lines = path_lines(run, [replace(step, span_id=99), step], [5.0])
    assert lines == ([[(0, 5 + Size.full / 2), (2, 5 + Size.full / 2)]], [], [])


def test_a_run_without_spans_has_no_path():
    assert path_steps(Nesting.of(make_trace().columns)) == ()
