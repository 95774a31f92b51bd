"""The texts for bars."""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.nesting import Nesting
from kaygraph_viz.plot.gantt.bar_labels import BarLabels
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.layout import make_layout
from kaygraph_viz.plot.style import Size
from kaygraph_viz.testing import bar, make_trace
from tests.plot.gantt.examples import layout_of


def test_steps_around_the_work_are_slim_and_the_work_has_the_name_of_its_node():
    phases = [bar(name, "main", start, start + 1, kind="phase") for start, name in enumerate(["prep", "exec", "post"])]
    layout = layout_of(make_trace((bar("Load", "main", 0, 3, kind="node"), phases)))
    assert [made.height for made in layout.bars] == [Size.slim, Size.full, Size.slim]
    assert layout.bars[1].labels == ("Load",)


def test_items_of_a_batch_are_told_apart_by_their_number():
    trace = make_trace(bar("Check", "t", 0, 1, index=0), bar("Check", "t", 1, 2, index=1, status="timeout"))
    assert [made.labels for made in layout_of(trace).bars] == [
        ("Check 0", "0"), ("Check 1: timed out", "1: timed out", "timed out", "1")
    ]  # fmt: skip


def labels_of(trace):
    return BarLabels(Nesting.of(trace.columns), np.arange(len(trace)))


def test_a_name_that_is_used_once_needs_no_number():
    trace = make_trace(bar("a", "t", 0, 1, index=0), bar("b", "t", 1, 2, index=0), bar("b", "t", 2, 3, index=1))
    assert [labels_of(trace).of(position) for position in range(3)] == [("a",), ("b 0", "0"), ("b 1", "1")]


def test_retries_and_failures_are_said_together_and_outlast_the_name():
    trace = make_trace(bar("a", "t", 0, 1, attempt=3, status="error"))
    assert labels_of(trace).of(0) == ("a: error, 3 tries", "error, 3 tries")


def test_the_full_text_of_a_phase_names_its_node():
    trace = make_trace((bar("Load", "main", 0, 2, kind="node"), [bar("prep", "main", 0, 1, kind="phase")]))
    labels = labels_of(trace)
    assert (labels.name(1), labels.full(1), labels.is_slim(1)) == ("Load", "Load: prep", True)


def test_a_branch_called_prep_is_no_phase():
    assert not labels_of(make_trace(bar("prep", "t", 0, 1))).is_slim(0)


def test_a_label_stands_behind_the_name_which_is_cut_before_it_is_dropped():
    trace = make_trace(
        bar("fetch_anchor_pages", "t", 0, 1, label='"a.html"'), bar("fetch_anchor_images", "t", 1, 2, label="7")
    )
    assert labels_of(trace).of(0) == ('fetch_anchor_pages("a.html")', 'fetc…pages("a.html")', '"a.html"')
    assert labels_of(trace).of(1) == ("fetch_anchor_images(7)", "fetc…mages(7)", "7")
    assert labels_of(trace).name(0) == "fetch_anchor_pages"


def test_a_short_name_is_not_cut_beside_a_label():
    assert labels_of(make_trace(bar("fetch", "t", 0, 1, label="7"))).of(0) == ("fetch(7)", "7")


def test_a_label_from_a_file_is_made_harmless():
    assert labels_of(make_trace(bar("a", "t", 0, 1, label="x\n\u202ey"))).of(0) == ("a(x y)", "x y")
    assert labels_of(make_trace(bar("a", "t", 0, 1, label=["x"]))).of(0) == ("a",)


def test_a_bundle_tells_its_number_of_items():
    trace = make_trace(bar("square", "t", 0, 1, items=1_000), bar("square", "t", 1, 2, items=1))
    assert [labels_of(trace).of(position) for position in (0, 1)] == [("square x 1,000", "x 1,000"), ("square",)]


def test_what_a_branch_around_others_did_itself_is_called_after_it():
    pages = [
        (bar("page", "t-1", start, start + 4, index=index), [bar("image", "t-2", start + 1, start + 3)])
        for index, start in enumerate((0, 4))
    ]
    layout = make_layout(Chart.of(make_trace(*pages), has_own_time=True))
    assert [made.labels[0] for made in layout.bars if made.row == 0] == ["page 0", "page 0", "page 1", "page 1"]
