"""Scenes: shapes, and putting drawings together."""

from __future__ import annotations

from kaygraph_viz.plot.diagram.scene import STACK_PT, Arrow, Box, Frame, Label, Scene


def test_shadows_of_a_stack_belong_to_its_size():
    plain, stacked = Box(10, 20, 30, 40), Box(10, 20, 30, 40, is_stacked=True)
    assert (plain.right, plain.bottom) == (40, 60)
    assert (stacked.right, stacked.bottom) == (40 + STACK_PT, 60 + STACK_PT)


def test_arrows_enter_at_half_the_height_unless_told_otherwise():
    assert Scene(height=50).axis == 25
    assert Scene(height=50, middle=40).axis == 40
    assert Scene(height=50, middle=0).axis == 0


def test_all_shapes_of_another_drawing_are_added_where_it_is_put():
    other = Scene(9, 9, [Box(0, 1, 5, 5)], [Frame(1, 0, 5, 5)], [Arrow(((0, 0), (2, 3)), is_critical=True)])
    other.labels.append(Label(1, 1, 4, 2, "ok"))
    scene = Scene(boxes=[Box(0, 0, 1, 1)])
    scene.add(other, 10, 20)
    assert [(box.x, box.y) for box in scene.boxes] == [(0, 0), (10, 21)]
    assert [(frame.x, frame.y) for frame in scene.frames] == [(11, 20)]
    assert [(label.x, label.y, label.text) for label in scene.labels] == [(11, 21, "ok")]
    assert scene.arrows == [Arrow(((10, 20), (12, 23)), is_critical=True)]


def test_the_other_drawing_stays_where_it_was():
    other = Scene(boxes=[Box(0, 0, 5, 5)])
    Scene().add(other, 1, 1)
    assert other.boxes == [Box(0, 0, 5, 5)]
