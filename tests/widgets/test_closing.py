"""What a widget consists of."""

from __future__ import annotations

import ipywidgets
from ipywidgets.widgets import widget

from kaygraph_viz.widgets.closing import parts_of


def test_closing_all_parts_leaves_nothing():
    before = set(widget._instances)
    box = ipywidgets.VBox([ipywidgets.HBox([ipywidgets.Button(), ipywidgets.IntSlider()]), ipywidgets.Select()])
    assert len(set(widget._instances) - before) > 6
    for part in [*parts_of(box), box]:
        part.close()
    assert set(widget._instances) == before


def test_a_widget_without_children_has_its_layout():
    assert [type(part) for part in parts_of(ipywidgets.VBox())] == [ipywidgets.Layout]
