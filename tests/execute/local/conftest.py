"""Executors with worker processes, and a check that none is left."""

from __future__ import annotations

import gc

import pytest

from kaygraph_viz.execute.registry import get_executor
from tests.execute.local.process_helpers import children_of_ours, open_files, wait_until


@pytest.fixture
def two():
    with get_executor("process", 2) as executor:
        yield executor


@pytest.fixture
def one():
    with get_executor("process", 1) as executor:
        yield executor


@pytest.fixture
def nothing_is_left():
    """No process and no open file; every test is asked for its threads."""
    gc.collect()
    before = children_of_ours(), open_files()
    yield
    gc.collect()
    wait_until(lambda: children_of_ours() <= before[0])
    wait_until(lambda: open_files() <= before[1])
