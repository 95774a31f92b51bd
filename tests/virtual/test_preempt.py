"""Preemption: with a chance, a thread yields after any instruction of user code, and nowhere else; both ways of it."""

from __future__ import annotations

import argparse
import ast
import asyncio
import dataclasses
import gc
import inspect
import statistics
import subprocess
import sys
import threading
import typing
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FunctionType

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import PlatformError
from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.clock.virtual import preempt
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.clock.virtual.preempt import RewrittenFunctions, is_rewritten, monitored, rewritten, steps
from tests.virtual import language, scenarios

ROOT = Path(__file__).resolve().parents[2]

SCENARIOS = [each.__name__ for each in scenarios.SCENARIOS]

SOME = ["submitted", "nested", "pipeline", "coroutines"]


@pytest.fixture
def without_threads(monkeypatch):
    """Notice instructions as it is done in a browser tab."""
    monkeypatch.setattr(preempt, "has_threads", lambda: False)


@pytest.fixture(params=["hooks", "calls"])
def way(request):
    """Both ways, one after the other: what holds for one holds for the other."""
    if request.param == "calls":
        request.getfixturevalue("without_threads")


def lost_updates(clock):
    """Return how many of 40 increments two threads lose that read and write apart, and the time at the end."""
    total = {"n": 0}

    def add():
        for _ in range(20):
            n = total["n"]
            total["n"] = n + 1

    with clock:
        pair = [threading.Thread(target=add) for _ in range(2)]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join()
    return 40 - total["n"], clock.now_ns()


def test_with_a_chance_a_race_shows_and_no_time_passes(way):
    lost, now_ns = lost_updates(VirtualClock(1, preempt=0.3))
    assert lost > 0
    assert now_ns == 0


def test_a_seed_has_one_schedule_with_preemption_too(way):
    assert len({lost_updates(VirtualClock(5, preempt=0.3)) for _ in range(5)}) == 1
    assert len({lost_updates(VirtualClock(seed, preempt=0.3)) for seed in range(8)}) > 1


def test_the_hooks_are_gone_after_the_block():
    before = sys.gettrace()
    with VirtualClock(preempt=1.0):
        sleep(1)
    assert sys.gettrace() is before
    if sys.version_info >= (3, 12):
        assert "kaygraph-viz" not in [sys.monitoring.get_tool(number) for number in range(6)]


def test_the_main_program_is_not_preempted(way):
    seen = []
    with VirtualClock(preempt=1.0) as clock:
        thread = clock.threads.Thread(target=seen.append, args=("thread",))
        thread.start()
        seen.append("main")
        seen.append("main")
        thread.join()
    assert seen == ["main", "main", "thread"]


@pytest.mark.parametrize("steps", range(40))
def test_the_end_of_the_block_never_comes_between_taking_a_lock_and_guarding_it(way, steps):
    def hold():
        lock.acquire()
        try:
            sleep(1)
        finally:
            lock.release()

    with VirtualClock(preempt=1.0):
        lock = threading.Lock()
        threading.Thread(target=hold).start()
        for _ in range(steps):  # after each of them the thread has gone one instruction further
            sleep(0)
    assert lock.acquire(blocking=False)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="each thread has a trace function of its own there")
def test_where_all_tools_are_taken_that_is_said():
    from kaygraph_viz.base.errors import VirtualClockError

    free = [number for number in range(6) if sys.monitoring.get_tool(number) is None]
    for number in free:
        sys.monitoring.use_tool_id(number, "taken")
    try:
        with pytest.raises(VirtualClockError, match="preempt needs one of"), VirtualClock(preempt=0.5):
            pass
    finally:
        for number in free:
            sys.monitoring.free_tool_id(number)


def test_a_browser_tab_needs_a_package_for_it(without_threads, monkeypatch):
    monkeypatch.setitem(sys.modules, "bytecode", None)
    with pytest.raises(PlatformError, match="%pip install bytecode"), VirtualClock(preempt=0.1):
        pass


@pytest.mark.processes
@pytest.mark.skipif(sys.version_info < (3, 12), reason="a trace function is told a little more of coroutines")
@pytest.mark.parametrize(
    "names", [SOME, pytest.param([name for name in SCENARIOS if name not in SOME], marks=pytest.mark.thorough)]
)
def test_both_ways_have_the_same_schedules(names):
    command = [sys.executable, "-m", "tests.virtual.both_ways", *names]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == ""


@pytest.fixture
def clock_of_a_tab(monkeypatch):
    """A clock_of_a_tab whose block is running, with preemption as in a browser tab."""
    monkeypatch.setattr(preempt, "has_threads", lambda: False)
    with kv.VirtualClock(preempt=1.0) as made:
        yield made


def make():
    def outer():
        def inner():
            pass

        return inner

    return outer


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
def test_what_the_block_itself_makes_is_found_before_another_thread_can_call_it(clock_of_a_tab, collect):
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


def test_a_race_of_functions_that_the_block_makes_shows(clock_of_a_tab):
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
