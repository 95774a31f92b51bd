"""Tasks of asyncio."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import time
import traceback
from contextlib import nullcontext

import pytest

import kaygraph_viz as kv
from kaygraph_viz.capture.tasks import TaskRun
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.span import Span

HANDLE_RUN = asyncio.events.Handle._run


def recorded(main, **options) -> dict[str, list[Span]]:
    """Record a main coroutine and return the spans by name."""
    with kv.record(capture="asyncio", **options) as trace:
        asyncio.run(main)
    trace.validate()
    assert asyncio.events.Handle._run is HANDLE_RUN
    found: dict[str, list[Span]] = {}
    for each in trace:
        found.setdefault(each.name, []).append(each)
    return found


def kinds(span: Span) -> set[str]:
    return {part.kind for part in span.parts}


def hold_up(seconds: float) -> None:
    """Block the loop, as a call that does not belong in a coroutine would."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def rest(turns: int = 1) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.mark.parametrize("how", ["gather", "group", "create"])
def test_every_task_is_a_branch_of_the_one_that_made_it(how: str):
    async def main() -> None:
        if how == "gather":
            await asyncio.gather(*(rest() for _ in range(5)))
        elif how == "group":
            async with asyncio.TaskGroup() as group:
                for _ in range(5):
                    group.create_task(rest())
        else:
            tasks = [asyncio.create_task(rest()) for _ in range(5)]
            await asyncio.wait(tasks)

    spans = recorded(main())
    (outer,) = spans["main"]
    assert [each.parent_id for each in spans["rest"]] == [outer.span_id] * 5
    assert len({each.lane for each in spans["rest"]}) == 5


def test_a_task_that_outlives_its_maker_belongs_to_the_one_around_it():
    async def child(go: asyncio.Event) -> None:
        await go.wait()

    async def maker(go: asyncio.Event) -> asyncio.Task[None]:
        return asyncio.create_task(child(go))

    async def main() -> None:
        go = asyncio.Event()
        late = await asyncio.create_task(maker(go))
        go.set()
        await late

    spans = recorded(main())
    assert spans["child"][0].parent_id == spans["main"][0].span_id


def test_what_a_task_waits_for_in_a_queue_or_a_lock_is_blocked():
    async def taker(queue: asyncio.Queue[int]) -> None:
        await queue.get()

    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        task = asyncio.create_task(taker(queue))
        await rest()
        hold_up(0.001)  # holds up the loop for longer than the shortest wait that is told
        await queue.put(1)
        await task

    assert "blocked" in kinds(recorded(main())["taker"][0])


def test_a_task_that_only_lets_others_go_first_waits_for_the_loop():
    async def main() -> None:
        task = asyncio.create_task(rest())
        await rest()
        hold_up(0.001)
        await task

    assert "gil" in kinds(recorded(main())["rest"][0])


@pytest.mark.parametrize("is_in_a_span", [False, True], ids=["by its timer", "by its frame"])
def test_a_sleep_is_over_when_its_timer_was_due_and_then_waits_for_the_loop(is_in_a_span: bool):
    async def sleeper() -> None:
        with kv.span("inside") if is_in_a_span else nullcontext():
            await asyncio.sleep(0.002)

    async def main() -> None:
        task = asyncio.create_task(sleeper())
        await rest()
        hold_up(0.006)
        await task

    (span,) = recorded(main())["sleeper"]
    wait, late = (part for part in span.parts if part.kind in ("wait", "gil"))
    assert (wait.kind, late.kind) == ("wait", "gil")
    assert min(wait.lasted_ns, late.lasted_ns) > 1_000_000


def test_when_a_short_sleep_was_over_says_nothing_of_what_comes_after_it():
    clock = FakeClock()

    async def worker(lock: asyncio.Lock) -> None:
        await asyncio.sleep(1e-6)  # of which the clock does not tell
        await lock.acquire()

    async def main() -> None:
        lock = asyncio.Lock()
        await lock.acquire()
        task = asyncio.create_task(worker(lock))
        while not lock._waiters:
            await rest()
        clock.advance(0.01)
        lock.release()
        await task

    assert [part.kind for part in recorded(main(), clock=clock)["worker"][0].parts] == ["blocked"]


