"""What must hold for every kind of captured work (all modules of `capture`): nothing is lost, kept or changed."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import threading
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

import kaygraph_viz as kv


class Thing:
    """Something of the program to which a weak reference can be had."""


def end_process(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.processes
def test_items_of_a_killed_worker_are_lost() -> None:
    with kv.record(capture="futures") as trace, ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        jobs = [pool.submit(end_process, number) for number in range(3)]
        assert all(job.exception() is not None for job in jobs)
    assert [each.status for each in trace.validate()] == ["lost"] * 3


def fail(number: int) -> None:
    raise ValueError(number)


def functions_in_traceback(pool_kind: Any, method: str, items: list[Any]) -> list[str]:
    with pool_kind(1) as pool, pytest.raises(ValueError, match="1") as raised:
        list(getattr(pool, method)(fail, items))
    return re.findall(r", in (\S+)", str(raised.value.__cause__))


@pytest.mark.processes
@pytest.mark.parametrize(
    ("pool_kind", "method", "items"),
    [
        (ProcessPoolExecutor, "map", [1]),
        (get_context("fork").Pool, "map", [1]),
        (get_context("fork").Pool, "starmap", [(1,)]),
    ],
)
def test_tracebacks_from_other_processes_are_as_without(pool_kind: Any, method: str, items: list[Any]) -> None:
    plain = functions_in_traceback(pool_kind, method, items)
    with kv.record(capture="all"):
        assert functions_in_traceback(pool_kind, method, items) == plain


@pytest.mark.processes
def test_pools_of_loky_bring_their_spans_home() -> None:
    loky = pytest.importorskip("joblib.externals.loky")
    with kv.record(capture="futures") as trace:
        pool = loky.get_reusable_executor(1)
        assert pool.submit(abs, -1).result() == 1
        assert list(pool.map(abs, [-2, -3])) == [2, 3]
        pool.shutdown()
    assert [each.name for each in trace.validate()] == ["abs"] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.processes
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_records_nothing() -> None:
    with kv.record(capture="all") as trace:
        child = os.fork()
        if not child:
            with kv.span("inside"):
                pass
            os._exit(len(trace))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_nothing_of_the_program_is_kept_alive() -> None:
    refs: list[weakref.ref[object]] = []

    def noted(thing: object) -> object:
        refs.append(weakref.ref(thing))
        return thing

    def work(_: object) -> object:
        return noted(Thing())

    async def step(_: object) -> object:
        noted(asyncio.current_task())
        await asyncio.sleep(0)
        return noted(Thing())

    async def main() -> None:
        await asyncio.gather(step(noted(Thing())), asyncio.to_thread(work, noted(Thing())))

    with kv.record(capture="all"):
        with ThreadPoolExecutor(2) as pool:
            pool.submit(work, noted(Thing())).result()
            list(pool.map(work, [noted(Thing())]))
        asyncio.run(main())
        thread = threading.Thread(target=work, args=(noted(Thing()),))
        noted(thread)
        thread.start()
        thread.join()
        del thread, pool
        gc.collect()
        assert [each() for each in refs if each() is not None] == []


def test_a_pool_from_before_is_captured_and_what_goes_on_after_is_not() -> None:
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(abs, 0).result()
        with kv.record(capture="futures") as trace:
            pool.submit(abs, -1).result()
            late = pool.submit(go.wait)
            waiting = pool.submit(abs, -2)
        go.set()
        assert (late.result(), waiting.result(), pool.submit(abs, -3).result()) == (True, 2, 3)
    assert {each.name for each in trace.validate()} <= {"abs", "Event.wait"}
    assert trace.where(status="ok")[0].name == "abs"
    assert len(trace) <= 2


def test_tasks_in_simulated_time_last_as_long_as_they_wait() -> None:
    async def fetch(seconds: float) -> None:
        await asyncio.sleep(seconds)
        with kv.span("parse"):
            pass

    async def main() -> None:
        await asyncio.gather(fetch(1), fetch(2))

    with kv.record(capture="all", clock="virtual") as trace:
        asyncio.run(main())
    trace.validate()
    assert [(each.name, each.service_s) for each in trace if each.name != "parse"] == [
        ("main", 2.0), ("fetch", 1.0), ("fetch", 2.0),
    ]  # fmt: skip
    assert {part.kind for each in trace.where(name="fetch") for part in each.parts} == {"wait"}


@pytest.mark.processes
def test_processes_in_simulated_time_say_once_that_they_are_not_recorded() -> None:
    with (
        pytest.warns(UserWarning, match="simulated time") as warned,
        kv.record(capture="all", clock="virtual") as trace,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        assert list(pool.map(abs, [-1, -2])) == [1, 2]
    assert len(warned) == 1
    assert not len(trace)


def test_an_interrupt_of_tasks_leaves_a_valid_trace() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        tasks = [asyncio.create_task(forever()) for _ in range(2)]
        await asyncio.sleep(0)
        signal.raise_signal(signal.SIGINT)
        await asyncio.gather(*tasks)

    with kv.record(capture="all") as trace, pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert {each.status for each in trace.validate()} == {"cancelled"}


def test_tasks_with_the_code_of_one_wrapper_have_their_own_names() -> None:
    import functools

    def retried(function):
        @functools.wraps(function)
        async def wrapper() -> None:
            await function()

        return wrapper

    @retried
    async def first() -> None: ...

    @retried
    async def second() -> None: ...

    async def main() -> None:
        await asyncio.gather(first(), second())

    with kv.record(capture="asyncio") as trace:
        asyncio.run(main())
    assert [each.name.rpartition(".")[2] for each in trace.where(kind="branch")] == ["main", "first", "second"]


def test_a_span_that_lasts_over_steps_stays_the_scope_of_the_main_task() -> None:
    async def main() -> None:
        with kv.span("outer"):
            await asyncio.sleep(0)
            with kv.span("inner"):
                pass

    with kv.record(capture="asyncio") as trace:
        asyncio.run(main())
    names = {each.span_id: each.name for each in trace.validate()}
    assert {each.name: names.get(each.parent_id or 0) for each in trace} == {
        "main": None, "outer": "main", "inner": "outer",
    }  # fmt: skip


def test_a_recording_within_a_recorded_task_has_lanes_of_its_own() -> None:
    async def step() -> None:
        with kv.span("inside"):
            await asyncio.sleep(0)

    async def main() -> kv.Trace:
        with kv.record(capture="asyncio") as inner, kv.span("around"):
            await asyncio.gather(step(), step())
        await asyncio.gather(step())
        return inner

    with kv.record(capture="asyncio") as outer:
        inner = asyncio.run(main())
    assert sorted(each.name.rpartition(".")[2] for each in inner.validate()) == [
        "around", "inside", "inside", "step", "step",
    ]  # fmt: skip
    assert sorted(each.name.rpartition(".")[2] for each in outer.validate()) == ["inside", "main", "step"]
