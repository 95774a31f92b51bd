"""Rewritten code does the same as before, and counts the same steps as Python itself reports."""

from __future__ import annotations

import argparse
import ast
import asyncio
import dataclasses
import inspect
import statistics
import sys
import typing
from contextlib import contextmanager
from types import FunctionType

import pytest

from kaygraph_viz.virtual.hooks import monitored
from kaygraph_viz.virtual.rewritten import is_rewritten, rewritten, steps
from tests.virtual import language

FUNCTIONS = [*language.ALL, *map(language.random_function, range(20))]
MANY = range(1000, 1200)
reported = pytest.mark.skipif(sys.version_info < (3, 12), reason="a trace function is told a little more")


def with_steps(function, block):
    """Call a function in a block that calls what it gets at each step; return the line of each step and the result."""
    lines = []

    def note():
        frame = sys._getframe(1)
        while frame.f_code.co_filename != language.__file__:
            frame = frame.f_back
        lines.append((frame.f_code.co_name, frame.f_lineno))

    with block(note):
        result = function()
    return lines, repr(result)


@contextmanager
def at_each_step(step):
    steps.append(step)
    try:
        yield
    finally:
        steps.remove(step)


def with_calls(function):
    return with_steps(FunctionType(rewritten(function.__code__), function.__globals__), at_each_step)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_it_does_the_same(function):
    before = repr(function())
    lines, result = with_calls(function)
    assert result == before
    assert lines


@reported
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_steps_are_those_that_python_reports(function):
    assert with_calls(function) == with_steps(function, monitored)


@reported
@pytest.mark.thorough
def test_the_steps_of_many_functions_are_those_that_python_reports():
    for seed in MANY:
        function = language.random_function(seed)
        assert with_calls(function) == with_steps(function, monitored), seed


def test_names_lines_and_flags_stay():
    code = language.classes.__code__
    found = rewritten(code)
    for name in ("name", "qualname", "filename", "firstlineno", "flags", "varnames", "freevars", "cellvars"):
        assert getattr(found, f"co_{name}") == getattr(code, f"co_{name}")
    assert {line for *_, line in found.co_lines()} == {line for *_, line in code.co_lines()}


def test_code_is_rewritten_once():
    found = rewritten(language.loops.__code__)
    assert is_rewritten(found)
    assert rewritten(found) is found
    assert rewritten(language.loops.__code__) is found
    assert not is_rewritten(language.loops.__code__)


@pytest.mark.thorough
@pytest.mark.parametrize("module", [argparse, ast, asyncio.base_events, dataclasses, inspect, statistics, typing])
def test_whatever_there_is_can_be_rewritten(module):
    functions = [each for each in vars(module).values() if isinstance(each, FunctionType)]
    functions += [each for kind in vars(module).values() if isinstance(kind, type) for each in vars(kind).values()]
    assert all(is_rewritten(rewritten(each.__code__)) for each in functions if isinstance(each, FunctionType))
