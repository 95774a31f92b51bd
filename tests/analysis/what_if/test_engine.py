"""The laws of any schedule, and that the simulation does what the virtual clock does, to the nanosecond."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given, strategies as st

from kaygraph_viz.analysis.laws import graham_ratio, greedy_makespan_s, least_makespan_s
from kaygraph_viz.analysis.what_if.tasks import COMPUTE, WAIT
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


@given(batches, st.sampled_from(["thread", "process", "async"]))
def test_one_worker_takes_as_long_as_all_the_work(branches, kind):
    assert played(branches, 1, kind).makespan_ns == total(branches)


@given(batches, counts, st.sampled_from(["thread", "process", "async"]), st.sampled_from([None, 1, 2]))
def test_no_schedule_is_faster_than_its_work_and_its_longest_branch_allow(branches, workers, kind, cores):
    replay = played(branches, workers, kind, cores)
    least = least_makespan_s(total(branches) / 1e9, max(map(lasts, branches)) / 1e9, workers)
    assert replay.makespan_ns >= least * 1e9 - 1
    if kind != "process":
        assert replay.makespan_ns >= total(branches, COMPUTE)


@given(batches, counts)
def test_processes_with_enough_cores_keep_the_bounds_of_graham_and_brent(branches, workers):
    replay = played(branches, workers, "process")
    work_s, path_s = total(branches) / 1e9, max(map(lasts, branches)) / 1e9
    assert replay.makespan_ns <= greedy_makespan_s(work_s, path_s, workers) * 1e9 + 1
    assert replay.makespan_ns <= graham_ratio(workers) * least_makespan_s(work_s, path_s, workers) * 1e9 + 1


@given(waits, counts)
def test_waiting_branches_are_scheduled_like_a_list(durations, workers):
    replay = played([[(WAIT, each)] if each else [] for each in durations], workers)
    assert replay.makespan_ns == list_schedule(durations, workers).makespan_ns
    if all(durations):
        assert replay.started == list_schedule(durations, workers).started_ns


@given(waits, counts)
def test_one_more_worker_makes_nothing_longer_where_branches_only_wait(durations, workers):
    branches = [[(WAIT, each)] for each in durations if each]
    assert played(branches, workers + 1).makespan_ns <= played(branches, workers).makespan_ns


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


@given(batches, counts)
def test_of_threads_no_more_than_one_second_is_computed_in_a_second(branches, workers):
    replay = played(branches, workers)
    computes_only = [place for place, branch in enumerate(branches) if {what for what, _ in branch} == {COMPUTE}]
    if len(computes_only) == len(branches):
        assert replay.makespan_ns == total(branches)


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
