"""Simulated worker pools: chunks, inputs, and stages that feed each other."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis.what_if.engine import simulate
from kaygraph_viz.analysis.what_if.tasks import CALL, WAIT, CallSpec
from tests.analysis.what_if.runs import MS, played

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


def test_workers_start_and_take_branches_after_their_costs():
    replay = played([[(WAIT, 10)]] * 3, 2, start_up_ns=(5, 7), dispatch_ns=1)
    assert (replay.started, replay.worker) == ([6, 8, 17], [0, 1, 0])
    assert replay.calls == {0: (0, 27)}


def test_there_are_never_more_workers_than_branches():
    assert played([[(WAIT, 1)]] * 2, 100).worker == [0, 1]


def test_results_that_are_read_in_order_block_those_that_are_too_early():
    replay = played([[(WAIT, 9)], [(WAIT, 1)], [(WAIT, 1)], [(WAIT, 1)]], 2, kept=2)
    assert replay.ended == [9, 1, 9, 10]
    assert replay.blocked == [0, 0, 7, 0]


def test_a_call_of_a_sample_lasts_as_long_as_that_of_all_branches():
    assert played([[(WAIT, 4)]] * 2, 1, scale=2.5).calls == {0: (0, 20)}
