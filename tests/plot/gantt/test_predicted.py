"""What a chart of a predicted run looks like, across the modules of ``plot.gantt``."""

from __future__ import annotations

from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.style import PREDICTED
from kaygraph_viz.testing import bar, make_trace


def run_and_prediction():
    branches = [bar("get", "thread-1", at, at + 1, queued_s=at, cpu_s=0, index=at) for at in range(4)]
    measured = make_trace((bar("exec", "main", 0, 4, kind="phase", executor="thread", workers=1), branches))
    return measured, what_if(measured).trace(2)


def hatched(ax):
    return [c for c in ax.collections if c.get_hatch() == PREDICTED.hatch]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_all_bars_of_a_predicted_run_are_hatched_and_the_chart_says_where_it_comes_from(neat):
    _, predicted = run_and_prediction()
    ax = gantt(predicted)
    assert [collection.get_gid() for collection in hatched(ax)] == ["predicted"]
    assert PREDICTED.label in legend(ax)
    assert "predicted from the run with 1 worker" in ax.get_xlabel()
    assert "predicted from the run with 1 worker, not measured" in describe(ax).sentence
    assert neat(ax)


def test_a_measured_run_beside_it_is_not_hatched():
    measured, predicted = run_and_prediction()
    ax = gantt({"measured": measured, "predicted": predicted})
    (collection,) = hatched(ax)
    (path,) = collection.get_paths()
    corners = 5
    assert len(path.vertices) == corners * sum(span.kind == "branch" for span in predicted)
    assert "predicted" not in legend(gantt(measured))
    assert "predicted" not in describe(gantt(measured)).sentence


def test_labels_on_the_hatch_have_a_backing():
    _, predicted = run_and_prediction()
    texts = [text for text in gantt(predicted).texts if text.get_text().strip()]
    assert all(text.get_bbox_patch() is not None for text in texts)
    assert texts
