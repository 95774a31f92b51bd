"""Looking into suspended coroutines."""

from __future__ import annotations

import asyncio

from kaygraph_viz.clock.clock import due_in_s, frames_of, innermost_frame, kind_of_wait


def suspended(main):
    """Return what is known of a coroutine at its first wait."""
    found = []

    async def run():
        task = asyncio.ensure_future(main())
        await asyncio.sleep(0)
        frame = innermost_frame(task.get_coro())
        found.extend([kind_of_wait(frame), due_in_s(frame)])
        task.cancel()

    asyncio.run(run())
    return found


def test_who_sleeps_is_due_after_that_long():
    kind, due = suspended(lambda: asyncio.sleep(1000))
    assert kind == "wait"
    assert 0 < due <= 1000


def test_locks_and_queues_of_asyncio_hold_up():
    assert suspended(lambda: asyncio.Queue().get()) == ["blocked", None]


def test_an_event_may_stand_for_anything_such_as_an_answer_from_the_network():
    assert suspended(lambda: asyncio.Event().wait()) == ["wait", None]


def test_what_is_no_coroutine_is_suspended_nowhere():
    assert innermost_frame(None) is None
    assert frames_of(3) == []
    assert (kind_of_wait(None), due_in_s(None)) == ("wait", None)


def test_a_loop_whose_timers_do_not_tell_when_leaves_that_open(monkeypatch):
    monkeypatch.setattr(asyncio.BaseEventLoop, "call_later", without_a_time)
    assert suspended(lambda: asyncio.sleep(0.01)) == ["wait", None]


def without_a_time(self, delay, callback, *args):
    self.call_at(self.time() + delay, callback, *args)
    return asyncio.Handle(callback, args, self)
