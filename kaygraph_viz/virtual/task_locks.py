"""Locks of asyncio: which task holds one, and tasks that wait for each other.

Belongs here: noting who holds a lock of asyncio, and the circle of tasks in a deadlock. Does not belong here: putting
that into asyncio (``patches``), locks of threads (``locks``), and the circle of threads (``deadlock``).

A lock of asyncio does not know who holds it, so `acquire_and_note` stands for its `acquire`. Nothing is noted when a
lock is released: who took it last is the holder for as long as it is locked.
"""

from __future__ import annotations

import asyncio
import re
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from kaygraph_viz.awaited import frames_of
from kaygraph_viz.errors import Wait
from kaygraph_viz.virtual.deadlock import Hold, InnerWaits, circle_of
from kaygraph_viz.virtual.places import line_in, place_in, tasks_of

__all__ = ["WaitsOfTasks", "acquire_and_note", "real_acquire"]

# The name of a task that was given none, whose number differs from run to run; Python 3.13 calls some of them None.
NUMBERED = re.compile(r"Task-\d+|None")

real_acquire = asyncio.Lock.acquire
_holds: WeakKeyDictionary[asyncio.Lock, Hold] = WeakKeyDictionary()


@wraps(real_acquire)
async def acquire_and_note(lock: asyncio.Lock) -> Any:
    """Do what the real one does, and note which task holds the lock then."""
    taken = await real_acquire(lock)
    _holds.setdefault(lock, Hold()).take(asyncio.current_task())
    return taken


class WaitsOfTasks(InnerWaits):
    """What an event loop waits for: an event that one of its tasks awaits."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __str__(self) -> str:
        return "an event that its coroutines await"

    def circle(self) -> list[Wait]:
        """Return the waits of tasks that wait for locks of each other; empty if there are none."""
        tasks = tasks_of(self._loop)
        names = {task: _name(task, number) for number, task in enumerate(tasks, 1)}
        awaited = {}
        for task in tasks:  # that wait for locks which tasks of this loop hold
            frame = next(iter(frames_of(task.get_coro())), None)
            if frame is not None and frame.f_code is real_acquire.__code__:
                hold = _holds.get(frame.f_locals["self"])
                if hold is not None and hold.holder in names:
                    awaited[task] = hold
        in_circle = circle_of(list(awaited), lambda task: awaited[task].holder if task in awaited else None)
        return [_wait_of(task, awaited[task], names) for task in in_circle]


def _name(task: asyncio.Task[Any], number: int) -> str:
    name = task.get_name()
    return f"task {number}" if NUMBERED.fullmatch(name) else f"task {name!r}"


def _wait_of(task: asyncio.Task[Any], hold: Hold, names: dict[asyncio.Task[Any], str]) -> Wait:
    frames, since = frames_of(task.get_coro()), hold.since
    line, taken = line_in(frames), "" if since is None else since.text
    place, code = place_in(frames), "" if line is None else line.text
    return Wait(names[task], place, code, str(hold), names[hold.holder], str(since or ""), taken)
