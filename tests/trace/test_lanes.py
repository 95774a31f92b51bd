"""Lanes: one per worker, by name, and its CPU time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest

import kaygraph_viz as kv
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.lanes import Lane, Lanes, lane_name, pool_of
from kaygraph_viz.trace.recorder import held_up, span

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


# -- pool names ----------------------------------------------------------------------------------------------------


def together(count, **options):
    """Record a pool all of whose threads work at once, twice."""
    barrier = threading.Barrier(count, timeout=30)
    with kv.record(capture="futures") as trace:
        for _ in range(2):
            with ThreadPoolExecutor(count, **options) as pool:
                list(pool.map(lambda _: barrier.wait(), range(count)))
    return trace.validate()


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("", ["thread-1", "thread-2", "thread-3"]), ("thread", ["thread-1", "thread-2", "thread-3"]),
     ("fetch", ["fetch-1", "fetch-2", "fetch-3"])],
)  # fmt: skip
def test_the_rows_of_a_pool_count_from_1_and_those_of_the_next_pool_too(prefix, expected):
    assert sorted(together(3, thread_name_prefix=prefix).lanes) == expected


def test_threads_of_two_pools_that_live_at_once_have_rows_of_their_own():
    barrier = threading.Barrier(2, timeout=30)
    with kv.record(capture="futures") as trace, ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        for future in [pool.submit(barrier.wait) for pool in (one, other)]:
            future.result()
    assert sorted(trace.validate().lanes) == ["thread-1", "thread-2"]


def test_a_pool_and_our_own_workers_share_no_row():
    barrier = threading.Barrier(2, timeout=30)
    with kv.record(capture="futures") as trace, ThreadPoolExecutor(1) as pool, kv.get_executor("thread", 1) as ours:
        future = pool.submit(barrier.wait)
        list(ours.imap(lambda _: barrier.wait(), [0]))
        future.result()
    assert sorted(trace.validate().lanes) == ["thread-1", "thread-2"]


def test_threads_of_a_pool_of_multiprocessing_count_from_1():
    barrier = threading.Barrier(2, timeout=30)
    with kv.record(capture="multiprocessing") as trace, ThreadPool(2) as pool:
        pool.map(lambda _: barrier.wait(), range(2), chunksize=1)
    assert sorted(trace.validate().lanes) == ["thread-1", "thread-2"]


def test_threads_without_a_name_count_from_1_in_each_recording():
    def work():
        with kv.span("work"):
            pass

    for _ in range(2):
        with kv.record() as trace:
            for _ in range(2):
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
        assert trace.validate().lanes == ("Thread-1 (work)", "Thread-2 (work)")


def test_other_threads_keep_their_names():
    thread = threading.Thread(name="mine_0", target=lambda: None)
    assert (pool_of(thread), lane_name(thread)) == (None, "mine_0")


# -- waiting -------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock():
    return FakeClock(start_s=100)


def told(trace, name):
    (one,) = trace.where(name=name)
    return one


def test_a_wait_is_a_span_in_the_one_around_it_and_one_of_its_parts(clock):
    with record(clock=clock) as trace, span("ask"):
        clock.sleep(1)
        with held_up("blocked", "rate limit"):
            clock.sleep(2)
        clock.sleep(1)
    ask, wait = told(trace, "ask"), told(trace, "rate limit")
    assert (wait.kind, wait.parent_id, wait.lane) == ("wait", ask.span_id, ask.lane)
    assert (wait.started_ns, wait.ended_ns, wait.blocked_ns) == (101 * 10**9, 103 * 10**9, 2 * 10**9)
    assert [part.kind for part in wait.parts] == ["blocked"]
    (blocked,) = (part for part in ask.parts if part.kind == "blocked")
    assert (blocked.started_ns, blocked.ended_ns) == (101 * 10**9, 103 * 10**9)


def test_a_pause_knows_after_which_attempt_it_comes_and_is_not_blocked(clock):
    with record(clock=clock) as trace, span("ask"), held_up("pause", "before attempt 3", attempt=2):
        clock.sleep(1)
    pause = told(trace, "before attempt 3")
    assert (pause.attempt, pause.blocked_ns, [part.kind for part in pause.parts]) == (2, 0, ["pause"])


@pytest.mark.parametrize(("lasts_s", "is_shown"), [(0.0, False), (0.001, False), (0.002, True)])
def test_what_is_too_short_was_no_wait(clock, lasts_s, is_shown):
    with record(clock=clock) as trace, span("ask"), held_up("blocked", "limit", least_ns=2_000_000):
        clock.sleep(lasts_s)
    assert bool(trace.where(name="limit")) is is_shown


def test_a_wait_that_ends_with_an_error_is_recorded_and_the_error_goes_on(clock):
    with record(clock=clock) as trace:
        with pytest.raises(TimeoutError), span("ask"), held_up("blocked", "limit"):
            clock.sleep(1)
            raise TimeoutError
    assert told(trace, "limit").status == "ok"
    assert told(trace, "ask").status == "error"


def test_without_a_recording_nothing_happens(clock):
    with held_up("blocked", "limit"):
        clock.sleep(1)
    with record(clock=clock) as trace:
        pass
    assert len(trace) == 0
