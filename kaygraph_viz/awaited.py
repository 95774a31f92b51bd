"""Inspection of suspended coroutines: where they wait, and what for.

Belongs here: reading their frames. Does not belong here: running them (``execute.core.stepwise``, ``virtual.loop``).
"""

from __future__ import annotations

import asyncio
import asyncio.locks
import asyncio.queues
from collections.abc import Callable
from types import FrameType
from typing import Any

from kaygraph_viz.parts import PartKind

__all__ = ["due_at_s", "due_in_s", "frames_of", "innermost_frame", "kind_of_wait"]

FILES = (asyncio.locks.__file__, asyncio.queues.__file__)
# Not events: they can mean anything.
BLOCKING = ("Lock.acquire", "Semaphore.acquire", "Queue.get", "Queue.put", "Queue.join")


def frames_of(awaited: Any) -> list[FrameType]:
    """Return the frames of a suspended coroutine and of what it awaits, innermost first."""
    frames: list[FrameType] = []
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            break
        frames.append(frame)
        inner = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
        awaited = inner if inner is not None else frame.f_locals.get("running")  # of ``core.stepwise``
    return frames[::-1]


def innermost_frame(awaited: Any) -> FrameType | None:
    """Return the frame in which a coroutine is suspended, or None if it is not."""
    return next(iter(frames_of(awaited)), None)


def kind_of_wait(frame: FrameType | None) -> PartKind:
    """Return the kind of wait in a frame: blocked in locks and queues of asyncio, else a wait."""
    if frame is None or frame.f_code.co_filename not in FILES:
        return "wait"
    return "blocked" if frame.f_code.co_qualname in BLOCKING else "wait"


def due_in_s(frame: FrameType | None) -> float | None:
    """Return after how long a coroutine that sleeps in a frame can go on [s]; None where it does not sleep."""
    if frame is None or frame.f_code is not asyncio.sleep.__code__:
        return None
    due = due_at_s(frame)
    return None if due is None else max(0.0, due - asyncio.get_running_loop().time())


def due_at_s(frame: FrameType) -> float | None:
    """Return when a frame of `asyncio.sleep` goes on, by its loop [s]; None where that, as in a tab, does not tell."""
    when: Callable[[], float] | None = getattr(frame.f_locals.get("h"), "when", None)
    return None if when is None else when()
