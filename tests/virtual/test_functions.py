"""Functions of user code run rewritten code while a block lasts, and their own before and after."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest

import kaygraph_viz as kv
from kaygraph_viz.virtual import preempt
from kaygraph_viz.virtual.functions import RewrittenFunctions
from kaygraph_viz.virtual.rewritten import is_rewritten


@pytest.fixture
def clock(monkeypatch):
    """A clock whose block is running, with preemption as in a browser tab."""
    monkeypatch.setattr(preempt, "has_threads", lambda: False)
    with kv.VirtualClock(preempt=1.0) as made:
        yield made


def make():
    def outer():
        def inner():
            pass

        return inner

    return outer


def test_a_function_has_other_code_while_the_block_runs():
    function = make()
    own = function.__code__
    with RewrittenFunctions().in_block():
        assert is_rewritten(function.__code__)
        assert is_rewritten(function().__code__)
    assert function.__code__ is own


def test_functions_of_libraries_and_of_this_package_stay_as_they_are():
    with RewrittenFunctions().in_block():
        assert not is_rewritten(threading.Thread.run.__code__)
        assert not is_rewritten(kv.explore.__code__)


def test_code_that_somebody_has_exchanged_meanwhile_stays():
    function, other = make(), make()
    with RewrittenFunctions().in_block():
        function.__code__ = code = (lambda: 5).__code__
    assert function.__code__ is code
    assert not is_rewritten(other.__code__)


def test_blocks_can_be_nested():
    function, functions = make(), RewrittenFunctions()
    own = function.__code__
    with functions.in_block():
        later = make()
        with functions.in_block():
            assert is_rewritten(later.__code__)
        assert is_rewritten(function.__code__)
    assert function.__code__ is own
    assert not is_rewritten(later.__code__)


def test_a_function_is_not_kept_alive():
    with RewrittenFunctions().in_block():
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(100):
            make()
        gc.collect()
        assert len(gc.get_objects()) < before + 100


@pytest.mark.parametrize("collect", [int, gc.collect])
def test_what_the_block_itself_makes_is_found_before_another_thread_can_call_it(clock, collect):
    def plain():
        return 1

    class Kind:
        def method(self):
            return 2

        @property
        def value(self):
            return 3

    @dataclass
    class Pair:
        first: int

    functions = [plain, Kind().method, lambda: 4, partial(Kind.value.fget, None), Pair.__init__]
    collect()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(plain).result() == 1
        codes = [getattr(each, "func", each).__code__ for each in functions]
        later = lambda: 5  # noqa: E731  # its thread runs already
        assert pool.submit(later).result() == 5
    assert all(map(is_rewritten, [*codes, later.__code__]))


def test_a_race_of_functions_that_the_block_makes_shows(clock):
    total = 0

    def add():
        nonlocal total
        for _ in range(20):
            total += 1

    pair = [threading.Thread(target=add) for _ in range(2)]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join()
    assert total < 40


def test_the_search_ends_with_the_block(monkeypatch):
    monkeypatch.setattr(preempt, "has_threads", lambda: False)
    before = list(gc.callbacks)
    with kv.VirtualClock(preempt=1.0):
        assert gc.callbacks != before
    assert gc.callbacks == before
