"""Kinds of executor by their names."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.core.base import Executor
from kaygraph_viz.execute.registry import KINDS, checked_kind, executor_class, get_executor


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_a_class_that_knows_its_name(kind):
    found = executor_class(kind)
    assert issubclass(found, Executor)
    assert found.kind == kind == checked_kind(kind)


def test_threads_are_the_default():
    with get_executor() as executor:
        assert executor.kind == "thread"


def test_the_number_of_workers_is_that_of_the_executor():
    with get_executor("thread", 3) as executor:
        assert executor.workers == 3


@pytest.mark.parametrize("kind", ["threads", "", None, 4, []])
def test_an_unknown_kind_is_refused(kind):
    with pytest.raises(OptionError, match="executor must be one of 'serial'"):
        get_executor(kind)
