"""The cost of capturing programs that know nothing of this package, on the smallest tasks and on whole programs.

Belongs here: programs with and without ``record(capture=...)``. Does not belong here: our own branches (``batches``).

The smallest tasks show the cost of a hook and no more; both run in turns, and the figure of each is its best turn,
since what a task costs beyond it is what other programs on the machine took.

The rows of up to 8,192 branches become columns when the recording ends, and those of tasks of asyncio are made then:
that time is not part of these figures, but for the row of 20,000 tasks.
"""

from __future__ import annotations

import asyncio
import gc
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from hashlib import sha256
from importlib import import_module
from typing import Any

import kaygraph_viz as kv
from benchmarks.harness import Measured, Scale, benchmark, check_count, per_call

TURNS = 9  # at least
AT_LEAST_S = 5.0  # short programs have more turns, since a moment in which nothing else runs may not come at once
AT_ONCE = 500  # tasks of asyncio
DATA = bytes(1 << 20)

Program = Callable[[int], object]  # runs as many tasks as it is told


def nothing(_: object = None) -> None:
    """Do nothing, in a task of a pool."""


def a_while(_: object = None) -> int:
    """Wait for a service and compute a little, for some milliseconds in all."""
    time.sleep(0.002)
    return sum(sha256(DATA).digest())


# -- the smallest tasks --------------------------------------------------------------------------------------------


@benchmark("capture: task of a thread pool / plain", peer="the same not recorded", target=1.6, note="tasks do nothing")
def thread_task(scale: Scale) -> Measured:
    """Measure ``submit`` and ``result`` of a task that does nothing."""
    with ThreadPoolExecutor(1) as pool:
        return _beside_plain("futures", lambda count: _submit(pool, count), scale.pick(5_000, 50), scale)


@benchmark("capture: one of 20,000 tasks of a thread pool", peer="the same not recorded", note="tasks do nothing")
def one_of_many_thread_tasks(scale: Scale) -> Measured:
    """Measure tasks that are too many for their rows to wait for the end."""
    with ThreadPoolExecutor(1) as pool:
        return _beside_plain("futures", lambda count: _submit(pool, count), scale.pick(20_000, 50), scale)


@benchmark("capture: task of a process pool / plain", peer="the same not recorded", target=1.4, note="tasks do nothing")
def process_task(scale: Scale) -> Measured:
    """Measure ``submit`` and ``result`` of a task that does nothing in another process."""
    with ProcessPoolExecutor(1) as pool:
        _submit(pool, 1)
        return _beside_plain("futures", lambda count: _submit(pool, count), scale.pick(1_500, 20), scale)


@benchmark("capture: empty asyncio task / plain", peer="the same not recorded", target=2.3)
def empty_task(scale: Scale) -> Measured:
    """Measure tasks that end in their first step."""
    return _beside_plain("asyncio", _tasks(_empty), scale.pick(5_000, 50), scale)


@benchmark("capture: empty asyncio task / VizTracer", peer="VizTracer, log_async", target=0.95)
def empty_task_beside_viztracer(scale: Scale) -> Measured:
    """Measure tasks that end in their first step."""
    return _beside_viztracer("asyncio", _tasks(_empty), scale.pick(5_000, 50), scale)


@benchmark("capture: asyncio task that waits 1 ms / plain", peer="the same not recorded", target=1.75)
def waiting_task(scale: Scale) -> Measured:
    """Measure tasks that sleep once, many at the same time."""
    return _beside_plain("asyncio", _tasks(_one_ms), scale.pick(5_000, 50), scale)


@benchmark("capture: asyncio task that waits 1 ms / VizTracer", peer="VizTracer, log_async", target=0.8)
def waiting_task_beside_viztracer(scale: Scale) -> Measured:
    """Measure tasks that sleep once, many at the same time."""
    return _beside_viztracer("asyncio", _tasks(_one_ms), scale.pick(5_000, 50), scale)


@benchmark("capture: one more step of a task / plain", peer="the same not recorded", target=1.4, note="sleep(0)")
def step(scale: Scale) -> Measured:
    """Measure the steps of one task that does nothing but let others go first."""
    return _beside_plain("asyncio", lambda count: asyncio.run(_steps(count)), scale.pick(20_000, 100), scale, spans=1)


@benchmark("capture: put and get of a queue of threads / plain", peer="the same not recorded", target=1.7)
def queue_item(scale: Scale) -> Measured:
    """Measure a thread that hands numbers to another one."""
    return _beside_plain("threading", _queue, scale.pick(20_000, 100), scale, spans=1)


@benchmark("capture: task of joblib in threads / plain", peer="the same not recorded", target=1.4)
def joblib_thread_task(scale: Scale) -> Measured:
    """Measure calls that do nothing, each in a batch of its own."""
    return _beside_plain("joblib", _joblib("threading"), scale.pick(2_000, 20), scale)


@benchmark("capture: task of joblib in loky / plain", peer="the same not recorded", target=1.6)
def joblib_loky_task(scale: Scale) -> Measured:
    """Measure calls that do nothing, each in a batch of its own, in other processes."""
    run = _joblib("loky")
    run(20)  # starts the processes
    try:
        return _beside_plain("joblib", run, scale.pick(1_000, 20), scale)
    finally:
        import_module("joblib.externals.loky").get_reusable_executor().shutdown()


