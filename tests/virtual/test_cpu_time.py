"""CPU time where several want it: makespans worked out by hand, and the parts of each branch, to the nanosecond."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given, strategies as st

import kaygraph_viz as kv
from kaygraph_viz.analysis.workers import process_of_lane
from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.clock.clock import compute, sleep, sleep_async
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.trace.columns import stretches

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


CPU = PART_CODE["cpu"]


STEPS = st.lists(st.tuples(st.sampled_from(["sleep", "work"]), st.integers(1, 30)), max_size=4)


def words(span):
    return [(part.kind, part.started_ns // MS, part.ended_ns // MS) for part in span.parts]


def by_index(trace):
    return {span.index: span for span in trace.where(kind="branch")}


def recorded(kind, function, items, workers=4, **options):
    with kv.record(clock=kv.VirtualClock(**options)) as trace, kv.get_executor(kind, workers) as executor:
        list(executor.imap(function, items))
    return trace.validate()


def spend(steps):
    for what, ms in steps:
        (kv.sleep if what == "sleep" else kv.compute)(ms / 1e3)


async def spend_async(steps):
    for what, ms in steps:
        if what == "sleep":
            await kv.sleep_async(ms / 1e3)
        else:
            kv.compute(ms / 1e3)


def assert_laws(trace, cores=None, has_gil=True):
    columns = trace.columns
    positions = np.flatnonzero(columns.is_kind("branch"))
    found = stretches(columns, positions)
    rows = columns.rows[positions]
    is_cpu = found.kind == CPU
    cpu = np.zeros(len(rows), np.int64)
    np.add.at(cpu, found.owner[is_cpu], (found.ended_ns - found.started_ns)[is_cpu])
    assert (cpu == rows["cpu_ns"]).all()
    assert not (found.kind == PART_CODE["unknown"]).any()
    processes = [process_of_lane(columns.lanes[code]) for code in rows["lane"]]
    for process in set(processes) if has_gil else ():
        mine = np.array([processes[owner] == process for owner in found.owner], np.bool_) & is_cpu
        order = np.argsort(found.started_ns[mine], kind="stable")
        assert (found.started_ns[mine][order][1:] >= found.ended_ns[mine][order][:-1]).all()
    if cores is not None:
        assert most_at_once(found.started_ns[is_cpu], found.ended_ns[is_cpu]) <= cores


def most_at_once(started, ended):
    times = np.concatenate([ended, started])
    change = np.repeat([-1, 1], len(started))[np.lexsort((np.repeat([0, 1], len(started)), times))]
    return int(np.cumsum(change).max(initial=0))


@pytest.mark.parametrize("kind", ["serial", "thread", "process", "async", "dask"])
@given(items=st.lists(STEPS, min_size=1, max_size=6), workers=st.integers(1, 4), seed=st.integers(0, 3))
def test_parts_are_exact(kind, items, workers, seed):
    function = spend_async if kind == "async" else spend
    assert_laws(recorded(kind, function, items, workers, seed=seed, cores=2), cores=2)


@pytest.mark.parametrize("kind", ["thread", "process", "async"])
@given(items=st.lists(STEPS, min_size=1, max_size=6), workers=st.integers(1, 4), cores=st.integers(1, 3))
def test_without_a_gil_no_more_compute_at_once_than_there_are_cores(kind, items, workers, cores):
    function, is_loop = (spend_async, True) if kind == "async" else (spend, False)
    trace = recorded(kind, function, items, workers, cores=cores, gil=False)
    assert_laws(trace, cores, has_gil=is_loop)
    assert is_loop or not any(part.kind == "gil" for span in trace for part in span.parts)


def test_threads_that_compute_without_a_gil_do_so_side_by_side():
    found = by_index(recorded("thread", lambda _: kv.compute(0.012), range(3), gil=False, cores=2))
    assert {kind for span in found.values() for kind, *_ in words(span)} == {"cpu", "core"}
    assert max(until for span in found.values() for _, _, until in words(span)) == 19


def test_threads_that_compute_take_turns():
    first, second = by_index(recorded("thread", lambda _: kv.compute(0.012), range(2))).values()
    assert words(first) == [("cpu", 0, 5), ("gil", 5, 10), ("cpu", 10, 15), ("gil", 15, 20), ("cpu", 20, 22)]
    assert words(second) == [("gil", 0, 5), ("cpu", 5, 10), ("gil", 10, 15), ("cpu", 15, 20), ("gil", 20, 22), ("cpu", 22, 24)]  # noqa: E501  # fmt: skip


def test_processes_wait_for_cores():
    found = by_index(recorded("process", lambda _: kv.compute(0.01), range(2), cores=1))
    assert {kind for kind, *_ in words(found[1])} == {"core", "cpu"}


def test_coroutines_wait_for_their_loop():
    async def one(ms):
        await kv.sleep_async(ms / 1e3)
        kv.compute(0.02)

    found = by_index(recorded("async", one, [10, 15]))
    assert words(found[0]) == [("wait", 0, 10), ("cpu", 10, 30)]
    assert words(found[1]) == [("wait", 0, 15), ("gil", 15, 30), ("cpu", 30, 50)]


def test_a_lock_and_a_limit_block():
    lock, limit = kv.Lock(), kv.RateLimit(in_flight=1)

    def locked(_):
        with lock:
            kv.sleep(0.01)

    def limited(_):
        with limit:
            kv.sleep(0.01)

    for function in (locked, limited):
        found = by_index(recorded("thread", function, range(2)))
        assert words(found[1]) == [("blocked", 0, 10), ("wait", 10, 20)]
        assert (found[0].blocked_ns, found[1].blocked_ns) == (0, 10 * MS)


def test_asyncios_own_locks_block():
    places = asyncio.Semaphore(1)

    async def one(_):
        async with places:
            await kv.sleep_async(0.01)

    found = by_index(recorded("async", one, range(2)))
    assert words(found[1]) == [("blocked", 0, 10), ("wait", 10, 20)]


def test_a_full_queue_blocks_where_it_did():
    slow = kv.PipelineNode(
        stages=[kv.Stage("make", lambda item: item, buffer=1), kv.Stage("take", lambda _: kv.sleep(0.01), buffer=1)]
    )
    slow.prep = lambda shared: range(6)
    with kv.record(clock="virtual") as trace:
        kv.Graph(start=slow).run({})
    last = trace.where(kind="branch", name="make")[-1]
    assert [kind for kind, *_ in words(last)] == ["blocked"]
    assert last.blocked_ns == last.ended_ns - last.started_ns > 0


def test_a_pause_before_a_retry_is_a_part():
    def fail_once(_, tries=[]):  # noqa: B006
        tries.append(1)
        kv.sleep(0.01)
        if len(tries) == 1:
            raise ValueError

    with kv.record(clock="virtual") as trace, kv.get_executor("thread", 1) as executor:
        list(executor.imap(fail_once, [0], retry=kv.RetryPolicy(2, wait=0.02)))
    assert words(by_index(trace)[0]) == [("wait", 0, 10), ("pause", 10, 30), ("wait", 30, 40)]


def test_a_branch_that_is_killed_has_its_parts_until_then():
    def long(_):
        kv.compute(0.01)
        kv.sleep(1)

    with kv.record(clock="virtual") as trace, kv.get_executor("process", 1) as executor:
        list(executor.imap(long, [0], timeout=0.1, on_error="collect"))
    (span,) = trace.where(status="timeout")
    assert (words(span), span.cpu_ns) == ([("cpu", 0, 10), ("wait", 10, 100)], 10 * MS)


def test_a_span_inside_a_branch_has_its_own_share():
    def work(_):
        kv.compute(0.01)
        with kv.span("inner"):
            kv.sleep(0.01)
            kv.compute(0.005)

    trace = recorded("thread", work, [0])
    (inner,) = trace.where(name="inner")
    assert words(inner) == [("wait", 10, 20), ("cpu", 20, 25)]


def test_a_phase_that_waits_for_its_branches_waits():
    node = kv.ParallelBatchNode(max_workers=2)
    node.prep, node.exec = lambda shared: [1, 2], lambda item: kv.sleep(0.01)
    with kv.record(clock="virtual") as trace:
        kv.Graph(start=node).run({})
    (phase,) = trace.where(kind="phase", name="exec")
    assert words(phase) == [("wait", 0, 10)]
