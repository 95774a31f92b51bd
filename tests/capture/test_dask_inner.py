"""What tasks of a cluster begin themselves: on a worker, without a cluster."""

from __future__ import annotations

import asyncio
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("distributed")
import distributed.worker
from dask._task_spec import Task

from kaygraph_viz.capture.dask.workers import Inner, begin_inner, end_inner
from kaygraph_viz.capture.kinds import hooked
from kaygraph_viz.capture.process_recorder import here
from kaygraph_viz.trace.row import Row

PLAIN = distributed.worker._run_task, distributed.worker._run_task_async
WANTED = (True, "futures", b"", here())


class Worker:
    """As much of a worker as these ask."""

    scheduler_delay = 0.0

    def __init__(self):
        self.told = []

    def log_event(self, topic, msg):
        self.told.append((topic, msg["key"], Inner(*pickle.loads(msg["inner"]))))

    def run(self, function, *args):
        state, lock = {"worker": self}, threading.Lock()
        return distributed.worker._run_task(Task("key", function, *args), {}, state, "key", {}, lock, 0.0)

    async def run_async(self, function, *args):
        token = distributed.worker._worker_cvar.set(self)
        try:
            return await distributed.worker._run_task_async(Task("key", function, *args), {}, 0.0)
        finally:
            distributed.worker._worker_cvar.reset(token)


def pooled(number):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(abs, number).result()


def failing(number):
    pooled(number)
    raise ValueError(number)


async def awaited(number):
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, abs, number)


@pytest.fixture
def worker():
    found = Worker()
    with hooked(frozenset({"futures"})):  # as a worker in the process of the recording finds it
        begin_inner(found, "name", WANTED)
        yield found
        end_inner(found, "name")
    assert (distributed.worker._run_task, distributed.worker._run_task_async) == PLAIN


def names_in(inner):
    return [Row._make(row).name for row in inner.rows]


def test_so_does_a_coroutine(worker):
    assert asyncio.run(worker.run_async(awaited, -3))["result"] == 3
    assert [names_in(inner) for _, _, inner in worker.told] == [["abs"]]


def test_the_recording_that_began_last_takes_over(worker):
    begin_inner(worker, "inner", WANTED)
    worker.run(pooled, -3)
    end_inner(worker, "inner")
    worker.run(pooled, -3)
    assert [topic for topic, _, _ in worker.told] == ["inner", "name"]


def test_workers_that_nobody_watches_are_left_alone(worker):
    other = Worker()
    assert other.run(pooled, -3)["result"] == 3
    assert not other.told
    end_inner(other, "name")


def test_a_worker_that_cannot_tell_runs_its_tasks(worker, monkeypatch):
    monkeypatch.setattr(worker, "log_event", None)
    assert worker.run(pooled, -3)["result"] == 3
