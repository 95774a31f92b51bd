"""Refusing what would block simulated time: real connections and sleeps in a branch, an event loop of real time.

Belongs here: what can be detected before it happens. Does not belong here: what is detected because nothing moves
(``watchdog``), and what works in simulated time (``patches``, ``user_threads``).

Python reports a connection to an audit hook before it is made, and from version 3.13 on a sleep. The hook does nothing
outside of branches in simulated time.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import Context, ContextVar
from types import FrameType
from typing import Any

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.virtual.participants import here, module_of
from kaygraph_viz.virtual.places import is_user_frame

__all__ = ["guard", "guards"]

_in_branch: ContextVar[bool] = ContextVar("kaygraph_viz_in_virtual_branch", default=False)
_is_installed: list[bool] = []
_WAITS_OF_LOOPS = ("call_at", "run_in_executor")


def guard(context: Context) -> None:
    """Mark a context as one in which a branch of simulated time will run."""
    context.run(_in_branch.set, True)


@contextmanager
def guards() -> Iterator[None]:
    """Refuse real connections in branches, and real waits of coroutines, while the block runs."""
    if not _is_installed:
        _is_installed.append(True)
        sys.addaudithook(_hook)  # once: Python cannot remove it
    loop = asyncio._get_running_loop()  # one that was running before the block, such as that of a notebook
    if loop is None or any(name in vars(loop) for name in _WAITS_OF_LOOPS):
        yield
        return
    with suppress(AttributeError):  # a loop written in C has no attributes to replace
        for name in _WAITS_OF_LOOPS:
            setattr(loop, name, _refuser(getattr(loop, name)))
    try:
        yield
    finally:
        for name in _WAITS_OF_LOOPS:
            vars(loop).pop(name, None)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    refuse = _REFUSED.get(event)
    if refuse is not None and not current_clock().has_network and _in_branch.get():
        refuse(args)


def _refuse_connection(args: tuple[Any, ...]) -> None:
    raise VirtualClockError(
        f"under a virtual clock no real connection to {args[1] if len(args) > 1 else args!r} is possible; use the "
        "client of a service that was started inside the block (server.client()), or record with the real clock"
    )


def _refuse_sleep(args: tuple[Any, ...]) -> None:
    """Refuse the real `time.sleep` that a module bound before the block; our own calls are let through."""
    if args and args[0] and not module_of(sys._getframe(2)).startswith("kaygraph_viz."):
        raise VirtualClockError(
            f"the virtual clock cannot replace this time.sleep({args[0]}): a library or a default argument holds the "
            f"real function from before the block; write kv.sleep({args[0]}) instead"
        )


_REFUSED: dict[str, Callable[[tuple[Any, ...]], None]] = {
    "socket.connect": _refuse_connection,
    "time.sleep": _refuse_sleep,
}


def _refuser(wait: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of a loop that refuses to wait for coroutines of the user."""

    def refuse(*args: Any, **options: Any) -> Any:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and module_of(frame).partition(".")[0] == "asyncio":
            frame = frame.f_back
        if here() is not None and frame is not None and is_user_frame(frame):
            raise VirtualClockError(
                "this event loop runs in real time, because it existed before the block began; write kv.run(main()) "
                "instead of await main(), or await graph.run_async(shared)"
            )
        return wait(*args, **options)

    return refuse
