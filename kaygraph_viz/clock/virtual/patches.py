"""Ordinary code in simulated time: what the names of `time`, `threading` and `queue` mean inside a block.

Belongs here: the names that are replaced while a block runs, and their replacements. Does not belong here: the locks
(``locks``), and threads that user code starts (``user_threads``).

In simulated threads, `time.sleep` passes simulated time, clocks show it, and locks and queues that user code makes wait
in it. In all other threads, and after the block, each replacement does what it replaces: modules that have bound one
may keep it. Names are replaced in the modules of the standard library and of the user. Real locks from before the
block are wrapped in locks of simulated time until it ends, where they can be found: in the modules of the user, in
their classes, and in the attributes of objects of such classes that have a name in a module.
"""

from __future__ import annotations

import asyncio
import math
import queue
import sys
import threading
import time as _time
from collections.abc import Callable, Iterator
from functools import cache, wraps
from types import FrameType
from typing import Any

from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.clock.virtual import locks
from kaygraph_viz.clock.virtual.code_places import is_user_code
from kaygraph_viz.clock.virtual.loop import acquire_and_note, real_acquire
from kaygraph_viz.clock.virtual.threads import here, is_called_by_user, is_made_for_user, module_of

__all__ = ["ordinary_code"]

START_S = 946_684_800  # the date at which simulated time begins: 1 January 2000, 0:00 UTC
POLLING = ("subprocess", "multiprocessing", "joblib", "distributed")  # they sleep between checks of something real
READING = (*POLLING, "asyncio", "kaygraph_viz", "logging", "selectors", "socket", "ssl", "threading", "queue")

_real_sleep, _real_monotonic = _time.sleep, _time.monotonic
_real_lock, _real_rlock = threading.Lock, threading._CRLock  # type: ignore[attr-defined]  # not public
_real_queue, _real_wait = queue.SimpleQueue, threading.Condition.wait


def sleep(seconds: float, /) -> None:
    """Sleep as `time.sleep` does; in a simulated thread, in simulated time."""
    threads = here()
    is_duration = isinstance(seconds, (int, float)) and math.isfinite(seconds) and seconds >= 0
    if threads is None or not is_duration or module_of(sys._getframe(1)).partition(".")[0] in POLLING:
        _real_sleep(seconds)
    else:
        threads.clock.sleep(seconds)


def _clock(real: Callable[[], float], read: Callable[[int], float]) -> Callable[[], float]:
    """Return a clock in place of a real one, which in a simulated thread reads the simulated time [ns]."""

    @wraps(real)
    def now() -> float:
        threads = here()
        if threads is None or module_of(sys._getframe(1)).partition(".")[0] in READING:
            return real()
        return read(threads.scheduler.now_ns)

    return now


_CLOCKS = {
    "monotonic": _clock(_time.monotonic, lambda now_ns: now_ns / 1e9),
    "monotonic_ns": _clock(_time.monotonic_ns, lambda now_ns: now_ns),
    "perf_counter": _clock(_time.perf_counter, lambda now_ns: now_ns / 1e9),
    "perf_counter_ns": _clock(_time.perf_counter_ns, lambda now_ns: now_ns),
    "time": _clock(_time.time, lambda now_ns: START_S + now_ns / 1e9),
    "time_ns": _clock(_time.time_ns, lambda now_ns: START_S * 10**9 + now_ns),
}


def time_of_waits() -> float:
    """Return the time by which `threading` and `queue` measure their time limits [s]: that in which they wait."""
    threads, frame = here(), sys._getframe(1)
    if threads is None or not _waits_in_simulated_time(frame.f_locals.get("self"), frame):
        return _real_monotonic()
    return threads.scheduler.now_ns / 1e9


def make_lock() -> Any:
    """Return a lock, as `threading.Lock`; for user code in a simulated thread, one of simulated time."""
    return locks.Lock() if here() is not None and is_made_for_user(sys._getframe(1)) else _real_lock()


def make_rlock() -> Any:
    """Return a lock, as `threading.RLock`; for user code in a simulated thread, one of simulated time."""
    return locks.RLock() if here() is not None and is_made_for_user(sys._getframe(1)) else _real_rlock()


class SimpleQueue(queue._PySimpleQueue):  # type: ignore[name-defined,misc]  # not public: the one written in Python
    """A queue, as `queue.SimpleQueue`; for user code in a simulated thread, one of simulated time."""

    def __new__(cls) -> Any:
        """Return a queue of the kind that the caller needs."""
        is_own = cls is not SimpleQueue or (here() is not None and is_made_for_user(sys._getframe(1)))
        return super().__new__(cls) if is_own else _real_queue()


