"""Data of threads that goes with a fiber where several fibers share one thread.

Belongs here: knowing such data, and exchanging it. Does not belong here: when that is done (``virtual.one_thread``).
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar
from weakref import WeakSet

__all__ = ["exchanged", "of_fibers"]

Data = TypeVar("Data", bound=threading.local)
Held = list[tuple[threading.local, dict[str, Any]]]

_known: WeakSet[threading.local] = WeakSet()


def of_fibers(data: Data) -> Data:
    """Return data of threads that from now on goes with a fiber, too."""
    _known.add(data)
    return data


def exchanged(held: Held) -> Held:
    """Put data in the place of that of the calling thread, and return what that one had."""
    had = []
    for data in _known:
        if own := vars(data):
            had.append((data, own.copy()))
            own.clear()
    for data, own in held:
        vars(data).update(own)
    return had