def test_a_call_that_blocks_the_loop_is_noted_on_the_task_that_did_it(monkeypatch):
    monkeypatch.setattr("kaygraph_viz.capture.tasks.BLOCKS_LOOP_NS", 1_000_000)

    async def culprit() -> None:
        hold_up(0.002)

    async def main() -> None:
        await asyncio.gather(culprit(), rest())

    spans = recorded(main())
    assert spans["culprit"][0].span_id in {each.parent_id for each in spans["loop blocked"]}
    assert spans["culprit"][0].attributes["loop_blocked_s"] >= 0.002


def test_only_its_own_cpu_time_is_charged_to_a_task():
    async def computing() -> None:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass

    async def main() -> None:
        await asyncio.gather(rest(3), computing())

    spans = recorded(main())
    assert spans["rest"][0].cpu_ns < 0.01e9 < spans["computing"][0].cpu_ns


@pytest.mark.parametrize(
    ("fails", "status"), [(ValueError("no"), "error"), (asyncio.CancelledError(), "cancelled")], ids=["error", "cancel"]
)
def test_the_end_of_a_task_is_told(fails: BaseException, status: str):
    async def failing() -> None:
        await rest()
        raise fails

    async def main() -> None:
        await asyncio.gather(failing(), return_exceptions=True)

    assert [each.status for each in recorded(main())["failing"]] == [status]


def test_calls_in_threads_are_branches_of_their_task():
    def work() -> str:
        return "done"

    async def main() -> None:
        assert await asyncio.to_thread(work) == "done"
        assert await asyncio.get_running_loop().run_in_executor(None, work) == "done"

    spans = recorded(main())
    assert [each.parent_id for each in spans["work"]] == [spans["main"][0].span_id] * 2


def test_spans_in_a_task_lie_on_its_lane():
    async def child() -> None:
        with kv.span("inside"):
            await rest()

    async def main() -> None:
        await asyncio.gather(child(), child())

    spans = recorded(main())
    assert [each.lane for each in spans["inside"]] == [each.lane for each in spans["child"]]
    assert {each.parent_id for each in spans["inside"]} == {each.span_id for each in spans["child"]}


def test_nothing_of_a_task_is_changed():
    async def main() -> list[str]:
        task = asyncio.create_task(rest(2))
        await rest()
        coroutine = task.get_coro()
        assert inspect.getcoroutinestate(coroutine) == inspect.CORO_SUSPENDED
        return [coroutine.__name__, *(frame.f_code.co_name for frame in task.get_stack())]

    plain = asyncio.run(main())
    with kv.record(capture="asyncio"):
        assert asyncio.run(main()) == plain


def test_a_task_that_has_ended_leaves_nothing_to_the_garbage_collector():
    async def nothing():
        pass

    def kept():
        return sum(isinstance(each, TaskRun) for each in gc.get_objects())

    async def main():
        before = kept()  # that of `main` itself, and of what goes on since other tests
        for _ in range(20):
            await asyncio.create_task(nothing())
        return kept() - before

    gc.collect()
    gc.disable()
    try:
        with kv.record(capture="asyncio"):
            assert asyncio.run(main()) <= 1  # the last one
    finally:
        gc.enable()


def test_tasks_that_follow_each_other_share_a_row():
    async def nothing():
        pass

    async def main():
        for _ in range(5):
            await asyncio.create_task(nothing())

    found = recorded(main())
    assert [span.lane for span in found["nothing"]] == ["task-2"] * 5


