"""Random programs that know nothing of this package: recorded, they give the same, and each call is a branch.

Belongs here: what such a program is, and one case. Does not belong here: which cases (``__main__``, ``test_fuzz``).

A program is a tree of calls. Each call does a few things in turn: it computes, waits, hands other calls to a carrier
(threads, pools, processes, tasks of asyncio, a cluster of Dask) and waits for them, or fails.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import queue
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import dask
import distributed
import joblib

import kaygraph_viz as kv

try:
    import uvloop
except ImportError:  # there is none for Windows
    uvloop = asyncio

dask.config.set({"distributed.worker.profile.enabled": False})  # see `tests.conftest`
DEEPEST, MOST_CALLS = 3, 24
LOOPS = ("loop", "uvloop")
ON_CLUSTER = ("client", "retried", "handed on")
IN_PROCESSES = ("pool", "map", "threads", "thread pool", "workers", "joblib", "dask", *LOOPS, *LOOPS)
IN_PLAIN_CODE = (*IN_PROCESSES, *ON_CLUSTER)
OF_COROUTINES = ("gather", "group", "create", "limited", "completed")
IN_COROUTINES = (*OF_COROUTINES, "cancelled", "to_thread", "executor", "async client")


@dataclass(frozen=True)
class Call:
    """One call: its number in the program, what it does in turn, and whether it fails at the end."""

    number: int
    steps: tuple[Step, ...]
    fails: bool


@dataclass(frozen=True)
class Step:
    """What a call does next: ``compute`` or ``wait`` for some microseconds, or other calls by a carrier."""

    what: str
    micros: int = 0
    calls: tuple[Call, ...] = ()


class Failed(Exception):
    """What a call raises that fails."""


def program(seed: int) -> Call:
    """Return the program of a seed."""
    root = _Maker(seed).call(0, is_coroutine=False)
    assert root is not None
    return root


class _Maker:
    """Makes the calls of one program."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._numbers = iter(range(MOST_CALLS))
        self._carriers = IN_PLAIN_CODE

    def call(self, depth: int, *, is_coroutine: bool) -> Call | None:
        if (number := next(self._numbers, None)) is None:
            return None
        rng = self._rng
        steps = [self._step(depth, is_coroutine) for _ in range(rng.randint(depth == 0, 3))]
        return Call(number, tuple(steps), depth > 0 and rng.random() < 0.1)

    def _step(self, depth: int, is_coroutine: bool) -> Step:
        rng = self._rng
        if depth == DEEPEST or rng.random() < (0.4 if depth else 0.1):
            return Step(rng.choice(("compute", "wait", "wait")), rng.choice((0, 0, 30, 100, 400)))
        if depth == 0 and rng.random() < 0.2:
            return Step(rng.choice(("processes", "process")), calls=self._calls_away(depth + 1))
        what = self._what(is_coroutine)
        if what == "cancelled":  # how far they get is open
            return Step(what, rng.choice((0, 50, 300)), self._calls(DEEPEST, 4, is_coroutine=True))
        if what in ON_CLUSTER or what == "async client":
            return Step(what, calls=self._calls_away(depth + 1))
        most = 1 if what in ("workers", *LOOPS) else 4
        return Step(what, calls=self._calls(depth + 1, most, is_coroutine=what in (*LOOPS, *OF_COROUTINES)))

    def _what(self, is_coroutine: bool) -> str:
        what = self._rng.choice(IN_COROUTINES if is_coroutine else self._carriers)
        return "gather" if what == "async client" and self._carriers is IN_PROCESSES else what

    def _calls(self, depth: int, most: int, *, is_coroutine: bool) -> tuple[Call, ...]:
        made = (self.call(depth, is_coroutine=is_coroutine) for _ in range(self._rng.randint(1, most)))
        return tuple(each for each in made if each is not None)

    def _calls_away(self, depth: int) -> tuple[Call, ...]:
        """Return calls in another process or on a cluster, where no clients and processes are made."""
        self._carriers, before = IN_PROCESSES, self._carriers
        there = self._calls(depth, 3, is_coroutine=False)
        self._carriers = before
        return there


# -- running it ----------------------------------------------------------------------------------------------------


def run_plain(call: Call) -> Any:
    """Do what a call does, in a thread; return its number and what its calls gave."""
    gave = [_PLAIN[step.what](step) if step.calls else _pass(step) for step in call.steps]
    if call.fails:
        raise Failed(call.number)
    return call.number, gave


async def run_coroutine(call: Call) -> Any:
    """Do what a call does, in a coroutine; return its number and what its calls gave."""
    gave = []
    for step in call.steps:
        if step.calls:
            gave.append(await _ASYNC[step.what](step))
        elif step.what == "wait":
            gave.append(await asyncio.sleep(step.micros / 1e6))
        else:
            gave.append(_pass(step))
    if call.fails:
        raise Failed(call.number)
    return call.number, gave


