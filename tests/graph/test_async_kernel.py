"""Several modules in a real Jupyter kernel: asynchronous graphs with `run` and `await run_async`, and interrupts."""

from __future__ import annotations

import pytest

GUARD_S = 30.0

SETUP = """
import asyncio
import kaygraph_viz as kv

class Double(kv.AsyncParallelBatchNode):
    async def prep_async(self, shared): return range(3)
    async def exec_async(self, x):
        await asyncio.sleep(0)
        return 2 * x
    async def post_async(self, shared, items, doubled): shared["doubled"] = doubled

class Endless(kv.AsyncParallelBatchNode):
    async def prep_async(self, shared): return range(3)
    async def exec_async(self, x):
        print("started", x, flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(x)

cleaned = []
graph, endless = kv.AsyncGraph(start=Double(progress=False)), kv.AsyncGraph(start=Endless(progress=False))
"""


RUNS = ["{}.run(shared := {{}})", "await {}.run_async(shared := {{}})"]


@pytest.mark.parametrize("line", RUNS)
def test_a_cell_runs_an_asynchronous_graph(notebook, line):
    run = f"with kv.record() as trace:\n    {line.format('graph')}\n"
    code = run + "trace.validate()\nprint(shared, trace.counts()['branch'])"
    assert notebook.run(code) == ("{'doubled': [0, 2, 4]} 3", "")


@pytest.mark.parametrize("line", RUNS)
@pytest.mark.parametrize("is_recorded", [False, True])
def test_the_stop_button_gives_control_back(notebook, line, is_recorded):
    notebook.run("cleaned.clear()")
    code = ("with kv.record() as trace:\n    " if is_recorded else "") + line.format("endless")
    printed, error = notebook.run(code, interrupt_at="started 2")
    assert error in {"KeyboardInterrupt", "CancelledError"}
    assert printed.startswith("started 0")
    assert notebook.stopped_after_s < GUARD_S / 2
    for again in RUNS:
        assert notebook.run(again.format("graph") + "\nprint(shared)") == ("{'doubled': [0, 2, 4]}", "")
    assert notebook.run("print(sorted(cleaned))") == ("[0, 1, 2]", "")
    assert notebook.run("print(len(asyncio.all_tasks()) < 20)") == ("True", "")
    if is_recorded:
        assert notebook.run("trace.validate(); print(len(trace.where(kind='branch')))") == ("3", "")


@pytest.mark.parametrize("line", RUNS)
def test_a_method_that_was_defined_again_runs_its_new_body(notebook, line):
    notebook.run("async def exec_async(self, x): return 'new'\nold, Double.exec_async = Double.exec_async, exec_async")
    assert notebook.run(line.format("graph") + "\nprint(shared)") == ("{'doubled': ['new', 'new', 'new']}", "")
    assert notebook.run("Double.exec_async = old") == ("", "")


THREADS = """
import threading
release, begun = threading.Event(), []
class Stuck(kv.ParallelBatchNode):
    def prep(self, shared):
        return range(100)

    def exec(self, number):
        begun.append(number)
        print(f"started {len(begun) - 1}\\n", end="", flush=True)  # one piece: threads print at once
        release.wait(30)

stuck = kv.Graph(start=Stuck(max_workers=4))
"""


def test_the_stop_button_leaves_threads_behind_and_starts_nothing_more(notebook):
    notebook.run(THREADS)
    _, error = notebook.run("with kv.record() as trace:\n    stuck.run({})", interrupt_at="started 3")
    assert error == "KeyboardInterrupt"
    assert notebook.stopped_after_s < GUARD_S / 2
    released = (
        "release.set()\nfor thread in threading.enumerate():\n    if thread.name.startswith('thread-'): thread.join(10)"
    )
    assert notebook.run(released)[1] == ""
    assert notebook.run("print(sorted(begun), trace.validate().counts()['abandoned'])") == ("[0, 1, 2, 3] 4", "")


@pytest.mark.parametrize("line", RUNS)
def test_what_would_steer_the_kernel_is_a_nodes_error_in_a_cell(notebook, line):
    cell = f"""
import kaygraph_viz.base.errors
for kind in (StopIteration, StopAsyncIteration, SystemExit, asyncio.CancelledError):
    for hook in ("prep", "exec", "after_exec", "post"):
        def bad(*_): raise kind
        node = kv.AsyncNode() if hook == "exec" else kv.AsyncGraph(Double())
        setattr(node, hook, bad)
        try:
            {line.format("node")}
        except kaygraph_viz.base.errors.BranchError as error:
            assert type(error.__cause__) is kind
        else:
            print("no error", kind, hook)
"""
    assert notebook.run(cell) == ("", "")
