"""Queues between stages: room, order, waking those who wait, and letting go of everybody."""

from __future__ import annotations

import asyncio
import itertools
import threading
from functools import partial

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.execute.pipeline.queues import END, Buffer, QueuedItem, waiting, waiting_async
from kaygraph_viz.recording import record

GUARD_S = 20.0


def buffer(size=2, is_ordered=True):
    return Buffer(size, is_ordered=is_ordered, now_ns=itertools.count(1).__next__)


def queued(position):
    return QueuedItem(position, f"item {position}", position=position)


def taken(queue):
    """Take what can be taken without waiting."""
    found = []
    while (thing := queue.take()) is not None and thing is not END:
        found.append(thing.index)
    return found


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_there_is_room_for_so_many_and_no_more():
    queue = buffer(size=2)
    assert [queue.offer(queued(place)) for place in range(3)] == [1, 2, None]
    assert taken(queue) == [0, 1]
    assert queue.offer(queued(2)) == 3
    assert queue.longest == 2


def test_in_order_an_early_item_waits_for_those_before_it():
    queue = buffer()
    queue.offer(queued(1))
    assert queue.take() is None
    queue.offer(queued(0))
    assert taken(queue) == [0, 1]


def test_the_item_that_is_due_always_finds_room():
    queue = buffer(size=2)
    assert [queue.offer(queued(place)) is not None for place in (1, 2, 0)] == [True, False, True]


def test_a_place_that_is_skipped_holds_up_nobody():
    queue = buffer(size=2)
    queue.offer(queued(1))
    queue.skip(0)
    assert taken(queue) == [1]
    queue.skip(2)
    assert queue.offer(queued(3)) is not None
    assert taken(queue) == [3]


def test_items_are_numbered_anew_as_they_leave():
    queue = buffer(size=4)
    queue.skip(0)
    for place in (1, 2):
        queue.offer(queued(place))
    assert [(found.index, found.position) for found in (queue.take(), queue.take())] == [(1, 0), (2, 1)]


def test_what_is_put_aside_is_read_first_and_takes_no_room_from_items():
    queue = buffer(size=1)
    queue.offer(queued(0))
    assert [queue.offer_aside("letter"), queue.offer_aside("another")] == [True, None]
    assert queue.take() == "letter"
    assert taken(queue) == [0]


def test_a_closed_queue_is_read_to_its_end():
    queue = buffer()
    queue.offer(queued(0))
    queue.close()
    assert queue.take().index == 0
    assert queue.take() is END


def test_an_abandoned_queue_is_empty_and_lets_nobody_in():
    queue = buffer()
    queue.offer(queued(0))
    assert not queue.is_abandoned
    queue.abandon()
    assert queue.is_abandoned
    assert queue.take() is END
    assert [queue.offer(queued(1)), queue.offer(queued(2))] == [2, 2]  # since when nobody reads any more
    assert queue.offer_aside("letter") is False
    assert queue.take() is END


def test_who_waits_for_an_item_is_woken_by_it():
    queue, found = buffer(), []
    thread = in_thread(lambda: found.append(waiting(queue.take).index))
    queue.offer(queued(0))
    thread.join(GUARD_S)
    assert found == [0]


@pytest.mark.parametrize("is_ordered", [True, False])
def test_all_who_wait_for_room_get_in_one_after_the_other(is_ordered):
    queue = buffer(size=1, is_ordered=is_ordered)
    threads = [in_thread(partial(waiting, partial(queue.offer, queued(place)))) for place in range(8)]
    found = [waiting(queue.take).index for _ in range(8)]
    for thread in threads:
        thread.join(GUARD_S)
    assert sorted(found) == list(range(8))
    assert not is_ordered or found == list(range(8))
    assert queue.longest == 1


@pytest.mark.parametrize("end", ["close", "abandon"])
def test_the_end_wakes_who_waits_for_an_item(end):
    queue, found = buffer(), []
    threads = [in_thread(lambda: found.append(waiting(queue.take))) for _ in range(3)]
    getattr(queue, end)()
    for thread in threads:
        thread.join(GUARD_S)
    assert found == [END] * 3


def test_the_end_wakes_who_waits_for_room():
    queue, found = buffer(size=1), []
    queue.offer(queued(0))
    queue.offer_aside("letter")
    attempts = [partial(queue.offer, queued(1)), partial(queue.offer_aside, "another")]
    threads = [in_thread(lambda attempt=attempt: found.append(waiting(attempt))) for attempt in attempts]
    queue.abandon()
    for thread in threads:
        thread.join(GUARD_S)
    assert sorted(found) == [False, 2]


def test_coroutines_and_threads_wait_for_each_other():
    there, back = buffer(size=1), buffer(size=1)

    async def reply():
        while (found := await waiting_async(there.take)) is not END:
            await waiting_async(partial(back.offer, found))
        back.close()

    thread = in_thread(lambda: asyncio.run(reply()))
    giver = in_thread(lambda: [*(waiting(partial(there.offer, queued(place))) for place in range(50)), there.close()])
    found = []
    while (thing := waiting(back.take)) is not END:
        found.append(thing.index)
    thread.join(GUARD_S)
    giver.join(GUARD_S)
    assert found == list(range(50))


def test_waiting_takes_simulated_time_under_a_virtual_clock():
    from kaygraph_viz.clock.sync import threads

    with record(clock="virtual") as trace:
        from kaygraph_viz.clock.clock import current_clock

        queue = Buffer(1, is_ordered=True, now_ns=current_clock().now_ns)

        def give():
            sleep(5)
            queue.offer(queued(0))

        threads().Thread(target=give).start()
        assert waiting(queue.take).entered_ns == 5_000_000_000
    assert not len(trace)


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.integers(1, 5))
def test_whatever_the_order_in_which_items_come_they_leave_in_order(order, skipped, size):
    queue, found, late = buffer(size=size), [], []
    for place in order:
        queue.skip(place) if place in skipped else late.append(place)
        while True:
            let_in = [other for other in late if queue.offer(queued(other)) is not None]
            late = [other for other in late if other not in let_in]
            left = taken(queue)
            found += left
            if not let_in and not left:
                break
    assert found == sorted(set(range(12)) - skipped)
    assert late == []
    assert queue.longest <= size