def _pass(step: Step) -> None:
    if step.what == "wait":
        time.sleep(step.micros / 1e6)
    until = time.perf_counter() + step.micros / 1e6
    while step.what == "compute" and time.perf_counter() < until:
        pass


def _told(get: Callable[[], Any]) -> Any:
    """Return what a call gave, or what it raised."""
    try:
        return get()
    except Failed as error:
        return f"failed: {error}"


def _in_pool(step: Step) -> Any:
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(run_plain, call) for call in step.calls]
        for job in as_completed(jobs):
            job.exception()
        return [_told(job.result) for job in jobs]


def _by_map(step: Step) -> Any:
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(_run_and_tell, step.calls)
        return list(results)


def _run_and_tell(call: Call) -> Any:
    return _told(lambda: run_plain(call))


def _in_thread_pool(step: Step) -> Any:
    with ThreadPool(2) as pool:
        return [_told(job.get) for job in [pool.apply_async(run_plain, (call,)) for call in step.calls]]


def _in_threads(step: Step) -> Any:
    gave: dict[int, Any] = {}

    def keep(call: Call) -> None:
        gave[call.number] = _run_and_tell(call)

    threads = [threading.Thread(target=keep, args=(call,)) for call in step.calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [gave[call.number] for call in step.calls]


def _by_workers(step: Step) -> Any:
    waiting: queue.Queue[int | None] = queue.Queue(1)
    gave: list[Any] = []

    def work(call: Call) -> None:
        gave.append(_run_and_tell(call))
        while (item := waiting.get()) is not None:
            gave.append(item)

    thread = threading.Thread(target=work, args=step.calls)
    thread.start()
    for item in (*range(3), None):
        waiting.put(item)
    thread.join()
    return gave


def _in_processes(step: Step) -> Any:
    return list(_processes().map(_run_and_tell, step.calls))


@cache
def _processes() -> Executor:
    return ProcessPoolExecutor(1, mp_context=_forkserver())


@cache
def _forkserver() -> Any:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])  # so that each process starts at once
    return context


def _in_a_process_each(step: Step) -> Any:
    results = _forkserver().SimpleQueue()
    processes = [_forkserver().Process(target=_put, args=(call, results)) for call in step.calls]
    for process in processes:
        process.start()
    gave = dict(results.get() for _ in processes)
    for process in processes:
        process.join()
    return [gave[call.number] for call in step.calls]


def _put(call: Call, results: Any) -> None:
    results.put((call.number, _run_and_tell(call)))


def _by_joblib(step: Step) -> Any:
    calls = (joblib.delayed(_run_and_tell)(call) for call in step.calls)
    return joblib.Parallel(2, backend="threading", batch_size=1)(calls)


def _by_dask(step: Step) -> Any:
    return list(dask.compute(*[dask.delayed(_run_and_tell)(call) for call in step.calls], scheduler="threads"))


def _by_client(step: Step) -> Any:
    return _client().gather([_client().submit(_run_and_tell, call, pure=False) for call in step.calls])


def _by_retries(step: Step) -> Any:
    jobs = [_client().submit(_fail_at_first, call, retries=3, pure=False) for call in step.calls]
    return _client().gather(jobs)


def _fail_at_first(call: Call) -> Any:
    if _attempts.setdefault(call.number, 1) < _attempts_of(call):
        _attempts[call.number] += 1
        raise Failed(call.number)
    del _attempts[call.number]
    return _run_and_tell(call)


def _attempts_of(call: Call) -> int:
    return 1 + call.number % 3


_attempts: dict[int, int] = {}  # by the number of a call under way: which one it is


def _handed_on(step: Step) -> Any:
    return _client().submit(_hand_on, step.calls[0], step.calls[1:], pure=False).result()


def _hand_on(call: Call, others: tuple[Call, ...]) -> Any:
    with distributed.worker_client() as client:
        gave = client.gather([client.submit(_run_and_tell, each, pure=False) for each in others])
    return [_run_and_tell(call), *gave]


@cache
def _client() -> distributed.Client:
    client = distributed.Client(
        processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0", set_as_default=False,
        silence_logs=logging.CRITICAL,  # of tasks that fail
    )  # fmt: skip
    atexit.register(logging.disable)  # while it is shut down, the client of its worker looks for it
    return client


async def _by_async_client(step: Step) -> Any:
    address = _client().cluster.scheduler_address
    async with distributed.Client(address, asynchronous=True, set_as_default=False) as client:
        jobs = [client.submit(run_plain, call, pure=False) for call in step.calls]
        return [await _told_async(job) for job in jobs]


async def _told_async(job: distributed.Future) -> Any:
    try:
        return await job
    except Failed as error:
        return f"failed: {error}"


def _in_loop(step: Step) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if step.what == "uvloop" else None) as runner:
        return _told(lambda: runner.run(run_coroutine(step.calls[0])))


