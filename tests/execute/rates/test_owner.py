"""The process that keeps a limit: who is answered, and what is left of one that went away."""

from __future__ import annotations

import threading
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client

import pytest

import kaygraph_viz as kv

pytestmark = pytest.mark.leaves_threads  # one that listens, as long as the limit exists


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
