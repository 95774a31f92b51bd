"""The clock that users hold: its options, its blocks, blocks inside each other, and what is refused in one."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import sys
import threading
import time
from multiprocessing.pool import ThreadPool

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import OptionError, SharedConflictError, VirtualClockError
from kaygraph_viz.clock.clock import REAL, Clock, compute, current_clock, sleep
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.registry import KINDS, get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
from tests.virtual.running import now_s

S = 10**9


def bars(trace):
    return [(s.started_ns / S, s.ended_ns / S) for s in trace]


# -- options ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1}, {"seed": True}, {"seed": 1.0}, {"seed": "1"}, {"seed": None}, {"cores": 0}, {"cores": 1.5},
        {"cores": True}, {"switch_interval_s": 0}, {"switch_interval_s": float("nan")}, {"start_up_s": -1},
        {"start_up_s": True}, {"start_up_s": {"threads": 1}}, {"dispatch_s": {"thread": -1}}, {"dispatch_s": "1"},
        {"preempt": 2}, {"preempt": -0.1}, {"preempt": True}, {"preempt": None}, {"patience_s": 0},
        {"patience_s": float("inf")}, {"gil": None}, {"gil": 0},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_options_are_refused(options):
    (name,) = options
    with pytest.raises(OptionError, match=name):
        VirtualClock(**options)


def test_it_keeps_the_protocol_of_clocks_and_says_what_it_is():
    assert isinstance(VirtualClock(), Clock)
    assert repr(VirtualClock(3)) == "VirtualClock(seed=3)"
    assert repr(VirtualClock(gil=False)) == "VirtualClock(seed=0, gil=False)"


@pytest.mark.parametrize("options", [{"clock": "simulated"}, {"seed": 1}, {"clock": None, "seed": 0}, {"clock": 5}])
def test_record_refuses_what_is_no_clock_and_a_seed_without_one(options):
    with pytest.raises(OptionError), record(**options):
        pass


def test_record_makes_a_clock_with_a_seed():
    with record(clock="virtual", seed=5):
        assert current_clock().seed == 5
    with record(clock="virtual"):
        assert current_clock().seed == 0


# -- blocks ----------------------------------------------------------------------------------------------------------
def test_a_run_of_simulated_hours_is_recorded_to_the_nanosecond():
    with record(clock="virtual") as trace:
        with span("wait"):
            sleep(3600.000000001)
        with span("compute"):
            compute(0.5)
    assert bars(trace) == [(0, 3600.000000001), (3600.000000001, 3600.500000001)]
    assert [s.cpu_ns for s in trace] == [0, S // 2]


def test_before_and_after_the_block_the_real_clock_is_in_force():
    with VirtualClock() as clock:
        assert current_clock() is clock
        assert clock.is_running
    assert current_clock() is REAL
    assert not clock.is_running


def test_a_block_that_fails_ends_all_the_same():
    with pytest.raises(ZeroDivisionError), VirtualClock() as clock:
        sleep(1)
        1 / 0  # noqa: B018
    assert not clock.is_running
    with clock:
        sleep(1)


def test_used_again_the_clock_goes_on_where_it_stopped():
    clock = VirtualClock()
    found = []
    for _ in range(2):
        with record(clock=clock) as trace, get_executor("thread", 2) as executor:
            list(executor.imap(sleep, [1, 2]))
        found.append(bars(trace))
    assert found == [[(0, 1), (0, 2)], [(2, 3), (2, 4)]]


def test_a_block_inside_a_block_of_the_same_clock_is_the_same_time():
    with record(clock="virtual") as outer:
        sleep(1)
        with record() as inner, get_executor("thread", 2) as executor:
            list(executor.imap(sleep, [1, 1]))
        with span("after"):
            sleep(1)
    assert bars(inner) == [(1, 2)] * 2
    assert bars(outer) == [(2, 3)]


def test_a_block_of_another_virtual_clock_has_a_time_of_its_own():
    with record(clock="virtual") as outer, get_executor("thread", 2) as executor:
        sleep(5)
        with record(clock="virtual") as inner:
            list(executor.imap(sleep, [1, 1]))
            executor.submit(sleep, 1).result()
        assert current_clock().now_ns() == 5 * S
        list(executor.imap(sleep, [2]))
    assert bars(inner) == [(0, 1), (0, 1), (1, 2)]
    assert bars(outer) == [(5, 7)]


def test_a_block_of_the_real_clock_inside_is_real():
    def wait(_):
        with record(clock=REAL) as trace, span("real"):
            sleep(0.001)
        return trace

    with record(clock="virtual") as outer, get_executor("thread", 2) as executor:
        outcomes = list(executor.imap(wait, range(2)))
    assert all(outcome.value.spans[0].service_s >= 0.001 for outcome in outcomes)
    assert bars(outer) == [(0, 0)] * 2


def test_the_module_random_is_seeded_inside_and_as_before_afterwards():
    drawn = []
    random.seed(12)
    before = random.getstate()
    for seed in (0, 0, 7):
        with VirtualClock(seed):
            drawn.append(random.random())
    assert random.getstate() == before
    assert drawn[0] == drawn[1] != drawn[2]


def test_two_blocks_in_two_threads_know_nothing_of_each_other():
    found = {}

    def run(seconds):
        with record(clock="virtual") as trace, get_executor("thread", 3) as executor:
            list(executor.imap(sleep, [seconds] * 6))
        found[seconds] = bars(trace)

    running = [threading.Thread(target=run, args=(seconds,)) for seconds in (1, 2, 3)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(20)
    assert found == {s: [(0, s)] * 3 + [(s, 2 * s)] * 3 for s in (1, 2, 3)}


def test_the_clock_of_a_block_that_runs_in_another_thread_is_refused():
    def run():
        with clock:
            sleep(1)

    with ThreadPool(1) as pool, VirtualClock() as clock, pytest.raises(VirtualClockError):
        pool.apply(run)


# -- in a loop that is running already -------------------------------------------------------------------------------
class Wait(kv.AsyncNode):
    async def exec_async(self, prep_res):
        await asyncio.gather(kv.sleep_async(1), kv.sleep_async(2))


class WaitAll(kv.AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return [1, 2, 3]

    async def exec_async(self, item):
        await kv.sleep_async(item)


class WaitInThreads(kv.ParallelBatchNode):
    def prep(self, shared):
        return [1, 2]

    def exec(self, item):
        kv.sleep(item)


def test_a_notebook_awaits_a_graph_in_simulated_time():
    first, second, third = Wait(), WaitAll(), WaitInThreads(2)
    first >> second >> third
    graph = kv.AsyncGraph(start=first)

    async def cell():
        ticking = asyncio.create_task(asyncio.sleep(0))  # the kernel has tasks of its own
        with kv.record(clock="virtual") as trace:
            await graph.run_async({})
            await kv.sleep_async(1)
            assert current_clock().now_ns() == 8 * S
        await ticking
        return trace

    trace = asyncio.run(cell())
    assert max(s.ended_ns for s in trace) == 7 * S
    with kv.record(clock="virtual") as plain:
        graph.run({})
    assert [(s.name, s.started_ns, s.ended_ns) for s in plain] == [(s.name, s.started_ns, s.ended_ns) for s in trace]


class WaitForEver(kv.AsyncNode):
    async def exec_async(self, prep_res):
        while True:
            await kv.sleep_async(1)


def test_an_interrupt_of_a_notebook_reaches_a_graph_in_simulated_time():
    """The stop button cancels the task of a cell, by means of a callback in the loop of the kernel."""
    cleaned_up = []

    async def cell():
        with kv.record(clock="virtual"):
            try:
                await kv.AsyncGraph(start=WaitForEver()).run_async({})
            finally:
                before = current_clock().now_ns()
                kv.sleep(1)  # simulated time goes on
                cleaned_up.append(current_clock().now_ns() - before)

    async def kernel():
        task = asyncio.create_task(cell())
        asyncio.get_running_loop().call_later(0.01, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(kernel())
    assert cleaned_up == [S]


def test_two_graphs_at_once_are_refused_in_a_loop_of_real_time():
    async def cell():
        with kv.record(clock="virtual"):
            graphs = [kv.AsyncGraph(start=Wait()) for _ in range(2)]
            return await asyncio.gather(*(graph.run_async({}) for graph in graphs), return_exceptions=True)

    _, refused = asyncio.run(cell())
    gc.collect()  # which warns where a coroutine was forgotten
    assert type(refused) is VirtualClockError
    assert "await one graph after the other" in str(refused)


def test_in_a_loop_of_simulated_time_they_overlap():
    async def main():
        await asyncio.gather(*(kv.AsyncGraph(start=Wait()).run_async({}) for _ in range(3)))

    with kv.record(clock="virtual") as trace:
        asyncio.run(main())
    assert max(s.ended_ns for s in trace) == 2 * S


# -- nodes -----------------------------------------------------------------------------------------------------------
def test_a_plain_node_waits_and_retries_in_simulated_time():
    class Flaky(kv.Node):
        def exec(self, prep_res):
            sleep(1)
            if current_clock().now_ns() < 10 * S:
                raise ValueError("not yet")

    with record(clock="virtual") as trace:
        kv.Graph(start=Flaky(max_retries=9, wait=4)).run({})
        assert current_clock().now_ns() == 11 * S
    assert trace.counts()["wait"] == 2


class Deposit(kv.ParallelBatchNode):
    def prep(self, shared):
        self.shared = shared
        return range(2)

    def exec(self, item):
        before = self.shared["total"]
        sleep(1)
        self.shared["total"] = before + 1
        sleep(1)


def test_a_conflict_over_a_key_is_recorded_in_every_run_and_refused_in_strict_mode():
    with record(clock="virtual", shared_access=True) as trace:
        kv.Graph(start=Deposit(2)).run(shared := {"total": 0})
    assert shared == {"total": 1}
    assert [dict(s.attributes) for s in trace.where(kind="branch")] == [{"reads": ["total"], "writes": ["total"]}] * 2
    with pytest.raises(SharedConflictError), record(clock="virtual", shared_access="strict"):
        kv.Graph(start=Deposit(2)).run({"total": 0})


GUARD_S = 20.0


def sleep_by_default(seconds, sleep=time.sleep):
    sleep(seconds)


def connect(port):
    with socket.socket() as mine:
        mine.connect(("127.0.0.1", port))


def failing(kind, function, item):
    """Return the error of a branch in simulated time."""
    with record(clock="virtual"), get_executor(kind, 2) as executor:
        (outcome,) = executor.imap(function, [item], on_error="collect", owner="Check")
    assert type(outcome.error) is VirtualClockError
    assert outcome.error.__notes__[0] == "in item 0 of 'Check'"
    return str(outcome.error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_connection_of_a_branch_is_refused(kind):
    text = failing(kind, connect, 9)
    assert text.startswith("under a virtual clock no real connection to ('127.0.0.1', 9) is possible")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="Python says nothing of it; what lasts, the watch notices")
def test_sleeping_that_somebody_got_hold_of_before_is_refused_with_what_to_write():
    assert "write kv.sleep(0.01) instead" in failing("thread", sleep_by_default, 0.01)


def test_the_main_program_may_connect():
    with socket.socket() as server, VirtualClock():
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname()) as mine, server.accept()[0] as other:
            assert mine.getsockname() == other.getpeername()


def test_branches_outside_of_simulated_time_may_connect_meanwhile():
    def run(go):
        go.wait(GUARD_S)
        with get_executor("thread", 1) as executor:
            found.extend(executor.imap(connect, [port]))

    found, go = [], threading.Event()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        outsider = threading.Thread(target=run, args=(go,))
        outsider.start()
        with VirtualClock():
            go.set()
            outsider.join(GUARD_S)
    assert [outcome.ok for outcome in found] == [True]


def test_a_loop_of_the_block_still_has_a_real_neighbour():
    async def main():
        _, writer = await asyncio.open_connection(*server.getsockname())
        writer.close()
        await writer.wait_closed()
        return "connected"

    with socket.socket() as server, ThreadPool(1) as pool:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with VirtualClock():
            assert pool.apply(asyncio.run, (main(),)) == "connected"


def test_the_loop_that_was_there_before_is_as_it_was_after_the_block():
    async def main():
        before = dict(vars(asyncio.get_running_loop()))
        with VirtualClock(), VirtualClock():
            assert vars(asyncio.get_running_loop()).keys() != before.keys()
        assert vars(asyncio.get_running_loop()).keys() == before.keys()

    asyncio.run(main())


def test_coroutines_in_the_loop_of_a_notebook_are_told_at_once_what_to_write():
    async def cell():
        with kv.record(clock="virtual"):
            for waiting in (asyncio.gather(asyncio.sleep(9), asyncio.sleep(9)), asyncio.to_thread(time.sleep, 9)):
                with pytest.raises(VirtualClockError, match=r"write kv\.run\(main\(\)\) instead of await main\(\)"):
                    await waiting
            with pytest.raises(VirtualClockError, match=r"write kv\.run"):
                async with asyncio.timeout(9):
                    await asyncio.sleep(0)
            assert kv.run(asyncio.sleep(5, "found")) == "found"
            assert now_s() == 5
        await asyncio.sleep(0.001)
        await asyncio.to_thread(int)

    asyncio.run(cell())
