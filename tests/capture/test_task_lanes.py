"""What tasks did when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from kaygraph_viz.capture.task_lanes import SHORT_WAIT_NS, TaskLane, lane_for, told_by, told_of
from kaygraph_viz.parts import PART_KINDS
from kaygraph_viz.trace.lanes import Lanes


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


def test_short_steps_are_told_by_their_sum() -> None:
    lane = lane_from(1_000)
    step(lane, 1_000, 3_000)
    step(lane, 10_000, 11_000)
    assert lane.told(1_000, 11_000) == (3_000, 0, None)


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


def test_many_waits_are_all_told(resting: asyncio.Task[None]) -> None:
    lane = lane_from(0)
    for now_ns in range(0, 30 * 200_000, 200_000):
        step(lane, now_ns, now_ns + 1_000)
        lane.end_wait(resting, now_ns + 200_000)
    step(lane, 6_000_000, 6_001_000)
    cpu_ns, _, parts = told_of(lane.hand_over(0))
    assert cpu_ns == 31_000
    assert [(PART_KINDS[code], until_ns) for code, until_ns, _ in parts or ()] == [
        (kind, 200_000 * number + lasted_ns)
        for number in range(31)
        for kind, lasted_ns in [("cpu", 1_000), ("gil", 200_000)]
    ][:-1]


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
