"""Tasks of asyncio."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.capture.tasks import SHORT_WAIT_NS, TaskLane, TaskRun, lane_for, told_by, told_of
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.lanes import Lanes
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


# -- task names ----------------------------------------------------------------------------------------------------


def recorded_task_names(main, **options) -> list[Span]:
    with kv.record(capture="asyncio", **options) as trace:
        asyncio.run(main)
    return [span for span in trace.validate() if span.kind == "branch"]  # a busy machine may hold up the loop


def names(main) -> list[str]:
    return [span.name for span in recorded_task_names(main)]


def double(number: int) -> int:
    return 2 * number


async def fetch(page: str) -> str:
    await asyncio.sleep(0)
    return page


async def _in_a_group(several) -> None:
    async with asyncio.TaskGroup() as group:
        for each in several:
            group.create_task(each)


async def _as_completed(several) -> None:
    for each in asyncio.as_completed(list(several)):
        await each


ASKED = {
    "gather": lambda several: asyncio.gather(*several),
    "group": _in_a_group,
    "create": lambda several: asyncio.wait([asyncio.create_task(each) for each in several]),
    "ensure": lambda several: asyncio.wait([asyncio.ensure_future(each) for each in several]),
    "completed": _as_completed,
}


@pytest.mark.parametrize("how", ASKED)
def test_a_task_of_the_program_is_a_branch_whoever_wrote_its_coroutine(how: str):
    async def main() -> None:
        await ASKED[how](asyncio.sleep(0) for _ in range(3))

    spans = recorded_task_names(main())
    (own,) = (span for span in spans if span.name == "main")
    assert [span.parent_id for span in spans if span.name == "sleep"] == [own.span_id] * 3


def test_a_task_that_a_library_makes_for_itself_is_no_branch():
    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        queue.put_nowait(1)
        assert await asyncio.wait_for(queue.get(), 60) == 1
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await reader.read()
            writer.close()

    assert names(main()) == ["main"]


def test_what_is_waited_for_with_a_time_limit_is_one_branch():
    async def main() -> None:
        pages = (asyncio.wait_for(fetch(page), 60) for page in "ab")
        assert await asyncio.gather(*pages) == ["a", "b"]

    spans = recorded_task_names(main(), label="arguments")
    assert sorted((span.name, span.attributes.get("label")) for span in spans if span.name != "main") == [
        ("fetch", '"a"'), ("fetch", '"b"'),
    ]  # fmt: skip


# -- task lanes ----------------------------------------------------------------------------------------------------


def lane_from(now_ns: int) -> TaskLane:
    return lane_for(Lanes(lambda: 0), [], now_ns)


@pytest.fixture
def resting() -> Iterator[asyncio.Task[None]]:
    """A task that has let others go first and has not gone on yet."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    yield task
    loop.run_until_complete(task)
    loop.close()


def step(lane: TaskLane, began_ns: int, ended_ns: int) -> None:
    """Take a short step, as the hook of a loop notes it."""
    lane.ran_ns += ended_ns - began_ns
    lane.ended_ns = ended_ns


def shown(lane: TaskLane, started_ns: int, now_ns: int) -> list[tuple[str, int]]:
    return [(PART_KINDS[code], until_ns) for code, until_ns, _ in lane.told(started_ns, now_ns)[2] or ()]


def test_a_wait_comes_between_two_stretches(resting: asyncio.Task[None]) -> None:
    lane = lane_from(1_000)
    step(lane, 1_000, 3_000)
    lane.end_wait(resting, 3_000 + SHORT_WAIT_NS)
    step(lane, 53_000, 54_000)
    assert shown(lane, 1_000, 54_000) == [("cpu", 3_000), ("gil", 53_000), ("cpu", 54_000)]


def test_what_is_told_later_changes_nothing_for_the_next_task_on_the_lane(resting: asyncio.Task[None]) -> None:
    lane = lane_from(1_000)
    lane.end_wait(resting, 60_000)
    step(lane, 60_000, 61_000)
    told = lane.hand_over(1_000)
    assert told_of(told)[2] is not None
    assert lane.log.entries == []


def test_what_the_next_task_on_the_lane_does_changes_nothing_of_what_is_told_later(resting: asyncio.Task[None]) -> None:
    lane = lane_from(1_000)
    step(lane, 1_000, 3_000)
    told = lane.hand_over(1_000)
    lane.end_wait(resting, 60_000)
    lane.end_long_step(200_000)
    assert told_of(told) == (2_000, 0, None)


def test_what_others_note_comes_after_the_waits_before_it(resting: asyncio.Task[None]) -> None:
    lane = lane_from(1_000)
    step(lane, 1_000, 3_000)
    lane.end_wait(resting, 60_000)
    log = lane.noting()
    assert log is not None
    log.cover("blocked", 62_000, 70_000)
    step(lane, 60_000, 71_000)
    lane.end_wait(resting, 200_000)
    step(lane, 200_000, 201_000)
    told = [("gil", 60_000), ("blocked", 70_000), ("cpu", 71_000), ("gil", 200_000), ("cpu", 201_000)]
    assert shown(lane, 1_000, 201_000) == [("cpu", 3_000), *told]
    told_last = told_of(lane.hand_over(1_000))[2] or ()
    assert [(PART_KINDS[code], until_ns) for code, until_ns, _ in told_last][1:] == told
    assert lane.log.entries == []  # so that the next task on the lane begins with none


def test_a_task_that_is_cut_off_between_steps_waits() -> None:
    lane = lane_from(1_000)
    step(lane, 1_000, 3_000)
    assert shown(lane, 1_000, 90_000) == [("cpu", 3_000), ("wait", 90_000)]


def test_a_lane_is_used_again_without_what_was_before() -> None:
    free: list[TaskLane] = []
    lanes = Lanes(lambda: 0)
    lane = lane_for(lanes, free, 1_000)
    lane.log.add("wait", 1_000, 2_000)
    lane.due_s = 1.0
    lane.give_back()
    again = lane_for(lanes, free, 5_000)
    assert again is lane
    assert again.told(5_000, 5_000) == (0, 0, None)
    assert again.due_s is None
    assert lane_for(lanes, free, 5_000).name == "task-2"


@pytest.mark.parametrize(("what", "kind"), [("sleep", "wait"), ("lock", "blocked"), ("queue", "blocked")])
def test_what_a_task_waits_for_is_read_off_its_innermost_coroutine(what: str, kind: str) -> None:
    async def waiting() -> None:
        if what == "sleep":
            await asyncio.sleep(100)
        elif what == "lock":
            lock = asyncio.Lock()
            await lock.acquire()
            await lock.acquire()
        else:
            await asyncio.Queue().get()

    async def main() -> None:
        task = asyncio.create_task(waiting())
        await asyncio.sleep(0)
        code, due_s = told_by(task.get_coro())
        assert (PART_KINDS[code], due_s is None) == (kind, what != "sleep")
        task.cancel()

    asyncio.run(main())