def _wait(condition: Any, timeout: float | None = None) -> bool:
    """Wait as `threading.Condition.wait` does; in simulated time where user code made the condition or calls this."""
    threads = here()
    if threads is None or not _waits_in_simulated_time(condition, sys._getframe(1)):
        return _real_wait(condition, timeout)
    return locks.wait(condition, threads.scheduler, timeout)


def _waits_in_simulated_time(thing: Any, frame: FrameType) -> bool:
    """Return whether a condition, or what is built on one, that waits in a frame does so in simulated time."""
    lock = getattr(getattr(thing, "_cond", thing), "_lock", None) or getattr(thing, "mutex", None)
    return getattr(lock, "is_simulated", False) or is_called_by_user(frame)


# -- names ---------------------------------------------------------------------------------------------------------

_OF_STDLIB: list[tuple[Any, str, Any]] = [
    (_time, "sleep", sleep),
    *((_time, name, made) for name, made in _CLOCKS.items()),
    (threading, "Lock", make_lock),
    (threading, "_CRLock", make_rlock),
    (threading, "_time", time_of_waits),
    (queue, "SimpleQueue", SimpleQueue),
    (queue, "time", time_of_waits),
]
_STANDS_FOR = {
    id(vars(place)[name]): made for place, name, made in _OF_STDLIB if not (made is time_of_waits or name == "_CRLock")
}
_REAL_LOCKS = {type(_real_lock()): locks.Lock, type(_real_rlock()): locks.RLock}
_mutex = _real_lock()
_blocks: list[object] = []  # the blocks that run, in any thread
_replaced: list[tuple[Any, str, Any, Any]] = []  # where, the name, its value now, its value before
_around: dict[int, Any] = {}  # the locks of simulated time around real ones, by the address of those


@contextmanager
def ordinary_code() -> Iterator[None]:
    """Replace the names of ordinary code while the block runs."""
    block = object()
    condition: Any = threading.Condition
    lock: Any = asyncio.Lock
    with _mutex:
        if not _blocks:
            for place, name, made in _OF_STDLIB:
                _replace(vars(place), name, made)
            condition.wait, lock.acquire = _wait, acquire_and_note
        _blocks.append(block)
        of_users = [vars(module) for name, module in list(sys.modules.items()) if _is_module_of_user(name)]
        for names in (vars(sys.modules["__main__"]), *of_users):
            _replace_in(names)
    try:
        yield
    finally:
        with _mutex:
            _blocks.remove(block)
            if not _blocks:
                condition.wait, lock.acquire = _real_wait, real_acquire
                while _replaced:
                    place, name, made, before = _replaced.pop()
                    if _names_in(place).get(name) is made:
                        _set(place, name, before)
                _around.clear()


def _replace_in(names: dict[str, Any]) -> None:
    """Replace what a module of the user has bound: names of the standard library, and locks."""
    for name, value in list(names.items()):
        made = _STANDS_FOR.get(id(value))
        if made is not None:
            _replace(names, name, made)
        elif type(value) in _REAL_LOCKS:
            _replace(names, name, _lock_around(value))
        elif isinstance(value, type):
            _replace_locks_in(value, value)
        else:
            _replace_locks_in(value, type(value))


def _replace_locks_in(place: Any, kind: type) -> None:
    """Wrap the locks among the attributes of a user class, or of an object of one."""
    module, attributes = getattr(kind, "__module__", None), getattr(place, "__dict__", None)
    if attributes and isinstance(module, str) and (module == "__main__" or _is_module_of_user(module)):
        for name, value in list(attributes.items()):
            if type(value) in _REAL_LOCKS:
                _replace(place if isinstance(place, type) else attributes, name, _lock_around(value))


def _lock_around(real: Any) -> Any:
    """Return the lock of simulated time around a real one: a single one, whatever names the real one has."""
    return _around.setdefault(id(real), _REAL_LOCKS[type(real)](real))


def _replace(place: Any, name: str, made: Any) -> None:
    _replaced.append((place, name, made, _names_in(place)[name]))
    _set(place, name, made)


def _names_in(place: Any) -> Any:
    return place if isinstance(place, dict) else vars(place)


def _set(place: Any, name: str, value: Any) -> None:
    if isinstance(place, dict):
        place[name] = value
    else:
        type.__setattr__(place, name, value)


@cache  # there may be thousands of modules, and lazy ones import something for each attribute that is read
def _is_module_of_user(name: str) -> bool:
    return is_user_code(getattr(sys.modules.get(name), "__file__", None) or "<frozen")
