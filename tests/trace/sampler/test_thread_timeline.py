"""What threads did when, from made-up readings of their CPU clocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.trace.sampler.thread_timeline import ThreadReadings, tick_ns, timelines

MS = 1_000_000
TICK = 2 * MS
BLIP = MS // 100


def readings(*rows, tid=1, pid=1):
    """Return readings from rows of time, CPU and waiting for a core until then [ms]."""
    times, cpu, core = (np.rint(np.array(column) * MS).astype(np.int64) for column in zip(*rows, strict=True))
    return ThreadReadings(pid, tid, times, cpu, core)


def every_tick(used_ms, until_ms, *, tid=1, pid=1, core_ms=lambda _: 0.0):
    """Return the readings at each tick of a thread that has used ``used_ms(t)`` by `t` [ms]."""
    return readings(*((t, used_ms(t), core_ms(t)) for t in range(0, until_ms + 1, 2)), tid=tid, pid=pid)


def computing(*turns, blips=()):
    """Return how much CPU a thread has used by a time [ms] that computes from and to these times, and wakes at others.

    A moment in which it only wakes up takes 0.01 ms.
    """

    def used(t):
        return sum(min(max(t - began, 0), ended - began) for began, ended in turns) + 0.01 * sum(b < t for b in blips)

    return used


def pieces(*all_readings, has_gil=True):
    """Return what each thread did, as texts of kind and end [ms]."""
    lines = timelines(all_readings, switch_ns=5 * MS, has_gil=has_gil)
    return [
        [f"{PART_KINDS[kind]} {end / MS:g}" for kind, end in zip(each.kind, each.edges_ns[1:], strict=True)]
        for each in lines
    ]


def test_who_sleeps_and_then_computes_has_its_cpu_behind():
    assert pieces(every_tick(computing((50, 100)), 120)) == [["wait 50", "cpu 100", "wait 120"]]


def test_the_cpu_of_a_tick_that_is_mixed_lies_beside_its_neighbour_that_is_full_of_it():
    assert pieces(every_tick(computing((5, 13)), 20)) == [["wait 5", "cpu 13", "wait 20"]]


def test_cpu_between_two_turns_is_shared_between_them():
    assert pieces(every_tick(computing((0, 5), (5.5, 12)), 14)) == [["cpu 4.75", "wait 5.25", "cpu 12", "wait 14"]]


def test_only_changes_are_read():
    assert pieces(readings((0, 0, 0), (48, 0, 0), (50, 2, 0), (52, 4, 0))) == [["wait 48", "cpu 52"]]


def test_what_the_system_tells_late_happened_before():
    """A core that is busy is asked for its clocks every 4 ms only; time waited for a core is told when it is over."""
    assert pieces(readings((0, 0, 0), (8, 0, 0), (10, 4, 0), (12, 4, 0))) == [["wait 6", "cpu 10", "wait 12"]]
    assert pieces(readings((0, 0, 0), (8, 0, 0), (10, 1, 6), (12, 3, 6))) == [["wait 3", "core 9", "cpu 12"]]


def test_who_is_pushed_off_a_core_waits_for_one_between_two_turns():
    late = every_tick(computing((0, 6), (10, 20)), 20, core_ms=lambda t: 4.0 if t >= 12 else 0.0)
    assert pieces(late) == [["cpu 6", "core 10", "cpu 20"]]


def test_gaps_in_the_ticks_are_no_gaps_in_what_is_known():
    assert pieces(readings((0, 0, 0), (2, 2, 0), (40, 40, 0), (42, 42, 0))) == [["cpu 42"]]


def test_a_thread_that_was_read_once_is_left_out():
    assert pieces(readings((0, 5, 0))) == []
    assert timelines([], switch_ns=5 * MS, has_gil=True) == []


def turns_of_three(*, pid=1):
    """Return readings of three threads that take turns of 5 ms, and look for the GIL meanwhile."""
    found = []
    for place in range(3):
        starts = range(5 * place, 90, 15)
        used = computing(*((at, at + 5) for at in starts), blips=range(5 * (place == 0), 90, 5))
        found.append(every_tick(used, 90, tid=place + 1, pid=pid))
    return found


def share_of(line, kind):
    return line.lasted_ns[line.kind == PART_KINDS.index(kind)].sum() / (line.edges_ns[-1] - line.edges_ns[0])


@pytest.mark.parametrize(("has_gil", "expected"), [(True, {"gil": 2 / 3}), (False, {"wait": 2 / 3})])
def test_threads_that_take_turns_wait_for_the_gil(has_gil, expected):
    for line in timelines(turns_of_three(), switch_ns=5 * MS, has_gil=has_gil):
        assert share_of(line, "cpu") == pytest.approx(1 / 3, abs=0.06)
        assert {kind: share_of(line, kind) for kind in expected} == pytest.approx(expected, abs=0.06)


def test_threads_that_take_turns_do_not_compute_at_once():
    lines = timelines(turns_of_three(), switch_ns=5 * MS, has_gil=True)
    turns = sorted(
        turn
        for line in lines
        for kind, *turn in zip(line.kind, line.edges_ns[:-1], line.edges_ns[1:], strict=True)
        if PART_KINDS[kind] == "cpu"
    )
    assert max(before[1] - after[0] for before, after in pairwise(turns)) <= TICK


def test_threads_of_different_processes_never_wait_for_each_others_gil():
    three = [each._replace(pid=pid) for pid, each in enumerate(turns_of_three(), 1)]
    assert all(share_of(line, "gil") == 0 for line in timelines(three, switch_ns=5 * MS, has_gil=True))


def test_threads_that_release_the_gil_compute_side_by_side():
    two = [every_tick(computing((0, 60)), 60, tid=tid) for tid in (1, 2)]
    assert pieces(*two) == [["cpu 60"], ["cpu 60"]]


def test_nobody_waits_for_the_gil_while_others_use_more_than_one_core():
    two = [every_tick(computing((0, 60)), 60, tid=tid) for tid in (1, 2)]
    third = every_tick(computing((0, 20), (40, 60), blips=(25, 30, 35)), 60, tid=3)
    assert pieces(*two, third)[2] == ["cpu 20", "wait 40", "cpu 60"]


def test_who_sleeps_while_another_computes_does_not_wait_for_the_gil():
    """It does not wake up meanwhile to look for it."""
    one, other = every_tick(computing((0, 60)), 60), every_tick(computing((0, 20), (40, 60)), 60, tid=2)
    assert pieces(one, other)[1] == ["cpu 20", "wait 40", "cpu 60"]


def test_who_sleeps_and_then_waits_for_the_gil_did_both():
    one = every_tick(computing((0, 50)), 60)
    other = every_tick(computing((50, 60), blips=(29.99, 34.99, 39.99, 44.99)), 60, tid=2)
    assert pieces(one, other)[1] == ["wait 29.99", "gil 50", "cpu 60"]


def test_who_is_read_seldom_is_known_to_sleep_if_it_did_not_wake_up():
    """On a machine that is too busy, readings come every 10 ms."""
    one = readings(*((t, t, 0) for t in range(0, 61, 10)))
    sleeps = readings((0, 0, 0), (10, 10, 0), (40, 10, 0), (50, 20, 0), (60, 30, 0), tid=2)
    waits = readings((0, 0, 0), (10, 10, 0), *((t, 10 + t / 1e3, 0) for t in (20, 30, 40)), (50, 20, 0), tid=3)
    assert pieces(one, sleeps)[1] == ["cpu 10", "wait 40", "cpu 60"]
    assert [piece.split()[0] for piece in pieces(one, waits)[1]] == ["cpu", "gil", "cpu"]


def test_whoever_holds_the_gil_may_wait_for_a_core():
    holder = every_tick(computing((0, 10), (20, 30)), 30, core_ms=lambda t: 10.0 if t >= 22 else 0.0)
    waiter = every_tick(computing((30, 40), blips=(0.01, 5, 10, 15, 20, 25)), 40, tid=2)
    assert pieces(holder, waiter)[1][-2:] == ["gil 30", "cpu 40"]


def test_short_waits_while_hardly_anybody_computes_are_waits():
    one = every_tick(computing((0, 4), (8, 12), (16, 20)), 20)
    other = every_tick(computing(blips=(3, 7, 11)), 20, tid=2)
    assert pieces(one, other) == [["cpu 4", "wait 8", "cpu 12", "wait 16", "cpu 20"], ["wait 20"]]


def test_moments_awake_are_no_pieces():
    assert pieces(every_tick(computing((80, 100), blips=(20, 40, 60)), 100)) == [["wait 80", "cpu 100"]]


def test_the_tick_is_what_the_readings_say_and_no_less_than_wanted():
    slow = readings((0, 0, 0), (6, 6, 0), (12, 12, 0), (60, 12, 0), (66, 18, 0))
    assert tick_ns([slow], TICK) == 6 * MS
    assert tick_ns([slow], 20 * MS) == 20 * MS
    assert tick_ns([], TICK) == TICK
