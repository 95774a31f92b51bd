"""Chunks and orders: who runs what, per-item outcomes on every kind, what is lost with a worker, stopping early."""

from __future__ import annotations

import asyncio
import os
import threading
from itertools import pairwise
from operator import attrgetter

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.errors import BranchError, DeadlineExceeded, OptionError, WorkerLostError
from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.execute.registry import KINDS, get_executor
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.execute.schedules import SCHEDULES, checked_schedule, edges, imap_in_chunks, imap_in_order
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock

GUARD_S = 20.0
WORKERS = 3


@pytest.fixture(params=KINDS)
def executor(request):
    if request.param == "process":
        yield request.getfixturevalue("processes")(WORKERS)
        return
    if request.param != "dask":
        made = get_executor(request.param, WORKERS)
    else:
        from kaygraph_viz.execute.dask.executor import DaskExecutor

        made = DaskExecutor(WORKERS, client=request.getfixturevalue("dask_client"))
    with made:
        yield made


def in_chunks(executor, fn, items, **options):
    """Return the outcomes of items that are run in chunks, by position."""
    found = list(imap_in_chunks(executor, fn, items, owner="Check", **options))
    assert sorted(outcome.index for outcome in found) == list(range(len(items)))
    return sorted(found, key=lambda outcome: outcome.index)


def double(x):
    return 2 * x


def fail_odd(x):
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


def fail_first(item):
    name, number = item
    if number == 1:
        raise LookupError(name)
    return {name: number}


class CannotLoad:
    def __reduce__(self):
        return int, ("not a number",)


def give(what):
    """Return or do something that only some kinds of worker can cope with."""
    return {"lock": threading.Lock, "broken": CannotLoad}[what]() if what in ("lock", "broken") else what


def sleep_or_fail(x):
    sleep(x + 0)


def leave(x):
    if x == 5:
        os._exit(3)
    return x


@pytest.mark.parametrize("wrong", ["Static", None, 1])
def test_unknown_schedules_are_refused(wrong):
    with pytest.raises(OptionError, match="one of 'dynamic', 'static', 'longest-first'"):
        checked_schedule(wrong)
    assert [checked_schedule(schedule) for schedule in SCHEDULES] == list(SCHEDULES)


@given(st.integers(0, 60), st.integers(1, 9))
def test_chunks_are_of_nearly_one_size_and_leave_nothing_out(items, chunks):
    cuts = edges(items, chunks)
    sizes = [end - start for start, end in pairwise(cuts)]
    assert (cuts[0], cuts[-1], len(sizes)) == (0, items, chunks)
    assert max(sizes) - min(sizes) <= 1


# -- chunks, on every kind ------------------------------------------------------------------------------------------


def test_every_item_has_its_outcome(executor):
    outcomes = in_chunks(executor, double, range(10), label=str)
    assert [outcome.unwrap() for outcome in outcomes] == [2 * x for x in range(10)]
    assert [outcome.name for outcome in outcomes] == [str(x) for x in range(10)]
    assert all(outcome.submitted_ns <= outcome.started_ns <= outcome.ended_ns for outcome in outcomes)


def test_nothing_to_do_is_nothing(executor):
    assert in_chunks(executor, double, []) == []


def test_fewer_items_than_workers(executor):
    assert [outcome.value for outcome in in_chunks(executor, double, [1])] == [2]


def test_errors_and_attempts_are_those_of_each_item(executor):
    outcomes = in_chunks(executor, fail_odd, range(8), on_error="collect", retry=RetryPolicy(3))
    assert [(outcome.status, outcome.attempts) for outcome in outcomes] == [("ok", 1), ("error", 3)] * 4
    assert str(outcomes[5].error) == "5 is odd"
    assert "in item 5 of 'Check', after 3 attempts" in outcomes[5].error.__notes__


def test_a_fallback_takes_the_place_of_the_value(executor):
    outcomes = in_chunks(executor, fail_odd, range(4), fallback=lambda item, error: f"{item}: {error}")
    assert [outcome.value for outcome in outcomes] == [0, "1: 1 is odd", 2, "3: 3 is odd"]


