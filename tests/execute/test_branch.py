"""One branch in its worker: which side lets go of it, its outcome and its row; coroutines step by step."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from kaygraph_viz.base.errors import DeadlineExceeded
from kaygraph_viz.base.parts import PART_CODE, PartLog
from kaygraph_viz.clock.clock import sleep, use_clock
from kaygraph_viz.execute.branch import Branches, Claim, OpenBranch, StepTimer, in_context
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.lanes import NO_LANE, Lane

MS = 1_000_000


def test_a_claim_is_let_go_by_one_side_only():
    claim, held = Claim(), OpenBranch(0, "a", 0, 0)
    claim.take(held)
    assert claim.peek() is held
    assert claim.release(held)
    assert not claim.release(held)
    assert claim.peek() is None


def test_giving_up_late_never_hits_the_branch_after_it():
    """The reader looks at branch 0, the worker ends it and takes branch 1, and only then the reader gives up on 0."""
    claim, first, second = Claim(), OpenBranch(0, "a", 0, 0), OpenBranch(1, "a", 0, 0)
    claim.take(first)
    seen = claim.peek()
    assert claim.release(first)
    claim.take(second)
    assert not claim.release(seen)
    assert claim.peek() is second


def test_what_is_cut_off_is_a_row_that_ends_there():
    log = PartLog()
    log.add("wait", 2 * MS, 5 * MS)
    row = OpenBranch(3, "a", MS, 2 * MS, 7, 6, "thread-1", log).abandoned_row(9 * MS)
    assert (row.span_id, row.parent_id, row.index, row.name, row.kind) == (7, 6, 3, "a", "branch")
    assert (row.submitted_ns, row.started_ns, row.ended_ns, row.status) == (MS, 2 * MS, 9 * MS, "abandoned")
    assert row.parts == ((PART_CODE["wait"], 5 * MS, -1.0), (PART_CODE["unknown"], 9 * MS, -1.0))


def test_a_branch_gives_its_times_its_value_and_its_attempts():
    clock = FakeClock(start_s=5)
    with use_clock(clock):
        outcome = Branches(lambda x: sleep(2) or x, name="look").run(4, "a", 10**9, NO_LANE)
    assert (outcome.index, outcome.value, outcome.status, outcome.attempts, outcome.name) == (4, "a", "ok", 1, "look")
    assert (outcome.submitted_ns, outcome.started_ns, outcome.ended_ns) == (10**9, 5 * 10**9, 7 * 10**9)


@pytest.mark.parametrize(("took_s", "status"), [(2, "ok"), (2.5, "timeout")])
def test_a_branch_that_took_longer_than_it_has_is_a_timeout_without_a_value(took_s, status):
    with use_clock(FakeClock()):
        outcome = Branches(lambda x: sleep(took_s) or x, name="look", timeout_s=2).run(0, "a", 0, NO_LANE)
    assert outcome.status == status
    assert outcome.value == ("a" if status == "ok" else None)
    assert isinstance(outcome.error, DeadlineExceeded) == (status == "timeout")


def test_a_failure_after_the_deadline_is_a_timeout_but_an_interrupt_stays_one():
    def fail(error):
        sleep(3)
        raise error

    with use_clock(FakeClock()):
        branches = Branches(fail, name="fail", timeout_s=2)
        assert branches.run(0, ValueError("no"), 0, NO_LANE).status == "timeout"
        interrupted = branches.run(0, KeyboardInterrupt(), 0, NO_LANE)
    assert (interrupted.status, type(interrupted.error)) == ("cancelled", KeyboardInterrupt)


def test_a_branch_that_was_given_up_meanwhile_is_abandoned_in_outcome_and_trace():
    claim = Claim()

    def give_up(_):
        assert claim.release(claim.peek())

    with record() as trace:
        branches = Branches(give_up, name="a")
        outcome = branches.run(0, "a", branches.now_ns(), branches.recorder.lanes.mine(), claim)
    assert outcome.status == "abandoned"
    assert Branches(give_up, name="a").run(0, "a", 0, None, claim).status == "abandoned"
    assert [(span.name, span.status) for span in trace] == [("a", "abandoned")]


def test_bare_runs_leave_the_stamps_to_the_caller():
    branches = Branches(lambda x: 1 / x, name="over", retry=RetryPolicy(2))
    good, bad = branches.run_bare(0, 2), branches.run_bare(1, 0)
    assert good == (0.5, None, 1)
    outcome = branches.outcome_of(1, bad, 10, 20)
    assert (outcome.status, outcome.attempts, outcome.started_ns, outcome.ended_ns) == ("error", 2, 10, 20)
    assert type(outcome.error) is ZeroDivisionError


# -- coroutines, step by step ----------------------------------------------------------------------------------------


name = contextvars.ContextVar("name", default="outside")


def test_two_in_one_task_are_kept_apart():
    async def inside(word):
        before = name.get()
        name.set(word)
        await asyncio.sleep(0)
        return before, name.get()

    async def main():
        return [await in_context(contextvars.copy_context(), inside(word)) for word in "ab"]

    assert asyncio.run(main()) == [("outside", "a"), ("outside", "b")]


def test_errors_of_what_was_awaited_arrive_inside_and_those_from_inside_outside():
    async def inside(future):
        try:
            await future
        except LookupError:
            raise ValueError("seen") from None

    async def main():
        future = asyncio.get_running_loop().create_future()
        future.set_exception(LookupError())
        await in_context(contextvars.copy_context(), inside(future))

    with pytest.raises(ValueError, match="seen"):
        asyncio.run(main())


def test_a_cancellation_arrives_inside():
    said = []

    async def inside():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            said.append("cancelled")
            await asyncio.sleep(0)
            raise

    async def main():
        task = asyncio.create_task(awaiting())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    async def awaiting():
        await in_context(contextvars.copy_context(), inside())

    assert asyncio.run(main())
    assert said == ["cancelled"]


def test_closing_arrives_inside():
    said = []

    async def inside():
        try:
            await asyncio.Event().wait()
        finally:
            said.append("closed")

    async def main():
        async def outer():
            await in_context(contextvars.copy_context(), inside())

        coroutine = outer()
        coroutine.send(None)
        coroutine.close()

    asyncio.run(main())
    assert said == ["closed"]


def test_the_first_wait_is_told_once():
    told = []

    async def inside():
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def without_a_wait():
        return 1

    async def main():
        await in_context(contextvars.copy_context(), without_a_wait(), on_wait=lambda: told.append("never"))
        await in_context(contextvars.copy_context(), inside(), on_wait=lambda: told.append("once"))

    asyncio.run(main())
    assert told == ["once"]


@pytest.mark.parametrize(("has_cpu", "expected"), [(True, 3 * 10**9), (False, -1)])
def test_the_timer_counts_steps_and_not_what_lies_between(has_cpu, expected):
    clock = FakeClock()
    timer = StepTimer(Lane("async-1", clock.cpu_ns if has_cpu else None, 0), clock.now_ns)

    async def inside():
        clock.compute(1)
        await asyncio.sleep(0)
        clock.sleep(7)
        clock.compute(2)

    async def other():
        clock.compute(50)

    async def main():
        beside = asyncio.create_task(other())
        await in_context(contextvars.copy_context(), inside(), timer)
        await beside

    asyncio.run(main())
    assert timer.cpu_ns == expected
