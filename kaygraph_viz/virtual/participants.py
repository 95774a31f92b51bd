"""Which threads are simulated, and which calls are made for user code.

Belongs here: telling threads of the schedule from others, and user code from that of libraries. Does not belong here:
what follows from it (``patches``, ``user_threads``).

What user code makes and waits for, directly or through `threading`, `queue` and `concurrent.futures`, is in simulated
time. What an installed library or another part of the standard library makes is real: it may be shared with threads
that are not simulated, such as those of a notebook.
"""

from __future__ import annotations

import threading
from types import FrameType

from kaygraph_viz.clock import current_clock
from kaygraph_viz.virtual.places import is_user_frame
from kaygraph_viz.virtual.threads import VirtualThreads

__all__ = ["here", "is_called_by_user", "is_made_for_user", "module_of"]

_WAITS = frozenset({"threading", "queue"})
_MAKES = _WAITS | {
    "concurrent.futures._base", "concurrent.futures.thread", "asyncio.base_events", "kaygraph_viz.capture.futures",
    "kaygraph_viz.capture.threads", "kaygraph_viz.virtual.futures", "kaygraph_viz.virtual.loop",
    "kaygraph_viz.virtual.patches", "kaygraph_viz.virtual.user_threads",
}  # fmt: skip
_THREAD_IS_MADE = threading.Thread.__init__.__code__


def here() -> VirtualThreads | None:
    """Return the threads of the simulation to which the calling thread belongs; None if it is real, or away."""
    threads = current_clock().threads
    if not isinstance(threads, VirtualThreads):
        return None
    fiber = threads.scheduler.mine()
    return None if fiber is None or fiber.is_away else threads


def module_of(frame: FrameType | None) -> str:
    """Return the name of the module of the code that a frame runs."""
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def is_made_for_user(frame: FrameType | None) -> bool:
    """Return whether an object is made, or a thread started, in a frame on behalf of user code."""
    while frame is not None and frame.f_code is not _THREAD_IS_MADE and module_of(frame) in _MAKES:
        frame = frame.f_back
    return frame is not None and is_user_frame(frame)


def is_called_by_user(frame: FrameType | None) -> bool:
    """Return whether a wait in a frame of `threading` or `queue` was called by user code or by this package."""
    while frame is not None and module_of(frame) in _WAITS:
        frame = frame.f_back
    return frame is not None and (is_user_frame(frame) or module_of(frame).startswith("kaygraph_viz."))
