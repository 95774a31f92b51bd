"""Sleeping, clocks and queues of ordinary code mean in simulated time what they really mean; names are put back."""

from __future__ import annotations

import asyncio
import pickle
import queue
import sys
import sysconfig
import threading
import time
from pathlib import Path
from threading import Lock as LockByName
from time import monotonic as clock_by_name, sleep as sleep_by_name
from types import SimpleNamespace

import pytest

import kaygraph_viz as kv
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.clock.virtual import code_places, patches as ordinary, user_threads as started
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.clock.virtual.code_places import Line, caller_of, is_user_code, named_place_of
from kaygraph_viz.execute.registry import KINDS
from tests.virtual.running import branches, now_s, threads_of

GUARD_S = 20.0

REAL = {name: getattr(time, name) for name in ("sleep", "monotonic", "perf_counter", "time", "time_ns")}

REAL_LOCK, REAL_START, REAL_WAIT = threading.Lock, threading.Thread.start, threading.Condition.wait


@pytest.mark.usefixtures("clock")
def test_a_simple_queue_hands_on_and_gives_up_in_time():
    line = queue.SimpleQueue()
    threads_of(lambda: (time.sleep(2), line.put("a")), lambda: None)
    assert (line.get(), now_s()) == ("a", 2)
    with pytest.raises(queue.Empty):
        line.get(timeout=1)
    assert now_s() == 3


def sleep_a_second(_):
    time.sleep(1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "async"])
def test_sleeping_passes_simulated_time_in_every_kind_of_branch(kind, clock):
    branches(sleep_a_second, kind=kind)
    assert now_s() == (4 if kind == "serial" else 1)


@pytest.mark.usefixtures("clock")
class TestSleeping:
    def test_under_another_name_deep_inside_and_as_the_branch_itself(self):
        def deeply(_):
            def inner():
                sleep_by_name(1)

            inner()

        branches(deeply)
        branches(time.sleep)  # 0 to 3 s
        assert now_s() == 4

    @pytest.mark.parametrize(("seconds", "error"), [(-1, ValueError), ("1", TypeError), (float("nan"), ValueError)])
    def test_nonsense_is_refused_as_ever(self, seconds, error):
        with pytest.raises(error):
            time.sleep(seconds)

    def test_clocks_show_the_simulated_time(self):
        begun = time.monotonic(), time.perf_counter(), time.time(), clock_by_name(), time.monotonic_ns()
        time.sleep(0.25)
        ended = time.monotonic(), time.perf_counter(), time.time(), clock_by_name(), time.monotonic_ns()
        assert [after - before for before, after in zip(begun, ended, strict=True)] == [0.25] * 4 + [250_000_000]
        assert time.gmtime(time.time())[:3] == (2000, 1, 1)
        assert time.time_ns() == 946_684_800_250_000_000
        assert time.perf_counter_ns() == 250_000_000

    def test_a_limit_that_is_written_by_hand_works(self):
        until, looks = time.monotonic() + 2, 0
        while time.monotonic() < until:
            looks += 1
            time.sleep(0.5)
        assert (looks, now_s()) == (4, 2)


def test_after_the_block_everything_is_as_it_was():
    with VirtualClock(), VirtualClock():
        assert time.sleep is not REAL["sleep"]
        assert sleep_by_name is ordinary.sleep
    assert {name: getattr(time, name) for name in REAL} == REAL
    assert sleep_by_name is REAL["sleep"]
    assert (threading.Lock, threading.Thread.start, threading.Condition.wait) == (REAL_LOCK, REAL_START, REAL_WAIT)
    assert LockByName is REAL_LOCK
    assert isinstance(queue.SimpleQueue(), ordinary._real_queue)
    assert not ordinary._blocks
    assert not started._blocks


def test_whoever_got_hold_of_a_replaced_name_may_keep_it():
    with VirtualClock():
        kept = time.sleep, time.monotonic, threading.Lock, queue.SimpleQueue, time.time
    kept[0](0)
    assert kept[1]() <= time.monotonic()
    assert kept[4]() > 1.5e9
    assert isinstance(kept[2](), type(REAL_LOCK()))
    assert isinstance(kept[3](), queue.SimpleQueue)
    assert pickle.loads(pickle.dumps(kept[0])) is kept[0]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("module", ["subprocess", "joblib.parallel"])
def test_code_that_looks_again_and_again_at_something_real_sleeps_in_real_time(module):
    exec("import time; time.sleep(1e-4)", {"__name__": module})
    assert now_s() == 0


def here():
    return Line(*caller_of(sys._getframe(0)))


def test_a_line_is_a_file_a_number_and_what_is_written_there():
    line = here()
    assert str(line) == f"test_patches.py:{here.__code__.co_firstlineno + 1} in here"
    assert line.text == "return Line(*caller_of(sys._getframe(0)))"


def test_a_cell_of_a_notebook_has_its_number(monkeypatch):
    compiler = SimpleNamespace(format_code_name=lambda file: ("Cell", "In[7]") if "ipykernel" in file else None)
    shell = SimpleNamespace(compile=compiler)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    cell, module = (compile("first()\nsecond()", name, "exec") for name in ("/tmp/ipykernel_1/2.py", "/a/bank.py"))
    at = len(cell.co_code) - 2
    assert str(Line(cell, at)) == "cell [7] line 2 in <module>"
    assert str(Line(module, at)) == "bank.py:2 in <module>"


@pytest.mark.parametrize(
    ("file", "is_users"),
    [
        (kv.__file__, False), (threading.__file__, False), (pytest.__file__, False), ("<frozen runpy>", False),
        (__file__, True), ("/tmp/ipykernel_1/2.py", True), ("<doctest x[0]>", True),
    ],
)  # fmt: skip
def test_whose_code_it_is(file, is_users):
    assert is_user_code(file) is is_users


def test_a_thread_that_has_not_begun_has_a_name_and_no_place():
    with VirtualClock():
        assert named_place_of(threads().Thread(print, name="first").fiber) == "thread 'first'"


def test_folders_of_libraries_are_known_in_a_browser_tab_too(monkeypatch):
    monkeypatch.setattr(sysconfig, "get_path", lambda name: f"//lib/python/{name}")
    monkeypatch.setattr(asyncio, "__file__", "/lib/python.zip/asyncio/__init__.py")
    package, *libraries = code_places._outside()
    assert code_places.__file__.startswith(package)
    assert libraries == ["/lib/python/stdlib", "/lib/python/purelib", str(Path("/lib/python.zip"))]
