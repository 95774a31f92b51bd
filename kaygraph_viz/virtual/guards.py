"""Refusing what would spoil simulated time: real sleeping and real connections inside a branch.

Belongs here: what can be noticed the moment it is tried. Does not belong here: what can only be noticed because nothing
moves (``watch``).

Python tells an audit hook about both before they happen; about sleeping only from version 3.13 on, so that `time.sleep`
is replaced for the time of the block before that, also where the user's modules have it under another name. Neither
does anything outside of branches in simulated time. Threads that user code starts by itself take no part; they get the
clock nevertheless, so that they are told so when they wait.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from functools import cache, partial
from typing import Any

from kaygraph_viz.clock import current_clock, use_clock
from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.virtual.fiber import FiberThread
from kaygraph_viz.virtual.watch import is_user_code

__all__ = ["guard", "guards"]

_in_branch: ContextVar[bool] = ContextVar("kaygraph_viz_in_virtual_branch", default=False)
_is_installed: list[bool] = []


def guard(context: Context) -> None:
    """Say that a branch in simulated time will run in `context`."""
    context.run(_in_branch.set, True)


@contextmanager
def guards() -> Iterator[None]:
    """Refuse real sleeping and real connections of branches in simulated time while the block runs."""
    if not _is_installed:
        _is_installed.append(True)
        sys.addaudithook(_hook)  # which cannot be taken back
    start = threading.Thread.start
    threading.Thread.start = _start_with(start)  # type: ignore[assignment,method-assign]
    try:
        with _sleeping_guarded():
            yield
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]


@contextmanager
def _sleeping_guarded() -> Iterator[None]:
    if sys.version_info >= (3, 13):
        yield
        return
    sleep = time.sleep
    refusing = _Sleep(sleep)
    places = [(names, name) for names in _namespaces() for name, value in names.items() if value is sleep]
    for names, name in places:
        names[name] = refusing
    try:
        yield
    finally:
        for names, name in places:
            if names.get(name) is refusing:
                names[name] = sleep


def _namespaces() -> list[dict[str, Any]]:
    """Return the names of the module `time` and of all modules of the user."""
    of_users = [vars(module) for name, module in list(sys.modules.items()) if _is_module_of_user(name)]
    return [vars(time), vars(sys.modules["__main__"]), *of_users]


@cache  # there may be thousands of modules, and some look everything up that they are asked for
def _is_module_of_user(name: str) -> bool:
    return is_user_code(getattr(sys.modules.get(name), "__file__", None) or "<frozen")


class _Sleep:
    """`time.sleep`, which tells the hook before it sleeps."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def __call__(self, seconds: float) -> None:
        _hook("time.sleep", (seconds,))
        self._sleep(seconds)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    notice = _NOTICED.get(event)
    if notice is not None and getattr(current_clock(), "is_virtual", False):
        notice(args)


def _refuse_sleep(args: tuple[Any, ...]) -> None:
    if _in_branch.get() and args and args[0]:
        raise VirtualClockError(
            f"time.sleep({args[0]}) cannot be seen by the virtual clock; write kv.sleep({args[0]}) instead"
        )


def _refuse_connection(args: tuple[Any, ...]) -> None:
    if _in_branch.get():
        raise VirtualClockError(
            f"a real connection to {args[1] if len(args) > 1 else args!r} cannot be seen by the virtual clock; use the "
            "client of a service that was started inside the block (server.client()), or record with the real clock"
        )


def _start_with(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    """Return what starts a thread with the clock of the one who starts it, if that one is virtual."""

    def start_with_clock(thread: threading.Thread) -> None:
        clock = current_clock()
        if getattr(clock, "is_virtual", False) and not isinstance(thread, FiberThread):
            thread.run = partial(_run_with, clock, thread.run)  # type: ignore[method-assign]
        start(thread)

    return start_with_clock


def _run_with(clock: Any, run: Callable[[], None]) -> None:
    with use_clock(clock):
        run()


_NOTICED: dict[str, Callable[[tuple[Any, ...]], None]] = {
    "time.sleep": _refuse_sleep,
    "socket.connect": _refuse_connection,
}
