"""The calls that a thread is in, innermost first."""

from __future__ import annotations

import sys

from kaygraph_viz.virtual.stacks import stack_of


def test_no_frame_has_no_stack():
    assert stack_of(None) == []


def test_the_stack_ends_with_the_outermost_frame():
    frames = stack_of(sys._getframe())
    assert frames[0].f_code.co_name == "test_the_stack_ends_with_the_outermost_frame"
    assert frames[-1].f_back is None
