"""How long CPU work takes where several want it: makespans that can be worked out by hand, to the nanosecond."""

from __future__ import annotations

import pytest

from kaygraph_viz.clock import compute, sleep, sleep_async
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.virtual.clock import VirtualClock

S = 10**9
MS = 10**6


def makespan_s(kind, workers, function, items, **options):
    """Return the makespan of a batch in simulated time [s]."""
    clock = VirtualClock(**options)
    with clock, get_executor(kind, workers) as executor:
        list(executor.imap(function, items))
        return clock.now_ns() / S


def sleep_then_work(seconds):
    sleep(seconds)
    compute(seconds)


async def work_async(seconds):
    compute(seconds)


async def sleep_then_work_async(seconds):
    await sleep_async(seconds)
    compute(seconds)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("kind", "workers", "function", "items", "options", "expected_s"),
    [
        # waiting only
        ("serial", 1, sleep, [1, 2, 3], {}, 6),
        ("thread", 3, sleep, [1, 2, 3], {}, 3),
        ("thread", 2, sleep, [1, 2, 3], {}, 4),
        ("process", 2, sleep, [3, 1, 1], {}, 3),
        ("dask", 2, sleep, [3, 1, 1], {}, 3),
        ("async", 3, sleep_async, [1, 2, 3], {}, 3),
        ("async", 2, sleep_async, [1, 2, 3], {}, 4),
        # CPU only: threads and coroutines have one interpreter, processes one each
        ("serial", 1, compute, [1] * 4, {}, 4),
        ("thread", 4, compute, [1] * 4, {}, 4),
        ("async", 4, work_async, [1] * 4, {}, 4),
        ("process", 4, compute, [1] * 4, {}, 1),
        ("dask", 4, compute, [1] * 4, {}, 1),
        ("process", 4, compute, [1] * 4, {"cores": 2}, 2),
        ("process", 4, compute, [1] * 4, {"cores": 1}, 4),
        ("thread", 4, compute, [1] * 4, {"cores": 2}, 4),
        # without a GIL threads compute side by side, coroutines of a loop still do not
        ("thread", 4, compute, [1] * 4, {"gil": False}, 1),
        ("thread", 4, compute, [1] * 4, {"gil": False, "cores": 2}, 2),
        ("thread", 4, sleep_then_work, [1] * 4, {"gil": False}, 2),
        ("process", 4, compute, [1] * 4, {"gil": False, "cores": 2}, 2),
        ("async", 4, work_async, [1] * 4, {"gil": False}, 4),
        # mixed: four wait at once, then compute one after the other
        ("thread", 4, sleep_then_work, [1] * 4, {}, 5),
        ("thread", 2, sleep_then_work, [1] * 2, {}, 3),
        ("process", 4, sleep_then_work, [1] * 4, {}, 2),
        ("async", 4, sleep_then_work_async, [1] * 4, {}, 5),
    ],
)
def test_a_makespan_is_that_worked_out_by_hand(seed, kind, workers, function, items, options, expected_s):
    assert makespan_s(kind, workers, function, items, seed=seed, **options) == expected_s


def ends_ms(kind, workers, items, **options):
    with record(clock=VirtualClock(**options)) as trace, get_executor(kind, workers) as executor:
        list(executor.imap(compute, items))
    assert {span.cpu_ns for span in trace} == {round(seconds * S) for seconds in items}
    return [span.ended_ns / MS for span in sorted(trace, key=lambda span: span.index)]


def test_threads_take_turns_of_five_milliseconds():
    assert ends_ms("thread", 2, [0.010, 0.010]) == [15, 20]  # A B A B
    assert ends_ms("thread", 2, [0.005, 0.010]) == [5, 15]  # A B B
    assert ends_ms("thread", 3, [0.012, 0.005, 0.001]) == [18, 10, 11]  # A B C A A


def test_the_turn_can_be_of_another_length():
    assert ends_ms("thread", 2, [0.010, 0.010], switch_interval_s=0.001) == [19, 20]
    assert ends_ms("thread", 2, [0.010, 0.010], switch_interval_s=10) == [10, 20]


