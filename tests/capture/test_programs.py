"""Programs that know nothing of this package give the same results with and without a recording, and all is there."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import pytest

import kaygraph_viz as kv
from kaygraph_viz.trace.trace import load
from tests.export.test_perfetto import check_rules

SHORT_S = 0.001


@dataclass(frozen=True)
class Program:
    """A program, the branches that its trace must have, and the name of the parent of some of them."""

    run: Callable[[], Any]
    branches: dict[str, int]
    parents: dict[str, str | None]


def square(number: int) -> int:
    return number * number


def halved(number: int) -> float:
    if number == 3:
        raise ValueError("no half of", number)
    return number / 2


def describe(error: BaseException | None) -> object:
    if error is None:
        return None
    notes = getattr(error, "__notes__", [])
    return type(error).__name__, error.args, notes, describe(error.__cause__)


def thread_downloader() -> Any:
    def fetch(page: int) -> int:
        time.sleep(SHORT_S)
        return square(page)

    with ThreadPoolExecutor(3) as pool:
        return [pool.submit(fetch, page).result() for page in range(4)] + list(pool.map(fetch, range(4)))


def as_they_complete() -> Any:
    with ThreadPoolExecutor(3) as pool:
        futures = {pool.submit(halved, number): number for number in range(5)}
        return sorted((futures[each], describe(each.exception())) for each in as_completed(futures))


def nested_pools() -> Any:
    def outer(number: int) -> list[int]:
        with ThreadPoolExecutor(2) as inner:
            return list(inner.map(square, range(number)))

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(outer, [2, 3]))


def processes() -> Any:
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        errors = [describe(pool.submit(halved, number).exception()) for number in (2, 3)]
        return list(pool.map(square, range(6))), errors


def chunked_processes() -> Any:
    with get_context("fork").Pool(2) as pool:
        return pool.map(square, range(40), 10), pool.apply(square, (5,))


def pool_of_threads() -> Any:
    with ThreadPool(2) as pool:
        return pool.map(halved, [1, 2], 1), sorted(pool.imap_unordered(square, range(3)))


def crawler() -> Any:
    async def fetch(page: int) -> int:
        await asyncio.sleep(SHORT_S)
        return square(page)

    async def worker(pages: asyncio.Queue[int], found: list[int]) -> None:
        while True:
            found.append(await fetch(await pages.get()))
            pages.task_done()

    async def main() -> list[int]:
        pages: asyncio.Queue[int] = asyncio.Queue()
        found: list[int] = []
        workers = [asyncio.create_task(worker(pages, found)) for _ in range(3)]
        for page in range(9):
            pages.put_nowait(page)
        await pages.join()
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return sorted(found)

    return asyncio.run(main())


def task_groups() -> Any:
    async def step(number: int) -> float:
        await asyncio.sleep(0)
        return await asyncio.to_thread(halved, number)

    async def main() -> Any:
        try:
            async with asyncio.TaskGroup() as group:
                for number in (1, 3):
                    group.create_task(step(number))
        except ExceptionGroup as errors:
            return [describe(each) for each in errors.exceptions]

    return asyncio.run(main())


def threads_and_queues() -> Any:
    todo: queue.Queue[int | None] = queue.Queue(2)
    done: list[int] = []

    def consume() -> None:
        while (number := todo.get()) is not None:
            done.append(square(number))

    thread = threading.Thread(target=consume)
    thread.start()
    for number in (*range(8), None):
        todo.put(number)
    thread.join()
    return done


def joblib_loop() -> Any:
    from joblib import Parallel, delayed

    return Parallel(n_jobs=2, backend="threading")(delayed(square)(number) for number in range(5))


def dask_graph() -> Any:
    import dask

    squares = [dask.delayed(square)(number) for number in range(4)]
    return dask.compute(dask.delayed(sum)(squares), scheduler="threads")


def pocketflow_batch() -> Any:
    import pocketflow

    class Squares(pocketflow.AsyncParallelBatchNode):
        async def prep_async(self, shared: dict[str, Any]) -> range:
            return range(5)

        async def exec_async(self, number: int) -> int:
            await asyncio.sleep(0)
            return square(number)

        async def post_async(self, shared: dict[str, Any], prepared: Any, found: list[int]) -> None:
            shared["found"] = found

    shared: dict[str, Any] = {}
    asyncio.run(pocketflow.AsyncFlow(Squares()).run_async(shared))
    return shared


PROGRAMS = {
    "threads": Program(thread_downloader, {"fetch": 8}, {"fetch": None}),
    "completed": Program(as_they_complete, {"halved": 5}, {}),
    "nested": Program(nested_pools, {"outer": 2, "square": 5}, {"square": "outer"}),
    "processes": Program(processes, {"square": 6, "halved": 2}, {}),
    "multiprocessing": Program(chunked_processes, {"square": 41}, {}),
    "thread-pool": Program(pool_of_threads, {"halved": 2, "square": 3}, {}),
    "crawler": Program(crawler, {"main": 1, "worker": 3}, {"worker": "main"}),
    "groups": Program(task_groups, {"main": 1, "step": 2, "halved": 2}, {"step": "main", "halved": "step"}),
    "queues": Program(threads_and_queues, {"consume": 1}, {"consume": None}),
    "joblib": Program(joblib_loop, {"square": 5}, {}),
    "dask": Program(dask_graph, {"square": 4, "sum": 1}, {}),
    "pocketflow": Program(pocketflow_batch, {"Squares": 5}, {}),
}
needed = {"joblib": "joblib", "dask": "dask", "pocketflow": "pocketflow"}
marks = {
    "processes": pytest.mark.processes,
    "multiprocessing": pytest.mark.processes,
    "dask": pytest.mark.leaves_threads,  # it keeps its pool
}
every_program = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[marks[name]] if name in marks else []) for name in PROGRAMS]
)


def counted(trace: kv.Trace) -> Counter[str]:
    """Count the branches by name; short items of a chunk share one."""
    found: Counter[str] = Counter()
    for each in trace:
        if each.kind == "branch":
            found[each.name] += each.attributes.get("items", 1)
    return found


@every_program
def test_a_program_gives_the_same_and_all_its_branches_are_there(name: str, tmp_path: Path):
    if name in needed:
        pytest.importorskip(needed[name])
    program = PROGRAMS[name]
    plain = program.run()
    with kv.record(capture="all") as trace:
        assert program.run() == plain
    trace.validate()
    assert counted(trace) == program.branches
    names = {each.span_id: each.name for each in trace}
    for child, parent in program.parents.items():
        found = {names.get(each.parent_id or 0) for each in trace if each.name == child}
        assert found == {parent}
    path = tmp_path / "run.jsonl"
    trace.save(path)
    assert list(load(path)) == list(trace)
    check_rules(kv.to_perfetto(trace)["traceEvents"])


def test_fifty_runs_of_a_parallel_batch_are_the_same():
    pytest.importorskip("pocketflow")
    plain = pocketflow_batch()
    for _ in range(50):
        with kv.record(capture="all") as trace:
            assert pocketflow_batch() == plain
        assert counted(trace.validate()) == {"Squares": 5}
