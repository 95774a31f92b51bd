"""Locks of asyncio: which task holds one, and tasks that wait for each other.

Belongs here: noting who holds a lock of asyncio while a block runs, and the circle of tasks in a deadlock. Does not
belong here: locks of threads (``locks``), and the circle of threads (``deadlock``).

A lock of asyncio does not know who holds it, so `asyncio.Lock.acquire` notes its task. Nothing is noted when a lock is
released: who took it last is the holder for as long as it is locked.
"""

from __future__ import annotations

import _thread
import asyncio
import re
from collections.abc import Iterator
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from kaygraph_viz.awaited import frames_of
from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.errors import Wait
from kaygraph_viz.virtual.deadlock import Hold, InnerWaits, circle_of
from kaygraph_viz.virtual.places import line_in, place_in, tasks_of

__all__ = ["WaitsOfTasks", "noted_holders"]

# The name of a task that was given none, whose number differs from run to run; Python 3.13 calls some of them None.
NUMBERED = re.compile(r"Task-\d+|None")

_acquire = asyncio.Lock.acquire
_holds: WeakKeyDictionary[asyncio.Lock, Hold] = WeakKeyDictionary()
_mutex = _thread.allocate_lock()
_blocks: list[object] = []  # that run, in any thread


@wraps(_acquire)
async def _acquire_and_note(lock: asyncio.Lock) -> Any:
    taken = await _acquire(lock)
    _holds.setdefault(lock, Hold()).take(asyncio.current_task())
    return taken


@contextmanager
def noted_holders() -> Iterator[None]:
    """Note who holds each lock of asyncio that is taken while the block runs."""
    block = object()
    with _mutex:
        _blocks.append(block)
        asyncio.Lock.acquire = _acquire_and_note  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        with _mutex:
            _blocks.remove(block)
            if not _blocks:
                asyncio.Lock.acquire = _acquire  # type: ignore[method-assign]


class WaitsOfTasks(InnerWaits):
    """What an event loop waits for: an event that one of its tasks awaits.

    Parameters
    ----------
    loop
        The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __str__(self) -> str:
        return "an event that its coroutines await"

    def circle(self) -> list[Wait]:
        """Return the waits of tasks that wait for locks of each other; empty if there are none."""
        tasks = tasks_of(self._loop)
        names = {task: _name(task, number) for number, task in enumerate(tasks, 1)}
        awaited = {task: hold for task in tasks if (hold := _awaited(task)) is not None and hold.holder in names}
        in_circle = circle_of(list(awaited), lambda task: awaited[task].holder if task in awaited else None)
        return [_wait_of(task, awaited[task], names) for task in in_circle]


def _name(task: asyncio.Task[Any], number: int) -> str:
    name = task.get_name()
    return f"task {number}" if NUMBERED.fullmatch(name) else f"task {name!r}"


def _awaited(task: asyncio.Task[Any]) -> Hold | None:
    """Return who holds the lock that a task waits for; None where it waits for something else."""
    frame = next(iter(frames_of(task.get_coro())), None)
    return _holds.get(frame.f_locals["self"]) if frame is not None and frame.f_code is _acquire.__code__ else None


def _wait_of(task: asyncio.Task[Any], hold: Hold, names: dict[asyncio.Task[Any], str]) -> Wait:
    frames, since = frames_of(task.get_coro()), hold.since
    line, taken = line_in(frames), "" if since is None else since.text
    place, code = place_in(frames), "" if line is None else line.text
    return Wait(names[task], place, code, str(hold), names[hold.holder], str(since or ""), taken)
