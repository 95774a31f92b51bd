"""Several modules in a browser tab: what can be imported, the same schedules to the byte, charts and analyses."""

from __future__ import annotations

import re
import sys

import pytest

from tests.virtual.scenarios import KNOWN, SCENARIOS

pytestmark = pytest.mark.processes

NEEDS = ("pydantic", "uvicorn", "pytest", "distributed")  # what the distribution may lack
NEEDS_PYDANTIC = "validation"
VERSION = (3, 12)  # of Python in Pyodide 0.27
ALWAYS = ("submitted", "pipeline", "coroutines")  # the others take a minute together
IMPORT_ALL = f"""
import importlib, pkgutil
import kaygraph_viz
for found in pkgutil.walk_packages(kaygraph_viz.__path__, "kaygraph_viz."):
    try:
        importlib.import_module(found.name)
    except ImportError as error:
        if not any(name in str(error) for name in {NEEDS}):
            print(found.name, repr(error))
"""
RECORD = """
import kaygraph_viz as kv

def work(item):
    kv.sleep(0.1)
    kv.compute(0.02 * item)
    return item

def recorded(workers):
    with kv.record(clock="virtual") as trace, kv.get_executor("thread", workers) as executor:
        list(executor.imap(work, range(24)))
    return trace
"""


def here(code):
    """Run the same code with this Python and return what it prints."""
    lines = []
    exec(RECORD + code, {"print": lambda *values: lines.append(" ".join(map(str, values))), "__name__": "cell"})
    return "\n".join(lines)


def test_every_module_can_be_loaded(tab):
    assert tab.run(IMPORT_ALL) in ("", "Matplotlib is building the font cache; this may take a moment.")


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(each.__name__, marks=() if each.__name__ in ALWAYS else pytest.mark.thorough)
        for each in SCENARIOS
        if each.__name__ != NEEDS_PYDANTIC
    ],
)
def test_the_schedule_is_the_same_to_the_byte(tab, scenario):
    known = [line for line in KNOWN.read_text().splitlines() if line.startswith(f"{scenario} ")]
    code = f"from tests.virtual import scenarios; print(chr(10).join(scenarios.digests(scenarios.{scenario})))"
    assert tab.run(code).splitlines() == known


ANALYSES = {
    "explain": "print(kv.explain(recorded(2)))",
    "what_if": "print(kv.what_if(recorded(2), workers=4))",
    "compare": "print(kv.compare(recorded(2), recorded(4)))",
    "summarize": "print(kv.summarize(recorded(4)))",
    "timeline": """
import hashlib
from kaygraph_viz.widgets.timeline.packing import pack
print(hashlib.sha256(pack(recorded(4)).data).hexdigest())
""",
    "conflicts": """
class Count(kv.ParallelBatchNode):
    def prep(self, shared):
        self.shared = shared
        return range(3)
    def exec(self, item):
        before = self.shared["n"]
        kv.sleep(0.1)
        self.shared["n"] = before + 1
with kv.record(clock="virtual", shared_access=True) as trace:
    kv.Graph(Count(3)).run({"n": 0})
print(kv.conflicts(trace))
""",
}


@pytest.mark.parametrize("code", ANALYSES.values(), ids=ANALYSES.keys())
def test_analyses_say_the_same(tab, code):
    assert tab.run(RECORD + code) == here(code)


def test_a_chart_is_drawn(tab):
    code = "import io; saved = io.BytesIO(); kv.gantt(recorded(4)).figure.savefig(saved); print(saved.getvalue()[1:4])"
    assert tab.run(RECORD + code).splitlines()[-1] == "b'PNG'"


def test_a_graph_can_be_awaited(tab):
    code = """
class Wait(kv.AsyncParallelBatchNode):
    async def prep_async(self, shared): return range(3)
    async def exec_async(self, item): await kv.sleep_async(1)
with kv.record(clock="virtual") as trace:
    await kv.AsyncGraph(Wait()).run_async({})
print(trace.makespan_s)
"""
    assert tab.run(RECORD + code) == "1.0"


def test_a_pool_of_somebody_else_is_captured(tab):
    code = """
from concurrent.futures import ThreadPoolExecutor
with kv.record(clock="virtual", capture="all") as trace, ThreadPoolExecutor(2) as pool:
    list(pool.map(kv.sleep, [1, 1, 1]))
print(len(trace), trace.makespan_s)
"""
    assert tab.run(RECORD + code) == "3 2.0"


@pytest.mark.parametrize("kind", ["thread", "process", "async", "dask"])
def test_real_workers_are_refused_in_one_sentence(tab, kind):
    code = f"""
async def call(item): pass
try:
    with kv.get_executor("{kind}", 2) as executor: list(executor.imap(call, range(2)))
except kv.errors.PlatformError as error: print(error)
"""
    assert "need an installed Python" in tab.run(RECORD + "import kaygraph_viz.base.errors\n" + code)


RACE = """
def lost_update():
    count = {"n": 0}
    def add(_):
        count["n"] += 1
    with kv.get_executor("thread", 2) as executor:
        list(executor.imap(add, range(4)))
    return count["n"]
print(kv.explore(lost_update, 20, checks={"nothing is lost": lambda total: total == 4}))
"""


def test_a_race_is_found(tab):
    said = tab.run(RECORD + RACE)
    if sys.version_info[:2] == VERSION:  # each version of Python has schedules of its own
        assert said == here(RACE)
    assert re.search(r"failed in \d+ of 20, first with seed \d+: nothing is lost", said)


def test_one_after_the_other_works_in_real_time(tab):
    code = "with kv.record() as trace, kv.span('one'): kv.compute(0.01)\nprint(len(trace), trace.makespan_s >= 0.01)"
    assert tab.run(RECORD + code) == "1 True"


def test_services_run_in_process(tab):
    code = """
from kaygraph_viz.course.services.server import serve
with kv.record(clock="virtual"), serve() as server, server.client() as client:
    print(client.get("/social?customer_id=C00001").status_code)
"""
    assert tab.run(RECORD + code) == "200"
