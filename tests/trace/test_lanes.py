"""Lanes: one per worker, by name, and its CPU time."""

from __future__ import annotations

import threading

import pytest

from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.lanes import Lane, Lanes
from kaygraph_viz.trace.recorder import span

GUARD_S = 20.0


def test_threads_one_after_the_other_have_lanes_of_their_own_names():
    """The system gives the number of a thread that has ended to the next one."""

    def run():
        with span("a"):
            pass

    with record() as trace:
        for name in ("anna", "bert", "carl"):
            thread = threading.Thread(target=run, name=name)
            thread.start()
            thread.join(GUARD_S)
    assert [s.lane for s in trace] == ["anna", "bert", "carl"]


def test_threads_of_one_name_that_live_at_once_have_two_lanes():
    lanes, both = Lanes(None), threading.Barrier(2)
    found = []

    def run():
        found.append(lanes.mine().name)
        both.wait(GUARD_S)

    threads = [threading.Thread(target=run, name="anna") for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD_S)
    assert sorted(found) == ["anna", "anna #2"]


def test_the_lowest_free_number_is_lent():
    lanes = Lanes(None)
    first, second, third = (lanes.take("thread") for _ in range(3))
    assert [lane.name for lane in (first, second, third)] == ["thread-1", "thread-2", "thread-3"]
    lanes.free(second)
    lanes.free(first)
    assert lanes.take("thread").name == "thread-1"
    assert lanes.take("process").name == "process-1"


def test_threads_that_a_thread_of_a_pool_starts_are_numbered_within_it():
    lanes = Lanes(None)
    outer = [lanes.take("thread") for _ in range(2)]
    for lane in outer:
        with lanes.occupied(lane):
            inner = [lanes.take("thread") for _ in range(2)]
            assert [each.name for each in inner] == [f"{lane.name}.1", f"{lane.name}.2"]
            lanes.free(inner[0])
            assert lanes.take("thread").name == f"{lane.name}.1"
    assert lanes.take("thread").name == "thread-1"


def test_a_thread_can_be_given_a_lane():
    lanes = Lanes(None)
    lane = lanes.take("thread")
    lanes.enter(lane)
    assert lanes.mine() is lane


def test_cpu_time_is_never_more_than_the_span_lasted():
    clock = FakeClock()
    lane = Lane("main", clock.cpu_ns, 0)
    before = lane.cpu_at(0)
    clock.compute(5)
    assert lane.cpu_between(before, 0, 2 * 10**9) == 2 * 10**9


def test_a_reading_is_used_again_within_the_resolution():
    readings = iter([100, 900])
    lane = Lane("main", lambda: next(readings), 50)
    assert [lane.cpu_at(now) for now in (0, 49, 50)] == [100, 100, 900]


def test_a_span_below_the_resolution_counts_as_cpu():
    lane = Lane("main", lambda: 0, 50)
    assert lane.cpu_between(lane.cpu_at(0), 0, 49) == 49
    assert Lane("main", None).cpu_between(0, 0, 49) == -1


def test_who_wants_to_know_which_thread_works_on_a_lane_is_told():
    lanes, told = Lanes(None), []
    lanes.on_thread = lambda name, pid: told.append((name, pid))
    lanes.mine()
    lanes.enter(lanes.take("thread"))
    lanes.enter_process(lanes.take("process"), 4711)
    lanes.on_thread = None
    lanes.enter(lanes.take("thread"))
    assert told == [("main", None), ("thread-1", None), ("process-1", 4711)]


def test_a_worker_on_its_lane_gives_it_back_also_when_it_fails():
    lanes = Lanes(None)
    with pytest.raises(ZeroDivisionError), lanes.occupied(lanes.take("thread")) as lane:
        assert (lanes.mine(), lanes.take("process").name) == (lane, "process-1")
        raise ZeroDivisionError
    assert lanes.take("thread").name == "thread-1"
