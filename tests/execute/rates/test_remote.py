"""A limit in worker processes: they ask the process that keeps it, which answers who knows the key."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import signal
import threading
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import RateLimitError, ServiceUnavailable, WorkerLostError
from kaygraph_viz.execute.rates.remote import Asking, Ticket
from kaygraph_viz.execute.rates.turns import Place

GUARD_S = 20.0

pytestmark = pytest.mark.leaves_threads  # one that listens, as long as the limit exists


def elsewhere(limit):
    """Return the limit as another process would have it."""
    limit.__reduce__()
    there = kv.RateLimit(in_flight=1)
    there._turns = Asking(limit._ticket)
    there.units_per_minute = limit.units_per_minute
    return there


def is_free(limit):
    """Return whether nobody waits for the limit or has it, once those that left have been noticed."""
    done = threading.Event()
    for _ in range(1_000):
        if not limit._turns._inside and not limit._turns._queue:
            return True
        done.wait(0.01)
    return False


def is_full(limit):
    """Return whether one call is in flight and two wait, once they have come."""
    done = threading.Event()
    for _ in range(1_000):
        if limit._turns._inside and len(limit._turns._queue) == 2:
            return True
        done.wait(0.01)
    return False


def test_a_copy_in_the_same_process_is_the_limit_itself():
    limit = kv.RateLimit(3, in_flight="adaptive", name="geo")
    assert copy.copy(limit) is limit
    assert copy.deepcopy(limit) is limit
    assert pickle.loads(pickle.dumps(limit)) is limit


def test_under_a_virtual_clock_nothing_listens():
    limit = kv.RateLimit(3)
    with kv.record(clock="virtual"):
        assert pickle.loads(pickle.dumps(limit)) is limit
    assert limit._ticket.address is None


@pytest.mark.processes
def test_all_processes_together_keep_the_limit():
    limit = kv.RateLimit(in_flight=1, units_per_minute=10_000)

    def call(x):
        import time

        with limit.units(5) as asked:
            begun = time.perf_counter_ns()
            time.sleep(0.002)
            asked.used(3)
            return os.getpid(), begun, time.perf_counter_ns()

    with kv.record() as trace, kv.get_executor("process", 3) as executor:
        found = [outcome.value for outcome in executor.imap(call, range(21))]
    assert len({pid for pid, _, _ in found}) > 1
    changes = sorted([(begun, 1) for _, begun, _ in found] + [(ended, -1) for _, _, ended in found])
    inside = [sum(change for _, change in changes[:place]) for place in range(len(changes) + 1)]
    assert max(inside) == 1
    assert max(trace.gauges["rate limit: calls in flight"].used) == 1
    assert is_free(limit)
    assert limit._turns._units[0].used == 3 * 21


@pytest.mark.processes
def test_a_worker_that_is_killed_gives_back_what_it_had():
    limit = kv.RateLimit(in_flight=1)

    def call(x):
        with limit:
            if x == 0:
                os.kill(os.getpid(), signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
            return x

    with kv.get_executor("process", 2) as executor:
        found = list(executor.imap(call, range(4), on_error="collect"))
    assert isinstance(found[0].error, WorkerLostError)
    assert [outcome.value for outcome in found[1:]] == [1, 2, 3]
    assert is_free(limit)


def test_errors_that_ask_to_wait_hold_back_those_at_home():
    limit = kv.RateLimit(in_flight=kv.AdaptiveLimit(start=10))
    there = elsewhere(limit)
    with pytest.raises(ServiceUnavailable), there:
        raise ServiceUnavailable("geo", "too many", 429, 1e-9)
    assert is_free(limit)
    assert limit._turns._bound.most == 8


def test_coroutines_there_wait_their_turn_and_one_that_is_cancelled_leaves_nothing():
    limit = kv.RateLimit(in_flight=1)
    there, entered = elsewhere(limit), []

    async def call(x, until):
        async with there:
            entered.append(x)
            await until.wait()

    async def main():
        until = asyncio.Event()
        tasks = [asyncio.create_task(call(x, until)) for x in range(3)]
        await asyncio.to_thread(is_full, limit)
        waiting = next(x for x in range(3) if x not in entered)
        tasks[waiting].cancel()
        until.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), GUARD_S)
        return {0, 1, 2} - {waiting}

    expected = asyncio.run(main())
    assert set(entered) == expected
    assert is_free(limit)


def test_a_pause_there_is_a_pause_here():
    limit = kv.RateLimit(in_flight=1)
    there = elsewhere(limit)
    there.pause(1e-6)
    with there:
        pass
    assert limit._turns._closed_until_ns > 0


def test_units_can_be_corrected_in_the_block_only():
    limit = kv.RateLimit(units_per_minute=100)
    there = elsewhere(limit)
    with there.units(50) as call:
        call.used(20)
    with pytest.raises(RateLimitError, match="in its block"):
        call.used(10)
    assert is_free(limit)
    assert limit._turns._units[0].used == 20


def test_where_the_limit_is_gone_an_error_says_so():
    before = set(threading.enumerate())
    limit = kv.RateLimit(in_flight=1)
    there = elsewhere(limit)
    (listening,) = (thread for thread in set(threading.enumerate()) - before if thread.name == "rate limit")
    del limit
    gc.collect()
    listening.join(GUARD_S)
    assert not listening.is_alive()
    with pytest.raises(RateLimitError, match="keep it in a variable"), there:
        pass


def test_a_ticket_that_was_never_opened_leads_nowhere():
    with pytest.raises(RateLimitError):
        Asking(Ticket("nobody", b"key")).take(Place())


# -- the process that keeps it ------------------------------------------------------------------------------------


@pytest.fixture
def kept():
    limit = kv.RateLimit(in_flight=1, units_per_minute=100)
    limit.__reduce__()
    return limit


def connected(limit):
    return Client(limit._ticket.address, authkey=limit._ticket.key)


def become(condition):
    """Wait until a thread of ours has done its part."""
    pause = threading.Event()
    for _ in range(1_000):
        if condition():
            return True
        pause.wait(0.01)
    return False


def test_a_call_is_told_its_turn_and_ends(kept):
    with connected(kept) as connection:
        connection.send(("take", 30))
        assert connection.recv() == ""
        assert kept._turns._units[0].used == 30
        connection.send(("correct", 10))
        connection.send(("leave", (True, False, 0.0)))
        assert become(lambda: not kept._turns._inside)
        assert kept._turns._units[0].used == 10


@pytest.mark.parametrize("is_begun", [True, False])
def test_of_a_process_that_goes_away_nothing_stays_in_flight_or_in_the_queue(kept, is_begun):
    first, second = connected(kept), connected(kept)
    first.send(("take", 1))
    first.recv()
    second.send(("take", 1))
    assert become(lambda: len(kept._turns._queue) == 1)
    gone, other = (first, second) if is_begun else (second, first)
    gone.close()
    assert become(lambda: len(kept._turns._queue) + len(kept._turns._inside) == 1)
    if is_begun:
        assert other.recv() == "calls in flight"
    other.close()
    assert become(lambda: not kept._turns._inside)


def test_a_call_that_was_not_made_gives_its_units_back(kept):
    with connected(kept) as connection:
        connection.send(("take", 30))
        connection.recv()
        connection.send(("back",))
        assert become(lambda: not kept._turns._units[0].used)


def test_who_does_not_know_the_key_is_not_answered_and_harms_nobody(kept):
    with pytest.raises(AuthenticationError):
        Client(kept._ticket.address, authkey=b"guessed")
    test_a_call_is_told_its_turn_and_ends(kept)
