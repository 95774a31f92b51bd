"""What threads of the standard library are called in a chart: numbered from 1, as all workers are.

Belongs here: names. Does not belong here: which lane a thread gets (``lanes``).
"""

from __future__ import annotations

import re
import threading

__all__ = ["after_number", "lane_name", "pool_of"]

POOLS = "concurrent.futures.thread"
OTHER_POOLS = "multiprocessing.pool"  # which gives its threads no names
_NUMBERED = re.compile(r"(?P<pool>.*)_(?P<number>\d{1,9})")
_NAMELESS = re.compile(r"ThreadPoolExecutor-\d+")
_DEFAULT = re.compile(r"Thread-\d+(?P<rest>.*)", re.DOTALL)


def pool_of(thread: threading.Thread) -> str | None:
    """Return the prefix of the names of a pool's threads; empty for a pool without one, None for any other thread."""
    module = getattr(getattr(thread, "_target", None), "__module__", "")
    if module == OTHER_POOLS:
        return ""
    numbered = _NUMBERED.fullmatch(thread.name) if module == POOLS else None
    if numbered is None:
        return None
    pool = numbered["pool"]
    return "" if _NAMELESS.fullmatch(pool) else pool


def after_number(thread: threading.Thread) -> str | None:
    """Return what follows the number in a name that Python gave to a thread; None for a name of another kind."""
    found = _DEFAULT.fullmatch(thread.name)
    return None if found is None else found["rest"]


def lane_name(thread: threading.Thread) -> str:
    """Return the name of a thread's lane: its own, but that a pool's first thread has the number 1."""
    pool = pool_of(thread)
    return thread.name if not pool else f"{pool}-{int(thread.name[len(pool) + 1 :]) + 1}"