@benchmark("capture: task of Dask in threads / plain", peer="the same not recorded", target=1.3)
def dask_task(scale: Scale) -> Measured:
    """Measure tasks that do nothing in Dask's scheduler of threads."""
    with ThreadPoolExecutor(2) as pool:
        return _beside_plain("dask", lambda count: _dask(pool, count), scale.pick(1_000, 20), scale)


# -- whole programs ------------------------------------------------------------------------------------------------


@benchmark("capture: program with a thread pool / plain", peer="the same not recorded", target=1.15, note="2 ms a task")
def thread_program(scale: Scale) -> Measured:
    """Measure a program with tasks that wait and compute."""
    return _beside_plain("all", _pool_of(ThreadPoolExecutor), scale.pick(200, 4), scale)


@benchmark(
    "capture: program with a process pool / plain", peer="the same not recorded", target=1.15, note="2 ms a task"
)
def process_program(scale: Scale) -> Measured:
    """Measure a program with tasks that wait and compute in other processes."""
    return _beside_plain("all", _pool_of(ProcessPoolExecutor), scale.pick(200, 4), scale)


@benchmark("capture: program with asyncio / plain", peer="the same not recorded", target=1.15, note="a crawler")
def asyncio_program(scale: Scale) -> Measured:
    """Measure a crawler: a queue, workers, and pages that take some steps and some computing."""
    return _beside_plain("all", lambda count: asyncio.run(_crawl(count)), scale.pick(400, 4), scale, spans=5)


# -- how they are measured -----------------------------------------------------------------------------------------


def _beside_plain(capture: str, program: Program, count: int, scale: Scale, *, spans: int | None = None) -> Measured:
    """Measure a program recorded, within a span of ours, and not; `spans`: its branches if not one for each task."""

    def recorded() -> float:
        with kv.record(capture=capture) as trace, kv.span("around"):
            cost = per_call(lambda: program(count), count)
        check_count(sum(each.kind == "branch" for each in trace) - 1, count if spans is None else spans)
        return cost

    return _best(recorded, lambda: per_call(lambda: program(count), count), scale)


def _beside_viztracer(capture: str, program: Program, count: int, scale: Scale) -> Measured:
    from viztracer import VizTracer

    def recorded() -> float:
        with kv.record(capture=capture):
            return per_call(lambda: program(count), count)

    def traced() -> float:
        tracer = VizTracer(verbose=0, tracer_entries=100 * count + 1_000, log_async=True, register_global=False)
        tracer.start()
        cost = per_call(lambda: program(count), count)
        tracer.stop()
        tracer.clear()
        return cost

    return _best(recorded, traced, scale)


def _best(ours: Callable[[], float], peer: Callable[[], float], scale: Scale) -> Measured:
    costs: tuple[list[float], list[float]] = ([], [])
    turns, enough = scale.pick((TURNS, time.monotonic() + AT_LEAST_S), (1, 0.0))
    while len(costs[1]) < turns or time.monotonic() < enough:
        for kept, turn in zip(costs, (ours, peer), strict=True):
            gc.collect()
            kept.append(turn())
    return Measured(*map(min, costs))


# -- the programs --------------------------------------------------------------------------------------------------


def _submit(pool: Executor, count: int) -> None:
    for future in [pool.submit(nothing) for _ in range(count)]:
        future.result()


def _pool_of(kind: Callable[[int], Executor]) -> Program:
    def program(count: int) -> None:
        with kind(4) as pool:
            for future in [pool.submit(a_while) for _ in range(count)]:
                future.result()

    return program


async def _empty() -> None:
    pass


async def _one_ms() -> None:
    await asyncio.sleep(0.001)


def _tasks(work: Callable[[], Coroutine[Any, Any, None]]) -> Program:
    async def many(count: int) -> None:
        left = count - 1  # and the task around them
        while left:
            now = min(left, AT_ONCE)
            for task in [asyncio.ensure_future(work()) for _ in range(now)]:
                await task
            left -= now

    return lambda count: asyncio.run(many(count))


async def _steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def _crawl(count: int) -> None:
    pages: asyncio.Queue[int] = asyncio.Queue()
    for page in range(count):
        pages.put_nowait(page)

    async def worker() -> None:
        while not pages.empty():
            await pages.get()
            for _ in range(3):
                await asyncio.sleep(0.001)
            sha256(DATA)
            pages.task_done()

    await asyncio.gather(*(worker() for _ in range(4)))


def _queue(count: int) -> None:
    items: queue.Queue[int] = queue.Queue(100)

    def take_all() -> None:
        for _ in range(count):
            items.get()

    taker = threading.Thread(target=take_all)
    taker.start()
    for number in range(count):
        items.put(number)
    taker.join()


def _joblib(backend: str) -> Program:
    joblib: Any = import_module("joblib")

    def program(count: int) -> None:
        joblib.Parallel(n_jobs=2, backend=backend, batch_size=1)(joblib.delayed(nothing)() for _ in range(count))

    return program


def _dask(pool: Executor, count: int) -> None:
    dask: Any = import_module("dask")
    dask.compute(*[dask.delayed(nothing)(number) for number in range(count)], scheduler="threads", pool=pool)