def test_an_error_has_the_same_traceback():
    async def failing() -> None:
        raise ValueError

    async def main() -> list[str]:
        (error,) = await asyncio.gather(failing(), return_exceptions=True)
        return [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    plain = asyncio.run(main())
    with kv.record(capture="asyncio"):
        assert asyncio.run(main()) == plain


def test_in_a_running_loop_only_what_descends_from_the_block_is_captured():
    async def main() -> list[str]:
        go = asyncio.Event()

        async def stranger() -> None:
            await go.wait()
            await asyncio.create_task(rest())

        other = asyncio.create_task(stranger())
        await rest()
        with kv.record(capture="asyncio") as trace:
            go.set()
            await asyncio.create_task(rest(3))
            await other
        return [each.name for each in trace]

    assert asyncio.run(main()) == ["rest"]


def test_tasks_that_share_a_context_are_kept_apart():
    from contextvars import copy_context

    async def child() -> None:
        with kv.span("inside"):
            await rest(2)

    async def main() -> None:
        shared = copy_context()
        await asyncio.gather(*(asyncio.create_task(child(), context=shared) for _ in range(2)))

    spans = recorded(main())
    assert {each.parent_id for each in spans["inside"]} == {each.span_id for each in spans["child"]}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_an_eager_task_is_a_branch():
    async def at_once() -> int:
        return 1

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        assert await asyncio.create_task(at_once()) == 1
        await asyncio.create_task(rest(2))

    spans = recorded(main())
    outer = spans["main"][0].span_id
    assert [spans["at_once"][0].parent_id, spans["rest"][0].parent_id] == [outer, outer]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="with Python 3.14 each task may say whether it is eager")
@pytest.mark.parametrize("factory", [None, getattr(asyncio, "eager_task_factory", None)])
@pytest.mark.parametrize("is_eager", [False, True])
def test_a_task_that_says_itself_whether_it_is_eager_is_a_branch(factory, is_eager):
    async def child() -> None:
        with kv.span("inside"):
            await rest(2)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(factory)
        async with asyncio.TaskGroup() as group:
            group.create_task(child(), eager_start=is_eager)
            with kv.span("after"):
                pass

    spans = recorded(main())
    main_, child_, inside, after = (spans[name][0] for name in ("main", "child", "inside", "after"))
    assert [child_.parent_id, inside.parent_id] == [main_.span_id, child_.span_id]
    assert (child_.started_ns < after.started_ns) == is_eager


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_an_eager_task_of_a_loop_that_does_not_run_yet_begins_later():
    with kv.record(capture="asyncio") as trace, asyncio.Runner() as runner:
        runner.get_loop().set_task_factory(asyncio.eager_task_factory)
        task = runner.get_loop().create_task(rest(2))
        with kv.span("after"):
            pass
        runner.run(asyncio.wait_for(task, None))
    trace.validate()
    assert [each.name for each in sorted(trace, key=lambda each: each.started_ns)][:2] == ["after", "rest"]


def test_a_task_that_goes_on_after_the_block_is_abandoned():
    async def main() -> kv.Trace:
        go = asyncio.Event()
        with kv.record(capture="asyncio") as trace:
            late = asyncio.create_task(go.wait())
            child = asyncio.create_task(rest(2))
            await child
        go.set()
        assert await late
        return trace

    trace = asyncio.run(main())
    assert {(each.name, each.status) for each in trace} == {("Event.wait", "abandoned"), ("rest", "ok")}


def test_uvloop_runs_its_tasks_as_branches():
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        await asyncio.gather(rest(2), rest(2))

    with kv.record(capture="asyncio") as trace:
        uvloop.run(main())
    trace.validate()
    assert [each.name for each in trace if each.kind == "branch"] == ["rest", "rest"]


def test_uvloop_has_timers_that_do_not_say_when():
    uvloop = pytest.importorskip("uvloop")

    async def busy() -> None:
        hold_up(2e-4)

    async def main() -> None:
        await asyncio.gather(asyncio.sleep(1e-4), busy())

    with kv.record(capture="asyncio") as trace:
        uvloop.run(main())
    assert sorted(each.name for each in trace.validate() if each.kind == "branch") == ["busy", "sleep"]


@pytest.mark.parametrize("step", ["begin_step", "end_step"])
@pytest.mark.filterwarnings("ignore:recording stopped")
def test_a_fault_of_ours_ends_the_recording_and_not_the_program(step: str, monkeypatch):
    original, left = getattr(TaskRun, step), iter(range(5))

    def faulty(*args: object) -> None:
        if next(left, None) is None:
            raise ZeroDivisionError
        original(*args)

    async def main() -> list[int]:
        return await asyncio.gather(*(asyncio.sleep(0, number) for number in range(4)))

    monkeypatch.setattr(TaskRun, step, faulty)
    with kv.record(capture="asyncio") as trace:
        assert asyncio.run(main()) == [0, 1, 2, 3]
    assert len(trace.validate()) > 0
