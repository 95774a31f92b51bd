"""What would spoil simulated time is refused the moment it is tried, on every kind of worker, and nowhere else."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from time import sleep as sleep_by_another_name

import pytest

from kaygraph_viz.clock import sleep
from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.execute.registry import KINDS, get_executor
from kaygraph_viz.trace.recorder import record
from kaygraph_viz.virtual.clock import VirtualClock

GUARD_S = 20.0
REAL_SLEEP = time.sleep


def sleep_really(seconds):
    import time

    time.sleep(seconds)


def sleep_by_name(seconds):
    sleep_by_another_name(seconds)


async def sleep_really_async(seconds):
    time.sleep(seconds)  # noqa: ASYNC251  (that is the mistake)


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
@pytest.mark.parametrize("function", [sleep_really, sleep_by_name])
def test_real_sleeping_in_a_branch_is_refused_with_what_to_write(kind, function):
    text = failing(kind, function, 3)
    assert text == "time.sleep(3) cannot be seen by the virtual clock; write kv.sleep(3) instead"


def test_in_a_coroutine_too():
    assert "write kv.sleep(3) instead" in failing("async", sleep_really_async, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_connection_of_a_branch_is_refused(kind):
    text = failing(kind, connect, 9)
    assert text.startswith("a real connection to ('127.0.0.1', 9) cannot be seen by the virtual clock")


def test_real_sleeping_for_no_time_is_only_politeness():
    with record(clock="virtual"), get_executor("thread", 2) as executor:
        assert [outcome.ok for outcome in executor.imap(sleep_really, [0])] == [True]


def test_the_main_program_may_sleep_and_connect():
    with socket.socket() as server, VirtualClock():
        server.bind(("127.0.0.1", 0))
        server.listen()
        time.sleep(0.001)
        socket.create_connection(server.getsockname()).close()


def test_after_the_block_everything_is_as_it_was():
    start = threading.Thread.start
    with VirtualClock():
        with VirtualClock():
            pass
        assert threading.Thread.start is not start
    assert time.sleep is REAL_SLEEP
    assert sleep_by_another_name is REAL_SLEEP
    assert threading.Thread.start is start
    time.sleep(0)


def test_branches_outside_of_simulated_time_may_sleep_meanwhile():
    def run(go):
        go.wait(GUARD_S)
        with get_executor("thread", 1) as executor:
            found.extend(executor.imap(sleep_really, [0.001]))

    found, go = [], threading.Event()
    outsider = threading.Thread(target=run, args=(go,))
    outsider.start()
    with VirtualClock():
        go.set()
        outsider.join(GUARD_S)
    assert [outcome.ok for outcome in found] == [True]


def test_a_pool_that_user_code_makes_inside_is_told_that_it_takes_no_part():
    with VirtualClock(), ThreadPoolExecutor(1, "mine") as pool:
        assert pool.submit(pow, 2, 3).result(GUARD_S) == 8
        error = pool.submit(sleep, 1).exception(GUARD_S)
    assert "thread 'mine_0' cannot wait in simulated time" in str(error)


def test_a_loop_of_the_block_still_has_a_real_neighbour():
    async def main():
        _, writer = await asyncio.open_connection(*server.getsockname())
        writer.close()
        await writer.wait_closed()

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with VirtualClock():
            outsider = ThreadPoolExecutor(1)
            assert outsider.submit(asyncio.run, main()).exception(GUARD_S) is None
            outsider.shutdown()