def test_processes_share_cores_in_the_same_way():
    assert ends_ms("process", 2, [0.010, 0.010], cores=1) == [15, 20]


def test_cores_are_shared_fairly():
    """Each gets two thirds of a core until 1.5 s, when the short ones have ended; the long one has 1 s left."""
    assert makespan_s("process", 3, compute, [2, 1, 1], cores=2) == 2.5


def test_one_that_comes_back_waits_for_the_end_of_the_turn():
    """One computes 20 ms; the other sleeps 7 ms, gets its turn at 10 ms, and computes 1 ms."""
    seen = []

    def run(costs):
        for wait_s, work_s in costs:
            sleep(wait_s)
            compute(work_s)
        seen.append(clock.now_ns() / MS)

    clock = VirtualClock()
    with clock, get_executor("thread", 2) as executor:
        list(executor.imap(run, [[(0, 0.020)], [(0.007, 0.001)]]))
    assert seen == [11, 21]


def test_many_short_pieces_of_work_are_worth_as_much_as_a_long_one():
    def nibble(seconds):
        for _ in range(100):
            compute(seconds / 100)

    assert makespan_s("thread", 2, nibble, [0.1, 0.1]) == 0.2
    assert makespan_s("process", 2, nibble, [0.1, 0.1]) == 0.1


def test_waiting_uses_no_cpu_and_bars_tell_both_apart():
    with record(clock="virtual") as trace, get_executor("thread", 2) as executor:
        list(executor.imap(sleep_then_work, [1, 2]))
    assert [(span.cpu_ns / S, span.service_s) for span in trace] == [(1, 2), (2, 4)]


def test_who_waits_for_the_interpreter_uses_no_cpu():
    with record(clock="virtual") as trace, get_executor("thread", 4) as executor:
        list(executor.imap(compute, [1] * 4))
    assert [span.cpu_ns for span in trace] == [S] * 4
    assert max(span.ended_ns for span in trace) == 4 * S


def test_the_main_program_wants_the_same_interpreter_as_its_threads():
    clock = VirtualClock()
    with clock, get_executor("thread", 1) as executor:
        future = executor.submit(compute, 1)
        compute(1)
        future.result()
        assert clock.now_ns() == 2 * S


def test_threads_inside_a_process_share_its_interpreter_and_no_other():
    def outer(_):
        with get_executor("thread", 3) as executor:
            list(executor.imap(compute, [1] * 3))

    assert makespan_s("process", 2, outer, range(2)) == 3
    assert makespan_s("thread", 2, outer, range(2)) == 6


def test_without_a_gil_threads_inside_processes_share_the_cores_only():
    def outer(_):
        with get_executor("thread", 3) as executor:
            list(executor.imap(compute, [1] * 3))

    assert makespan_s("process", 2, outer, range(2), gil=False, cores=6) == 1
    assert makespan_s("process", 2, outer, range(2), gil=False, cores=2) == 3


def test_the_cpu_time_of_the_main_program_is_its_own():
    clock = VirtualClock()
    with clock:
        compute(2)
        sleep(1)
        assert clock.cpu_ns() == 2 * S
        with get_executor("thread", 1) as executor:
            (outcome,) = executor.imap(lambda _: clock.cpu_ns(), [0])
        assert outcome.value == 0


def test_no_work_takes_no_time_and_lets_nobody_go_first():
    seen = []
    with VirtualClock() as clock, get_executor("thread", 1) as executor:
        future = executor.submit(seen.append, "thread")
        compute(0)
        assert (seen, clock.now_ns()) == ([], 0)
        future.result()


def test_a_killed_process_gives_back_its_core():
    with record(clock=VirtualClock(cores=1)) as trace, get_executor("process", 2) as executor:
        outcomes = list(executor.imap(compute, [10, 1], timeout=3, on_error="collect"))
    assert [outcome.status for outcome in outcomes] == ["timeout", "ok"]
    assert [span.ended_ns / S for span in sorted(trace, key=lambda span: span.index)] == [3, 2]
