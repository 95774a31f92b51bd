"""The order of events, slots in the order of the requests, and the rounds of an event loop."""

from __future__ import annotations

from kaygraph_viz.analysis.what_if.tasks import EventLoop, EventQueue, Slots


def test_events_run_in_the_order_of_their_times_and_then_of_their_entry():
    events, ran = EventQueue(), []
    for when, name in [(5, "c"), (2, "a"), (5, "d"), (2, "b")]:
        events.call_at(when, lambda name=name: ran.append((events.now, name)))
    assert events.next_ns() == 2
    events.run()
    assert ran == [(2, "a"), (2, "b"), (5, "c"), (5, "d")]
    assert events.next_ns() is None


def test_an_event_for_this_instant_comes_after_those_that_are_due():
    events, ran = EventQueue(), []
    events.call_at(1, lambda: events.call_soon(lambda: ran.append("soon")))
    events.call_at(1, lambda: ran.append("due"))
    events.call_at(2, lambda: ran.append("later"))
    events.run()
    assert ran == ["due", "soon", "later"]


def test_slots_are_given_out_in_the_order_of_the_requests():
    events, ran = EventQueue(), []
    slots = Slots(events, 1)
    for name in "abc":
        slots.acquire(lambda name=name: ran.append(name))
    assert ran == ["a"]
    slots.release()
    assert ran == ["a"]  # the next one is an event: what is due already comes first
    events.run()
    assert ran == ["a", "b"]


def test_a_slot_that_nobody_waits_for_is_free_again():
    slots, ran = Slots(EventQueue(), 1), []
    for _ in range(3):
        slots.acquire(lambda: ran.append(1))
        slots.release()
    assert len(ran) == 3


def test_unlimited_slots_make_no_request_wait():
    slots, ran = Slots(EventQueue(), None), []
    for _ in range(100):
        slots.acquire(lambda: ran.append(1))
    slots.release()
    assert slots.is_unlimited
    assert (len(ran), len(slots.queue)) == (100, 0)


def test_a_coroutine_keeps_the_loop_until_it_releases_it():
    loop, ran = EventLoop(EventQueue()), []
    loop.call_soon(lambda: ran.append("a"))
    loop.call_soon(lambda: ran.append("b"))
    assert ran == ["a"]
    loop.release()
    assert ran == ["a", "b"]


def test_expired_timers_come_one_round_after_the_coroutines_that_are_ready():
    events, ran = EventQueue(), []
    loop = EventLoop(events)

    def step(name):
        def run():
            ran.append(name)
            events.call_soon(loop.release)

        return run

    loop.wake(step("timer"))
    loop.call_soon(step("first"))
    loop.call_soon(step("second"))
    events.run()
    assert ran == ["first", "second", "timer"]


def test_ten_thousand_coroutines_that_release_at_once_are_no_recursion():
    loop, ran = EventLoop(EventQueue()), []

    def run():
        ran.append(1)
        if len(ran) < 10_000:
            loop.call_soon(run)
        loop.release()

    loop.call_soon(run)
    assert len(ran) == 10_000
