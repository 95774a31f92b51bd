"""Refusing what would spoil simulated time: real sleeping and real connections inside a branch.

Belongs here: what can be noticed the moment it is tried. Does not belong here: what can only be noticed because nothing
moves (``watch``).

Python tells an audit hook about both before they happen; about sleeping only from version 3.13 on, so that `time.sleep`
is replaced for the time of the block before that. Neither does anything outside of branches in simulated time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any

from kaygraph_viz.errors import VirtualClockError

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
    if sys.version_info >= (3, 13):
        yield
        return
    sleep = time.sleep
    time.sleep = _Sleep(sleep)  # type: ignore[assignment]
    try:
        yield
    finally:
        time.sleep = sleep


class _Sleep:
    """`time.sleep`, which tells the hook before it sleeps."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def __call__(self, seconds: float) -> None:
        _hook("time.sleep", (seconds,))
        self._sleep(seconds)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    refuse = _REFUSED.get(event)
    if refuse is not None and _in_branch.get():
        refuse(args)


def _refuse_sleep(args: tuple[Any, ...]) -> None:
    if args and args[0]:
        raise VirtualClockError(
            f"time.sleep({args[0]}) cannot be seen by the virtual clock; write kv.sleep({args[0]}) instead"
        )


def _refuse_connection(args: tuple[Any, ...]) -> None:
    raise VirtualClockError(
        f"a real connection to {args[1] if len(args) > 1 else args!r} cannot be seen by the virtual clock; use the "
        "client of a service that was started inside the block (server.client()), or record with the real clock"
    )


_REFUSED: dict[str, Callable[[tuple[Any, ...]], None]] = {
    "time.sleep": _refuse_sleep,
    "socket.connect": _refuse_connection,
}
