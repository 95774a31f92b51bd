"""Several modules in the newest Python for browser tabs, which comes without NumPy: the same schedules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.virtual import turns
from tests.virtual.scenarios import SCENARIOS

pytestmark = [pytest.mark.processes, pytest.mark.thorough]
NEEDS_NUMPY = "validation"  # its report analyses the trace
NAMES = [each.__name__ for each in SCENARIOS if each.__name__ != NEEDS_NUMPY]


@pytest.mark.parametrize("name", NAMES)
def test_the_schedule_is_the_same(newest_tab, name):
    code = f"from tests.virtual import turns; print(chr(10).join(turns.digests({name!r})))"
    with ThreadPoolExecutor(1) as other_thread:  # the event loop of Playwright is in this one
        here = other_thread.submit(turns.digests, name).result()
    assert newest_tab.run(code).splitlines() == here


def test_what_the_platform_lacks_is_known(newest_tab):
    code = """
import sys
from kaygraph_viz import machine
from kaygraph_viz.clock.virtual.carriers import carrier
print(sys.platform, machine.has_threads(), type(carrier()).__name__, machine.thread_cpu_ns() > 0)
"""
    assert newest_tab.run(code) == "emscripten False Promises True"


def test_real_workers_are_refused_in_one_sentence(newest_tab):
    code = """
import kaygraph_viz as kv
from kaygraph_viz.base.errors import PlatformError
try:
    with kv.get_executor("thread", 2) as executor: list(executor.imap(str, range(2)))
except PlatformError as error: print(error)
"""
    assert "need an installed Python" in newest_tab.run(code)


def test_rewritten_code_does_the_same(newest_tab):
    code = """
from types import FunctionType
from kaygraph_viz.clock.virtual.preempt import rewritten
from tests.virtual import language
for each in (*language.ALL, *map(language.random_function, range(20))):
    again = FunctionType(rewritten(each.__code__), each.__globals__)
    if repr(again()) != repr(each()): print(each)
print("compared")
"""
    assert newest_tab.run(code) == "compared"


def test_threads_switch_in_the_middle_of_code(newest_tab):
    code = """
import threading
import kaygraph_viz as kv

def total(seed):
    count = {"n": 0}
    def add():
        for _ in range(20): count["n"] += 1
    with kv.VirtualClock(seed, preempt=0.3):
        pair = [threading.Thread(target=add) for _ in range(2)]
        for thread in pair: thread.start()
        for thread in pair: thread.join()
    return count["n"]

found = [total(seed) for seed in range(5)]
print(min(found) < 40, found == [total(seed) for seed in range(5)])
"""
    assert newest_tab.run(code) == "True True"
