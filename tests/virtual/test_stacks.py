"""Frames of a stack of calls, innermost first."""

from __future__ import annotations

import sys

from kaygraph_viz.virtual.stacks import stack_of


def test_a_stack_ends_with_the_outermost_frame():
    def inner():
        return stack_of(sys._getframe())

    frames = inner()
    assert [frame.f_code.co_name for frame in frames[:2]] == ["inner", "test_a_stack_ends_with_the_outermost_frame"]
    assert frames[-1].f_back is None


def test_no_frame_has_no_stack():
    assert stack_of(None) == []