def test_functions_get_items_and_not_what_travels(executor):
    outcomes = in_chunks(
        executor, fail_first, [("a", 1), ("b", 2)], label=lambda item: item[0], fallback=lambda item, error: [*item]
    )
    assert [(outcome.name, outcome.value) for outcome in outcomes] == [("a", ["a", 1]), ("b", {"b": 2})]


def test_the_first_error_ends_the_call(executor):
    with pytest.raises(ValueError, match="is odd") as caught:
        in_chunks(executor, fail_odd, range(8))
    assert caught.value.__notes__[0] in {f"in item {x} of 'Check'" for x in (1, 3, 5, 7)}
    assert in_chunks(executor, double, [3])[0].value == 6  # the executor can be used again


def test_what_cannot_travel_costs_its_own_item(executor):
    travels = executor.capabilities.needs_pickling
    outcomes = in_chunks(executor, give, [1, "lock", 2, "broken", 3, threading.Lock()], on_error="collect")
    assert [outcome.ok for outcome in outcomes] == [True, not travels, True, not travels, True, not travels]
    assert all(isinstance(outcome.error, BranchError) for outcome in outcomes if not outcome.ok)
    assert [outcome.value for outcome in outcomes[:5:2]] == [1, 2, 3]


def test_the_trace_has_a_chunk_for_each_worker_and_the_items_within(executor):
    with record() as trace:
        in_chunks(executor, double, range(6), label=lambda x: f"item {x}")
    chunks = sorted((s for s in trace.where(kind="branch") if s.name.startswith("chunk")), key=attrgetter("index"))
    assert [s.name for s in chunks] == [f"chunk {number}" for number in range(1, executor.workers + 1)]
    items = [s for s in trace.where(kind="branch") if s.name.startswith("item")]
    assert sorted((s.index, s.name) for s in items) == [(x, f"item {x}") for x in range(6)]
    of_chunk = {s.span_id: s for s in chunks}
    for item in items:
        chunk = of_chunk[item.parent_id]
        assert item.index * executor.workers // 6 == chunk.index
        assert item.lane == chunk.lane
    assert len({s.lane for s in chunks}) <= executor.workers


@pytest.mark.parametrize("kind", KINDS)
def test_in_simulated_time_the_chunks_run_at_once_and_their_items_do_not(kind):
    with record(clock="virtual") as trace, get_executor(kind, WORKERS) as executor:
        outcomes = in_chunks(executor, sleep, [1, 1, 5, 1, 1, 1])
    assert all(outcome.ok for outcome in outcomes)
    at_once = kind not in ("serial", "async")  # a plain function holds the loop
    assert trace.makespan_s == (6 if at_once else 10)
    if at_once:
        assert [outcome.queue_wait_s for outcome in outcomes] == [0, 1, 0, 5, 0, 1]


# -- time limits, dying workers, stopping ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("async", "dask")])
def test_an_item_that_took_too_long_is_a_timeout(kind):
    with record(clock="virtual"), get_executor(kind, 2) as executor:
        outcomes = in_chunks(executor, sleep, [1, 1, 3, 1], timeout=2, on_error="collect")
    assert [outcome.status for outcome in outcomes] == ["ok", "ok", "timeout", "ok"]
    assert isinstance(outcomes[2].error, DeadlineExceeded)


def test_a_coroutine_that_takes_too_long_is_cancelled():
    from kaygraph_viz.clock.clock import sleep_async

    with record(clock="virtual") as trace, get_executor("async", 2) as executor:
        outcomes = in_chunks(executor, sleep_async, [1, 900, 1, 1], timeout=2, on_error="collect")
    assert [outcome.status for outcome in outcomes] == ["ok", "timeout", "ok", "ok"]
    assert trace.makespan_s == 3


def test_parts_of_coroutines_in_a_chunk_are_noted_once_for_item_and_chunk():
    clock = FakeClock()

    async def work(number):
        clock.compute(1)
        await asyncio.sleep(0)  # the other chunk goes on meanwhile
        clock.compute(1)

    with record(clock=clock) as trace, get_executor("async", 2) as executor:
        in_chunks(executor, work, range(4), name="work")
    assert trace.validate() is trace
    first = next(span for span in trace if span.name == "work")
    assert [(part.kind, part.lasted_ns) for part in first.parts] == [
        ("cpu", 1_000_000_000), ("gil", 1_000_000_000), ("cpu", 1_000_000_000)
    ]  # fmt: skip


