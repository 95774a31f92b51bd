"""Several modules in a real Jupyter kernel: executors run what cells define, as last defined; interrupts end them."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil
import pytest

from kaygraph_viz.execute.registry import KINDS
from tests.execute.local.process_helpers import is_alive

GUARD_S = 30.0

SETUP = """
import os, sys, threading, time
from kaygraph_viz.execute.registry import get_executor
executor = get_executor("process", 2)

def results(function, items, **options):
    return [outcome.value for outcome in executor.imap(function, items, **options)]
"""


def test_functions_lambdas_and_closures_of_a_cell_work(notebook):
    code = """
def double(x):
    return 2 * x
def adder(n):
    return lambda x: x + n
print(results(double, range(3)), results(lambda x: -x, [1]), results(adder(10), [1]))
"""
    assert notebook.run(code) == ("[0, 2, 4] [-1] [11]", "")


def test_a_class_of_a_cell_comes_back_as_itself(notebook):
    code = """
class Point:
    def __init__(self, x):
        self.x = x
class Odd(ValueError):
    pass
def move(point):
    if point.x == 3:
        raise Odd(point.x)
    return Point(point.x + 1)
good, bad = executor.imap(move, [Point(1), Point(3)], on_error="collect")
print(type(good.value) is Point, good.value.x, type(bad.error) is Odd, "in move" in bad.traceback)
"""
    assert notebook.run(code) == ("True 2 True True", "")


def test_a_node_of_a_cell_runs_in_processes(notebook):
    code = """
import kaygraph_viz as kv
class Squares(kv.ParallelBatchNode):
    def prep(self, shared): return range(4)
    def exec(self, x): return x * x
    def post(self, shared, items, squares): shared["squares"] = squares
with kv.record() as trace:
    kv.Graph(start=Squares(2, "process", progress=False)).run(shared := {})
trace.validate()
print(shared, trace.counts()["branch"])
"""
    assert notebook.run(code) == ("{'squares': [0, 1, 4, 9]} 4", "")


def test_printing_from_a_process_breaks_nothing(notebook):
    printed, error = notebook.run("print(results(lambda x: print('hello') or x, [1, 2]))")
    assert "[1, 2]" in printed
    assert error == ""


def test_an_interrupt_returns_control_and_leaves_no_process(notebook, tmp_path):
    code = f"""
def hang(x):
    import subprocess
    program = subprocess.Popen(["sleep", "1000"])
    with open({str(tmp_path)!r} + f"/part{{x}}", "w") as file:
        file.write(str(program.pid))
    os.rename(file.name, {str(tmp_path)!r} + f"/{{x}}")
    time.sleep(60)
def say():
    while not {{"0", "1"}} <= set(os.listdir({str(tmp_path)!r})): time.sleep(0.01)
    print("both run")
threading.Thread(target=say).start()
try:
    list(executor.imap(hang, range(8)))
finally:
    print("control is back")
"""
    before = time.monotonic()
    assert notebook.run(code, interrupt_at="both run") == ("both run\ncontrol is back", "KeyboardInterrupt")
    assert time.monotonic() - before < GUARD_S
    until = time.monotonic() + GUARD_S
    programs = [int((tmp_path / name).read_text()) for name in "01"]
    while notebook.children() or any(map(is_alive, programs)):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
    assert notebook.run("print(results(str, [1]))") == ("['1']", "")


@pytest.mark.parametrize("kind", ["process", "thread", "async"])
def test_a_copy_of_the_kernel_that_a_branch_makes_is_no_second_kernel(notebook, kind):
    code = f"""
def fork(x):
    copy = os.fork() if x == 3 else 1
    if copy and x == 3: os.waitpid(copy, 0)
    return x
async def fork_async(x): return fork(x)
with get_executor({kind!r}, 2) as some:
    copied = [outcome.value for outcome in some.imap({"fork_async" if kind == "async" else "fork"}, range(8))]
"""
    assert notebook.run(code)[1] == ""
    assert notebook.run("print(copied)") == ("[0, 1, 2, 3, 4, 5, 6, 7]", "")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_runs_the_new_body_and_fails_only_the_item_that_cannot_travel(notebook, kind):
    code = f"""
class Stubborn(ValueError):
    def __reduce__(self): raise TypeError("cannot travel")

with get_executor({kind!r}, 2) as some:
    def step(x): return x + 1
    first = [outcome.value for outcome in some.imap(step, [1, 2])]
    def step(x):
        if x == 2: raise Stubborn("two")
        return x * 10
    second = list(some.imap(step, [1, 2, 3], on_error="collect"))
print(first, [outcome.value for outcome in second], "two" in str(second[1].error))
"""
    assert notebook.run(code) == ("[2, 3] [10, None, 30] True", "")


def workers_of_clusters(notebook):
    """Return the processes that Dask has started: not those that go on to keep track of them."""
    lines = []
    for pid in notebook.children():
        with suppress(psutil.Error):
            lines.append(" ".join(psutil.Process(pid).cmdline()))
    return [line for line in lines if "spawn_main" in line]


@pytest.mark.thorough
def test_an_interrupt_of_a_cluster_returns_control_and_leaves_no_process(notebook, tmp_path):
    code = f"""
def hang(x):
    open({str(tmp_path)!r} + f"/{{x}}", "w").close()
    time.sleep(60)
def say():
    while len(os.listdir({str(tmp_path)!r})) < 2: time.sleep(0.01)
    print("both run")
threading.Thread(target=say).start()
with get_executor("dask", 2) as cluster:
    list(cluster.imap(hang, range(8)))
"""
    assert notebook.run(code, interrupt_at="both run") == ("both run", "KeyboardInterrupt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
    until = time.monotonic() + GUARD_S
    while workers_of_clusters(notebook):
        assert time.monotonic() < until
        time.sleep(0.01)
