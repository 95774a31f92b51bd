"""Hooks call a function before each instruction of user code, and are taken away with their block."""

from __future__ import annotations

import sys

import pytest

from kaygraph_viz.virtual.hooks import monitored, traced


def double(number):
    return number * 2


def in_block(block):
    """Return how many steps of `double` are told in a block, and after it."""
    lines = []

    def note():
        lines.append(sys._getframe(2).f_code.co_name)

    with block(note):
        double(1)
    told = lines.count("double")
    double(1)
    return told, lines.count("double")


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="only used before Python 3.12")
def test_a_trace_function_is_told_each_instruction():
    before = sys.gettrace()
    told, later = in_block(traced)
    assert told > 3
    assert later == told
    assert sys.gettrace() is before


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12")
def test_monitoring_is_told_each_instruction():
    told, later = in_block(monitored)
    assert told > 3
    assert later == told