async def _gathered(step: Step, each: Callable[[Call], Awaitable[Any]] = run_coroutine) -> Any:
    found = await asyncio.gather(*map(each, step.calls), return_exceptions=True)
    return [f"failed: {one}" if isinstance(one, Failed) else one for one in found]


async def _in_group(step: Step) -> Any:
    async def told(call: Call) -> Any:
        return (await _gathered(Step("gather", calls=(call,))))[0]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(told(call)) for call in step.calls]
    return [task.result() for task in tasks]


async def _created(step: Step) -> Any:
    tasks = [asyncio.create_task(run_coroutine(call)) for call in step.calls]
    await asyncio.wait(tasks)
    return [_told(task.result) for task in tasks]


async def _cancelled(step: Step) -> None:
    tasks = [asyncio.create_task(run_coroutine(call)) for call in step.calls]
    await asyncio.sleep(step.micros / 1e6)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _limited(step: Step) -> Any:
    semaphore = asyncio.Semaphore(2)

    async def one(call: Call) -> Any:
        async with semaphore:
            return await asyncio.wait_for(run_coroutine(call), 60)

    return await _gathered(step, one)


async def _completed(step: Step) -> Any:
    gave = []
    for each in asyncio.as_completed([run_coroutine(call) for call in step.calls]):
        try:
            gave.append(await each)
        except Failed as error:
            gave.append(f"failed: {error}")
    return sorted(gave, key=str)


async def _to_threads(step: Step) -> Any:
    return await _gathered(step, lambda call: asyncio.to_thread(run_plain, call))


async def _in_executor(step: Step) -> Any:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as pool:
        return await _gathered(step, lambda call: loop.run_in_executor(pool, run_plain, call))


_PLAIN = {
    "pool": _in_pool, "map": _by_map, "thread pool": _in_thread_pool, "threads": _in_threads, "workers": _by_workers,
    "processes": _in_processes, "process": _in_a_process_each, "joblib": _by_joblib, "dask": _by_dask,
    "loop": _in_loop, "uvloop": _in_loop, "client": _by_client, "retried": _by_retries, "handed on": _handed_on,
}  # fmt: skip
_ASYNC = {
    "gather": _gathered, "group": _in_group, "create": _created, "cancelled": _cancelled, "limited": _limited,
    "to_thread": _to_threads, "executor": _in_executor, "completed": _completed, "async client": _by_async_client,
}  # fmt: skip


# -- one case ------------------------------------------------------------------------------------------------------


def run_case(seed: int, folder: Path) -> None:
    """Run the program of a seed as it is and recorded, and compare."""
    root = program(seed)
    _client()  # here, since two threads must not load the libraries for it at once
    plain = run_plain(root)
    with kv.record(capture="all", label=lambda call: call.number) as trace:
        recorded = run_plain(root)
    assert recorded == plain
    trace.validate()
    found, expected = _branches(trace), dict(_expected(root, None))
    assert found == expected, f"\n{drawn(root)}\n{trace}"
    assert list(kv.load(trace.save(folder / "program.jsonl"))) == list(trace)
    if expected:
        _use(trace)


def _branches(trace: kv.Trace) -> dict[int, tuple[int | None, int]]:
    """Return the number of the call that made each call, and how many bars it has."""
    spans = {span.span_id: span for span in trace}
    found: dict[int, tuple[int | None, int]] = {}
    for span in trace.where(kind="branch"):
        number, above = _number(span), spans.get(span.parent_id)
        while above is not None and _number(above) == number:
            above = spans.get(above.parent_id)
        maker = None if above is None else _number(above)
        assert number not in found or found[number][0] == maker, f"two calls made {number}"
        found[number] = maker, found.get(number, (None, 0))[1] + 1
    return found


def _number(span: kv.Span) -> int:
    return int(span.attributes["label"])


def _expected(call: Call, maker: int | None) -> Iterator[tuple[int, tuple[int | None, int]]]:
    for step in call.steps:
        for each in step.calls:
            is_inner = step.what == "handed on" and each is not step.calls[0]
            yield each.number, (step.calls[0].number if is_inner else maker, _bars(step.what, each))
            yield from _expected(each, each.number)


def _bars(what: str, call: Call) -> int:
    """Return how many bars a call by a carrier has: some try again, or wrap it in a task of its own."""
    if what == "retried":
        return _attempts_of(call)
    return 2 if what == "group" or (what == "limited" and sys.version_info < (3, 12)) else 1


def _use(trace: kv.Trace) -> None:
    for analysis in (kv.summarize, kv.explain, kv.critical_path, kv.what_if):
        assert str(analysis(trace))


def drawn(call: Call, depth: int = 0) -> str:
    """Return a program as text, one line for each call."""
    lines = [f"{'  ' * depth}{call.number}{' fails' if call.fails else ''}"]
    for step in call.steps:
        lines.append(f"{'  ' * depth}  {step.what} {step.micros or ''}")
        lines += [drawn(each, depth + 2) for each in step.calls]
    return "\n".join(lines)
