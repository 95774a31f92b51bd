"""Futures of simulated time: who waits for one, in which order they come, and how they are cancelled."""

from __future__ import annotations

import concurrent.futures
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kaygraph_viz.clock import sleep
from kaygraph_viz.sync import threads
from kaygraph_viz.virtual.futures import futures_in_simulated_time
from tests.virtual.running import now_s

pytestmark = pytest.mark.usefixtures("clock")


def after(seconds, function):
    thread = threads().Thread(lambda: (sleep(seconds), function()))
    thread.start()
    return thread


def made(count):
    return [threads().Future() for _ in range(count)]


def test_the_result_of_a_future_is_waited_for_in_simulated_time():
    (future,) = made(1)
    after(7, lambda: future.set_result(42))
    with pytest.raises(TimeoutError):
        future.result(timeout=2)
    assert now_s() == 2
    assert (future.result(), now_s()) == (42, 7)


def test_as_completed_waits_in_simulated_time():
    futures = made(4)
    for number, future in enumerate(futures):
        after(4 - number, lambda future=future, number=number: future.set_result(number))
    assert [(future.result(), now_s()) for future in concurrent.futures.as_completed(futures, timeout=4)] == [
        (3, 1), (2, 2), (1, 3), (0, 4),
    ]  # fmt: skip


def test_as_completed_gives_up_in_simulated_time():
    futures = made(2)
    after(1, lambda: futures[1].set_result("in time"))
    seen = []
    with pytest.raises(TimeoutError):
        seen.extend(future.result() for future in concurrent.futures.as_completed(futures, timeout=3))
    assert now_s() == 3


def test_those_that_are_done_already_come_in_an_order_that_does_not_depend_on_their_addresses():
    futures = made(50)
    for number, future in enumerate(futures):
        future.set_result(number)
    assert [future.result() for future in concurrent.futures.as_completed(futures)] == list(range(50))[::-1]


def test_wait_waits_in_simulated_time():
    futures = made(3)
    for number, future in enumerate(futures):
        after(1 + number, lambda future=future: future.set_result(None))
    found = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)
    assert (len(found.done), now_s()) == (1, 1)
    assert (len(concurrent.futures.wait(futures, timeout=1.5).done), now_s()) == (2, 2.5)
    assert (len(concurrent.futures.wait(futures).done), now_s()) == (3, 3)


def test_real_futures_are_waited_for_as_ever():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(pow, 2, number) for number in range(4)]
        assert sorted(future.result() for future in concurrent.futures.as_completed(futures, timeout=20)) == [
            1,
            2,
            4,
            8,
        ]
    assert now_s() == 0


# -- the end of a future ---------------------------------------------------------------------------------------------


def test_a_follower_ends_as_the_other_one_does():
    value, error, cancelled = (concurrent.futures.Future() for _ in range(3))
    followers = [threads().following(future) for future in (value, error, cancelled)]
    after(1, lambda: value.set_result(42))
    after(2, lambda: error.set_exception(KeyError("a")))
    after(3, cancelled.cancel)
    assert (followers[0].result(), now_s()) == (42, 1)
    assert (type(followers[1].exception()), now_s()) == (KeyError, 2)
    with pytest.raises(concurrent.futures.CancelledError):
        followers[2].result()
    assert now_s() == 3


def test_cancelling_a_follower_cancels_the_other_one():
    future = concurrent.futures.Future()
    assert threads().following(future).cancel()
    assert future.cancelled()


def test_a_future_that_ended_before_is_followed_all_the_same():
    future = concurrent.futures.Future()
    future.set_result(7)
    assert threads().following(future).result() == 7


def test_a_call_that_runs_cannot_be_cancelled_and_one_that_waits_can():
    with ThreadPoolExecutor(1) as pool:
        running, waiting = pool.submit(time.sleep, 5), pool.submit(time.sleep, 5)
        time.sleep(1)
        assert running.running()
        assert (running.cancel(), waiting.cancel()) == (False, True)
    assert (waiting.cancelled(), now_s()) == (True, 5)


def test_calls_of_a_pool_whose_threads_cannot_begin_end_with_its_error():
    def begin():
        raise OSError("no licence")

    with ThreadPoolExecutor(1, initializer=begin) as pool:
        future = pool.submit(int)
        assert type(future.exception()).__name__ == "BrokenThreadPool"


def test_after_the_block_wait_and_as_completed_are_what_they_were():
    before = concurrent.futures._base._create_and_install_waiters, concurrent.futures._base.time
    with futures_in_simulated_time(threads().Event, now_s):
        assert concurrent.futures._base._create_and_install_waiters is not before[0]
    assert (concurrent.futures._base._create_and_install_waiters, concurrent.futures._base.time) == before
