"""The diagram and the styles, as they are sent to the browser."""

from __future__ import annotations

import json

from kaygraph_viz.plot.style import FILLS, STATUS_FILLS
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.attributes import TEXT_LIMIT
from kaygraph_viz.trace.structure import EdgeView, GraphView, NodeView
from kaygraph_viz.widgets.timeline.scene_data import MAX_BRANCHES, STYLES, scene_data

VIEW = GraphView("g", (NodeView("load", "Load"), NodeView("check", "Check", True)), (EdgeView("load", "check"),))


def trace_of(*statuses):
    branches = [bar(f"b{at}", "t", at, at + 1, status=status) for at, status in enumerate(statuses)]
    return make_trace((bar("check", "main", 0, len(statuses), kind="node"), branches))


def test_styles_are_those_of_the_static_pictures():
    assert {part: fill["colour"] for part, fill in STYLES["parts"].items()} == {
        part: fill.colour for part, fill in FILLS.items()
    }
    said = {one["key"]: (one["label"], one["hatch"], one["marker"]) for one in STYLES["statuses"]}
    assert said["ok"] == ("ok", "", "")
    assert {key: said[key] for key in STATUS_FILLS} == {
        key: (fill.label, fill.hatch, fill.marker) for key, fill in STATUS_FILLS.items()
    }


def test_without_a_run_there_is_a_box_for_each_node():
    data = scene_data(VIEW, None)
    assert [box["node"] for box in data["boxes"] if box["node"]] == ["load", "check"]
    assert json.loads(json.dumps(data)) == data


def test_branches_have_boxes_up_to_a_number():
    boxes = scene_data(VIEW, trace_of(*["ok"] * 4))["boxes"]
    assert {box["branch"] for box in boxes if box["node"] == "check"} >= {"b0", "b1", "b2", "b3"}
    many = [box for box in scene_data(VIEW, trace_of(*["ok"] * 40))["boxes"] if box["branch"]]
    assert len(many) <= MAX_BRANCHES


def test_failed_branches_are_marked():
    boxes = scene_data(VIEW, trace_of("ok", "error"))["boxes"]
    assert {box["branch"]: box["failed"] for box in boxes if box["branch"]} == {"b0": False, "b1": True}


def test_long_ids_are_cut_as_the_names_of_spans_are():
    name = "n" * (TEXT_LIMIT + 50)
    (box,) = scene_data(GraphView("g", (NodeView(name, "Load"),)), None)["boxes"]
    (span,) = make_trace(bar(name, "main", 0, 1, kind="node"))
    assert len(box["node"]) == TEXT_LIMIT
    assert box["node"].startswith("n" * 100)
    assert len(span.name) >= TEXT_LIMIT