def test_coroutines_that_never_wait_take_turns_with_the_other_chunks():
    began = []
    with get_executor("async", 2) as executor:
        in_chunks(executor, began.append, range(6))
    assert began == [0, 3, 1, 4, 2, 5]


def test_a_chunk_that_does_not_end_is_given_up_with_what_it_has_not_done():
    with record(clock="virtual"), get_executor("thread", 2) as executor:
        outcomes = in_chunks(executor, sleep, [1, 900, 1, 1, 1, 1], timeout=2, on_error="collect")
    assert [outcome.status for outcome in outcomes] == ["ok", "timeout", "timeout", "ok", "ok", "ok"]
    assert "items 1 to 2 of 'Check' have no result" in outcomes[1].error.__notes__


@pytest.mark.processes
def test_a_process_that_dies_takes_its_chunk_with_it():
    with get_executor("process", 2) as executor:
        outcomes = in_chunks(executor, leave, range(8), on_error="collect", label=str)
        assert [outcome.status for outcome in outcomes] == ["ok"] * 4 + ["lost"] * 4
        assert all(isinstance(outcome.error, WorkerLostError) for outcome in outcomes[4:])
        assert outcomes[4].error.__notes__ == ["items 4 to 7 of 'Check' have no result"]
        assert [outcome.name for outcome in outcomes] == [str(x) for x in range(8)]
        assert in_chunks(executor, double, [1])[0].value == 2


def test_after_an_error_no_other_item_begins():
    began = []

    def fail_at_first(x):
        began.append(x)
        sleep(1 if x == 0 else 2)
        if x == 0:
            raise LookupError

    with record(clock="virtual") as trace, get_executor("thread", 2) as executor, pytest.raises(LookupError):
        in_chunks(executor, fail_at_first, range(6))
    assert (began, trace.makespan_s) == ([0, 3], 2)


def test_after_an_error_processes_are_killed():
    with record(clock="virtual") as trace, get_executor("process", 2) as executor, pytest.raises(TypeError):
        in_chunks(executor, sleep_or_fail, ["no number", 1, 100, 100])
    assert trace.makespan_s == 0
    assert trace.where(name="chunk 2")[0].status == "cancelled"


def test_leaving_early_ends_the_chunks():
    with record(clock="virtual") as trace, get_executor("thread", 2) as executor:
        outcomes = imap_in_chunks(executor, sleep, [1, 2, 5, 7], owner="Check")
        assert next(outcomes).index == 0
        outcomes.close()
    assert trace.makespan_s == 5


@pytest.mark.processes
def test_times_of_processes_are_put_on_the_clock_of_the_caller():
    clock = FakeClock(1000.0)
    with record(clock=clock) as trace, get_executor("process", 2) as executor:
        outcomes = in_chunks(executor, double, range(4))
    assert all(outcome.submitted_ns == 1000 * 10**9 for outcome in outcomes)
    assert min(outcome.started_ns for outcome in outcomes) >= 1000 * 10**9
    trace.validate()


# -- an order of its own --------------------------------------------------------------------------------------------


def test_items_are_begun_in_the_given_order_and_outcomes_carry_their_position():
    began = []
    with get_executor("thread", 1) as executor:
        found = list(imap_in_order(executor, began.append, "abc", [2, 0, 1], owner="Check", label=str))
    assert began == ["c", "a", "b"]
    assert [(outcome.index, outcome.name) for outcome in found] == [(2, "c"), (0, "a"), (1, "b")]


def test_an_error_says_which_item_it_was(executor):
    with pytest.raises(ValueError, match="3 is odd") as caught:
        list(imap_in_order(executor, fail_odd, [0, 2, 3], [2, 1, 0], owner="Check"))
    assert caught.value.__notes__ == ["in item 0 of 'Check, longest first'", "which is item 2 of 'Check'"]
