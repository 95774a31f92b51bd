"""Several modules: threads that record at once, above all without a GIL, lose nothing and mix nothing up."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span

THREADS, EACH = 8, 60


@pytest.fixture(autouse=True)
def threads_take_turns_all_the_time():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def job(number):
    with span("outer"), span("inner"):
        return number


async def rest(number):
    with span("inner"):
        await asyncio.sleep(0)
    return number


def loop(_):
    return asyncio.run(gathered())


async def gathered():
    return await asyncio.gather(*(rest(number) for number in range(EACH)))


def in_threads(function, items):
    with record(capture=["futures", "asyncio"]) as trace, ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(function, items))
    trace.validate()
    names = {each.span_id: each.name for each in trace}
    branches = trace.where(kind="branch")  # on a busy machine, a loop may be held up, which is noted, too
    return results, Counter((names.get(each.parent_id), each.name) for each in branches)


def test_spans_of_many_threads():
    count = THREADS * EACH
    results, found = in_threads(job, range(count))
    assert results == list(range(count))
    assert found == {(None, "job"): count, ("job", "outer"): count, ("outer", "inner"): count}


def test_tasks_of_a_loop_in_each_of_many_threads():
    results, found = in_threads(loop, range(THREADS))
    assert results == [list(range(EACH))] * THREADS
    assert found == {
        (None, "loop"): THREADS, ("loop", "gathered"): THREADS,
        ("gathered", "rest"): THREADS * EACH, ("rest", "inner"): THREADS * EACH,
    }  # fmt: skip
