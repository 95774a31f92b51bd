"""What would spoil simulated time is refused the moment it is tried, on every kind of worker, and nowhere else."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from multiprocessing.pool import ThreadPool

import pytest

import kaygraph_viz as kv
from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.execute.registry import KINDS, get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.virtual.clock import VirtualClock
from tests.virtual.running import now_s

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
