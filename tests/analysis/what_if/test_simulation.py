"""Simulated workers: the laws of any schedule, and that it is the one of the virtual clock, to the nanosecond."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, strategies as st

from kaygraph_viz.analysis.laws import least_makespan_s
from kaygraph_viz.analysis.what_if.engine import SWITCH_NS, simulate
from kaygraph_viz.analysis.what_if.tasks import (
    CALL,
    COMPUTE,
    COMPUTE_FREE,
    WAIT,
    CallSpec,
    EventLoop,
    EventQueue,
    Simulation,
    Task,
)
from kaygraph_viz.clock.clock import compute, sleep, sleep_async
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from tests.analysis.what_if.runs import MS, played
from tests.list_schedule import list_schedule

operations = st.lists(
    st.tuples(st.sampled_from([WAIT, COMPUTE]), st.integers(1, 30).map(lambda value: value * MS)), max_size=3
)
batches = st.lists(operations, min_size=1, max_size=12)
waits = st.lists(st.integers(0, 30).map(lambda value: value * MS), min_size=1, max_size=20)
counts = st.integers(1, 6)


def lasts(branch):
    return sum(duration for _, duration in branch)


def total(branches, kind=None):
    return sum(duration for branch in branches for what, duration in branch if kind in (None, what))


# -- laws -----------------------------------------------------------------------------------------------------------


@given(batches, counts, st.sampled_from(["thread", "process", "async"]), st.sampled_from([None, 1, 2]))
def test_no_schedule_is_faster_than_its_work_and_its_longest_branch_allow(branches, workers, kind, cores):
    replay = played(branches, workers, kind, cores)
    least = least_makespan_s(total(branches) / 1e9, max(map(lasts, branches)) / 1e9, workers)
    assert replay.makespan_ns >= least * 1e9 - 1
    if kind != "process":
        assert replay.makespan_ns >= total(branches, COMPUTE)


@given(waits, counts)
def test_waiting_branches_are_scheduled_like_a_list(durations, workers):
    replay = played([[(WAIT, each)] if each else [] for each in durations], workers)
    assert replay.makespan_ns == list_schedule(durations, workers).makespan_ns
    if all(durations):
        assert replay.started == list_schedule(durations, workers).started_ns


@given(batches, counts, st.sampled_from(["thread", "process", "async"]))
def test_each_branch_is_run_once_and_each_worker_does_one_thing_at_a_time(branches, workers, kind):
    replay = played(branches, workers, kind)
    assert all(end - start >= lasts(branch) for start, end, branch in
               zip(replay.started, replay.ended, branches, strict=True))  # fmt: skip
    bars = sorted(zip(replay.worker, replay.started, replay.ended, strict=True))
    overlaps = [one for one, two in pairwise(bars) if one[0] == two[0] and two[1] < one[2]]
    assert not overlaps
    assert min(replay.worker) >= 0
    assert max(replay.worker) < workers


# -- the same as the virtual clock ----------------------------------------------------------------------------------


def run_item(item):
    for what, duration in item:
        (sleep if what == WAIT else compute)(duration / 1e9)


async def run_item_async(item):
    for what, duration in item:
        if what == WAIT:
            await sleep_async(duration / 1e9)
        else:
            compute(duration / 1e9)


def recorded(branches, workers, kind, clock):
    with record(clock=clock) as trace, get_executor(kind, workers) as executor:
        list(executor.imap(run_item_async if kind == "async" else run_item, branches))
    bars = {span.index: (span.started_ns, span.ended_ns) for span in trace.where(kind="branch")}
    return [bars[index] for index in range(len(branches))]


@given(batches, counts, st.sampled_from(["thread", "process", "async"]), st.sampled_from([None, 1, 2]))
@example([[(WAIT, MS)], [(WAIT, MS)], [], [(COMPUTE, MS)]], 2, "async", None)
def test_every_bar_is_the_one_of_the_virtual_clock(branches, workers, kind, cores):
    replay = played(branches, workers, kind, cores)
    bars = list(zip(replay.started, replay.ended, strict=True))
    assert bars == recorded(branches, workers, kind, VirtualClock(cores=cores))


@given(batches, counts, st.sampled_from(["thread", "process"]))
def test_starting_workers_and_dispatching_branches_cost_what_they_do_there(branches, workers, kind):
    replay = played(branches, workers, kind, start_up_ns=(3 * MS,), dispatch_ns=MS)
    bars = list(zip(replay.started, replay.ended, strict=True))
    assert bars == recorded(branches, workers, kind, VirtualClock(start_up_s=0.003, dispatch_s=0.001))


def test_expired_timers_come_one_round_after_the_coroutines_that_are_ready():
    events, ran = EventQueue(), []
    loop = EventLoop(events)

    def step(name):
        def run():
            ran.append(name)
            events.call_soon(loop.release)

        return run

    loop.wake(step("timer"))
    loop.call_soon(step("first"))
    loop.call_soon(step("second"))
    events.run()
    assert ran == ["first", "second", "timer"]


def test_ten_thousand_coroutines_that_release_at_once_are_no_recursion():
    loop, ran = EventLoop(EventQueue()), []

    def run():
        ran.append(1)
        if len(ran) < 10_000:
            loop.call_soon(run)
        loop.release()

    loop.call_soon(run)
    assert len(ran) == 10_000


def test_calls_made_at_once_share_the_interpreter():
    branches = [[(COMPUTE, MS)], [(COMPUTE, MS)]]
    specs = [CallSpec([0], 1, number=7), CallSpec([1], 1, number=8, after_ns=MS // 2)]
    replay = simulate([(WAIT, 5 * MS), (CALL, specs), (COMPUTE, MS)], 2, branches.__getitem__)
    assert replay.calls == {7: (5 * MS, 6 * MS), 8: (5 * MS + MS // 2, 7 * MS)}
    assert replay.makespan_ns == 8 * MS


def test_a_branch_may_make_calls():
    inner = CallSpec([1, 2], 2, number=1)
    branches = [[(WAIT, 1), (CALL, [inner]), (WAIT, 1)], [(WAIT, 5)], [(WAIT, 3)]]
    replay = simulate([(CALL, [CallSpec([0], 1)])], 3, branches.__getitem__)
    assert (replay.started, replay.ended) == ([0, 1, 1], [7, 6, 4])


def test_computing_without_the_interpreter_is_done_side_by_side():
    branches = [[(COMPUTE_FREE, 8 * MS)], [(COMPUTE_FREE, 8 * MS)], [(COMPUTE, 8 * MS)]]
    assert played(branches, 3).ended == [8 * MS] * 3
    assert played(branches[:2], 2, cores=1).makespan_ns == 16 * MS


def test_without_a_gil_threads_share_only_the_cores():
    branches = [[(COMPUTE, 8 * MS)], [(COMPUTE, 8 * MS)]]
    program = [(CALL, [CallSpec(range(2), 2)])]
    assert simulate(program, 2, branches.__getitem__, has_gil=False).makespan_ns == 8 * MS
    assert simulate(program, 2, branches.__getitem__, has_gil=False, cores=1).makespan_ns == 16 * MS


def test_a_long_computation_alone_is_a_single_turn():
    simulation, ended = Simulation(0, [].__getitem__, None, SWITCH_NS, None), []
    task = Task(simulation, simulation.new_interpreter(), is_alone=False)
    task.perform([(COMPUTE, 1000 * SWITCH_NS)], lambda: ended.append(simulation.events.now))
    assert simulation.events.next_ns() == 1000 * SWITCH_NS
    simulation.events.run()
    assert ended == [1000 * SWITCH_NS]


counts = st.integers(1, 6)


def test_a_static_chunk_is_for_one_worker():
    branches = [[(WAIT, each * MS)] for each in (9, 9, 1, 1)]
    assert played(branches, 2).makespan_ns == 10 * MS
    replay = played(branches, 2, is_static=True)
    assert (replay.worker, replay.makespan_ns) == ([0, 0, 1, 1], 18 * MS)


def test_workers_wait_for_an_input_that_is_slower():
    branches = [[(WAIT, 2 * MS)]] * 3
    replay = played(branches, 2, is_lazy=True, supply_ns={0: 3 * MS, 1: 3 * MS, 2: 3 * MS})
    assert replay.started == replay.submitted == [3 * MS, 6 * MS, 9 * MS]


def test_processes_take_their_time_to_end():
    assert played([[(WAIT, 5)]], 1, "process", close_ns=3).makespan_ns == 8


@pytest.mark.parametrize("kind", ["thread", "process", "async"])
def test_ever_so_many_empty_branches_and_empty_calls_are_no_problem(kind):
    assert played([()] * 5_000, 3, kind).makespan_ns == 0
    assert simulate([(CALL, []), (CALL, [CallSpec([], 4, kind)])], 0, [].__getitem__).makespan_ns == 0


def passed_on(first, second, room=None, workers=(1, 1), is_ordered=False, gone=()):
    """Simulate two stages of the given durations; items of `gone` do not come out of the first one."""
    count = len(first)
    branches = [[(WAIT, each)] for each in (*first, *second)]
    follows = {number: count + number for number in range(count) if number not in gone}
    specs = [
        CallSpec(range(count), workers[0], number=0),
        CallSpec(
            range(count, 2 * count), workers[1], number=1, feeder=0, follows=follows, room=room, is_ordered=is_ordered
        ),
    ]
    return simulate([(CALL, specs)], 2 * count, branches.__getitem__)


def test_a_stage_begins_what_comes_out_of_the_one_before():
    replay = passed_on([2, 2, 2], [3, 3, 3])
    assert replay.started[3:] == [2, 5, 8]
    assert replay.submitted[3:] == [2, 4, 6]
    assert replay.blocked == [0] * 6


def test_a_full_queue_blocks_the_stage_before_it():
    replay = passed_on([1, 1, 1, 1], [5, 5, 5, 5], room=1)
    assert replay.blocked[:4] == [0, 0, 3, 4]
    assert replay.ended[:4] == [1, 2, 6, 11]


def test_items_that_fail_are_not_waited_for():
    replay = passed_on([3, 1, 1], [1, 1, 1], workers=(3, 1), is_ordered=True, gone={0})
    assert replay.started[3:] == [-1, 3, 4]
    assert passed_on([3, 1, 1], [1, 1, 1], workers=(3, 1), gone={0}).started[3:] == [-1, 1, 2]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.data(), st.integers(1, 3), st.booleans())
def test_nothing_is_lost_and_no_queue_overflows(first, data, room, is_ordered):
    second = data.draw(st.lists(st.integers(1, 9), min_size=len(first), max_size=len(first)))
    workers = data.draw(st.tuples(counts, counts))
    replay, count = passed_on(first, second, room, workers, is_ordered), len(first)
    assert min(replay.started) >= 0
    assert all(replay.submitted[count + n] == replay.ended[n] for n in range(count))
    waiting = [(replay.submitted[n], replay.started[n]) for n in range(count, 2 * count)]
    assert all(sum(begin <= at < end for begin, end in waiting) <= room for at, _ in waiting)
    if is_ordered:
        assert replay.started[count:] == sorted(replay.started[count:])
    assert replay.makespan_ns >= max(sum(first) / workers[0], sum(second) / workers[1])


def test_results_that_are_read_in_order_block_those_that_are_too_early():
    replay = played([[(WAIT, 9)], [(WAIT, 1)], [(WAIT, 1)], [(WAIT, 1)]], 2, kept=2)
    assert replay.ended == [9, 1, 9, 10]
    assert replay.blocked == [0, 0, 7, 0]


def test_a_call_of_a_sample_lasts_as_long_as_that_of_all_branches():
    assert played([[(WAIT, 4)]] * 2, 1, scale=2.5).calls == {0: (0, 20)}
