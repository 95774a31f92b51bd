"""Blocks written as generators: what `contextlib.contextmanager` does, and errors that refuse to be changed."""

from __future__ import annotations

import contextlib
import re
import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest

import kaygraph_viz
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.course.patterns.checks import local_checks
from kaygraph_viz.recording import record


@dataclass(frozen=True)
class FrozenError(Exception):
    code: int


@contextmanager
def noted(into):
    into.append("begin")
    try:
        yield into
    finally:
        into.append("end")


@pytest.mark.parametrize(
    "error", [ValueError("bad"), FrozenError(3), StopIteration(7), GeneratorExit(), KeyboardInterrupt()]
)
def test_an_error_passes_as_it_is(error):
    into = []
    with pytest.raises(type(error)) as caught, noted(into):
        raise error
    assert caught.value is error
    assert into == ["begin", "end"]


def test_the_traceback_has_no_line_of_the_generator():
    with pytest.raises(ValueError, match="bad") as caught, noted([]):
        raise ValueError("bad")
    assert [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)] == [
        "test_the_traceback_has_no_line_of_the_generator"
    ]


@pytest.mark.parametrize("decorator", [contextmanager, contextlib.contextmanager])
def test_a_generator_may_swallow_an_error_or_raise_another(decorator):
    @decorator
    def swallowing(kind):
        with contextlib.suppress(kind):
            yield

    @decorator
    def replacing():
        try:
            yield
        except ValueError as error:
            raise KeyError("other") from error

    with swallowing(ValueError):
        raise ValueError("bad")
    with swallowing(StopIteration):
        raise StopIteration
    with pytest.raises(KeyError) as caught, replacing():
        raise ValueError("bad")
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_generator_that_yields_twice_is_a_fault():
    @contextmanager
    def twice():
        with contextlib.suppress(ValueError):
            yield
        yield

    with pytest.raises(RuntimeError, match="more than once"), twice():
        raise ValueError("bad")


def test_no_module_of_ours_uses_the_one_of_python():
    package = Path(kaygraph_viz.__file__).parent
    sources = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    wrong = re.compile(r"from contextlib import .*(?<!async)contextmanager|contextlib\.contextmanager\b(?!``)")
    assert not [path for path, source in sources.items() if wrong.search(source)]


def test_an_error_of_the_users_in_a_block_of_a_pattern_is_left_alone():
    with pytest.raises(FrozenError), record(clock="virtual"), local_checks([]):
        raise FrozenError(7)
