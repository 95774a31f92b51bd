"""What a suspended coroutine awaits.

Belongs here: looking into it. Does not belong here: running it (``execute.stepwise``, ``virtual.loop``).
"""

from __future__ import annotations

import asyncio
import asyncio.locks
import asyncio.queues
from types import FrameType
from typing import Any

from kaygraph_viz.parts import PartKind

__all__ = ["due_in_s", "innermost_frame", "kind_of_wait"]

HOLD_UP = (asyncio.locks.__file__, asyncio.queues.__file__)


def innermost_frame(awaited: Any) -> FrameType | None:
    """Return the frame in which a coroutine is suspended, or None if it is not.

    Examples
    --------
    >>> async def main():
    ...     await asyncio.sleep(0)
    >>> coroutine = main()
    >>> coroutine.send(None)
    >>> innermost_frame(coroutine).f_code.co_name
    '__sleep0'
    >>> coroutine.close()
    """
    found: FrameType | None = None
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            break
        found = frame
        inner = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
        awaited = inner if inner is not None else frame.f_locals.get("running")  # as ``execute.stepwise`` calls it
    return found


def kind_of_wait(frame: FrameType | None) -> PartKind:
    """Return what a coroutine waits for in a frame: what asyncio's locks and queues hold up is blocked."""
    return "blocked" if frame is not None and frame.f_code.co_filename in HOLD_UP else "wait"


def due_in_s(frame: FrameType | None) -> float | None:
    """Return after how long a coroutine that sleeps in a frame can go on [s]; None where it does not sleep."""
    if frame is None or frame.f_code is not asyncio.sleep.__code__:
        return None
    timer = frame.f_locals.get("h")
    return None if timer is None else max(0.0, timer.when() - asyncio.get_running_loop().time())
