"""The event queue: order, ties, and events of waits that have ended."""

from __future__ import annotations

import pytest

from kaygraph_viz.virtual.event_queue import FIRST, LAST, MAX_STALE, EventQueue
from kaygraph_viz.virtual.fiber import Fiber


def parked(name):
    fiber = Fiber(name, None)
    fiber.is_parked = True
    return fiber


def order(queue):
    """Return the names of all fibers that come, with the time of each."""
    found = []
    while (fiber := queue.next()) is not None:
        found.append((fiber.name, queue.now_ns))
    return found


def test_events_come_by_time_and_take_the_time_along():
    queue = EventQueue(0)
    for name, when_ns in (("late", 20), ("early", 10)):
        queue.push(when_ns, parked(name), woken=False)
    assert queue.next_event_ns() == 10
    assert order(queue) == [("early", 10), ("late", 20)]
    assert (queue.next_event_ns(), queue.current, queue.now_ns) == (None, None, 20)


def test_events_of_one_instant_come_as_they_were_put_in():
    queue = EventQueue(0)
    for name in "cab":
        queue.push(5, parked(name), woken=False)
    assert order(queue) == [("c", 5), ("a", 5), ("b", 5)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_first_and_last_are_so_with_any_seed(seed):
    queue = EventQueue(seed)
    queue.push(5, parked("limit"), woken=False, tie=LAST)
    for _ in range(5):
        queue.push(5, parked("other"), woken=False)
    queue.push(5, parked("interrupted"), woken=True, tie=FIRST)
    names = [name for name, _ in order(queue)]
    assert (names[0], names[-1]) == ("interrupted", "limit")


def test_a_seed_draws_one_order_of_ties():
    def drawn(seed):
        queue = EventQueue(seed)
        for name in "abcdef":
            queue.push(5, parked(name), woken=False)
        return "".join(name for name, _ in order(queue))

    assert drawn(0) == "abcdef"
    assert drawn(3) == drawn(3)
    assert len({drawn(seed) for seed in range(5)}) > 3


def test_an_event_of_a_wait_that_has_ended_is_void():
    queue, fiber = EventQueue(0), parked("a")
    queue.push(10, fiber, woken=False)
    queue.push(3, fiber, woken=True)
    assert queue.next() is fiber
    assert (fiber.was_woken, fiber.is_parked, queue.now_ns) == (True, False, 3)
    fiber.ticket, fiber.is_parked = fiber.ticket + 1, True  # its next wait
    assert (queue.next(), queue.now_ns) == (None, 3)


def test_time_never_goes_back():
    queue = EventQueue(0)
    queue.push(10, parked("a"), woken=False)
    queue.next()
    queue.push(4, parked("b"), woken=True)
    assert order(queue) == [("b", 10)]


def test_it_tells_whether_others_are_due_now():
    queue = EventQueue(0)
    assert not queue.others_are_due()
    queue.push(1, parked("a"), woken=False)
    assert not queue.others_are_due()
    queue.push(0, parked("b"), woken=False)
    assert queue.others_are_due()


def test_events_of_waits_that_have_ended_do_not_pile_up():
    queue, fiber = EventQueue(0), parked("a")
    for _ in range(5 * MAX_STALE):
        fiber.ticket += 1
        queue.push(10, fiber, woken=False)
    assert len(queue.heap) <= MAX_STALE + 1
    assert order(queue) == [("a", 10)]
