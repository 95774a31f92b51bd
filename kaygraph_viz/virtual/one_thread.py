"""All fibers of a schedule in one thread, for places that have no other, such as a browser tab.

Belongs here: what changes with the fiber, so that each one seems to have a thread of its own. Does not belong here:
how one stack of calls is left and another one resumed (``promises``).

To leave a stack of calls and to start one is all that it takes: `OneThread._leave` and `OneThread._launch`. What Python
keeps for each thread is exchanged here where a fiber waits: its number, data of threads, the running event loop and its
task, and the hooks of async generators.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
from _thread import allocate_lock
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from functools import partial
from types import FrameType
from typing import Any, TypeVar

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.thread_data import exchanged
from kaygraph_viz.virtual.stacks import stack_of

__all__ = ["OneThread", "OneThreadTurn"]

T = TypeVar("T")
MOST_STEPS = 1000  # in which a fiber that is to end may still go on
_numbers = itertools.count(1)
_real_ident = threading.get_ident


class OneThreadTurn:
    """The turn of a fiber that shares its thread."""

    def __init__(self, carrier: OneThread) -> None:
        self._carrier = carrier
        self._is_given = False
        self.frames: list[FrameType] = []  # of the fiber that waits for it, innermost first
        self.resume: Callable[[], object] | None = None  # makes the fiber go on once the running one waits

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Wait for the turn, however long it takes, and take it; return whether it was taken."""
        while blocking and not self._is_given:
            self._carrier.wait(self, sys._getframe(1))
        is_taken, self._is_given = self._is_given, False
        return is_taken

    def release(self) -> None:
        """Give the turn."""
        self._is_given = True
        resume, self.resume = self.resume, None
        if resume is not None:
            resume()


class OneThread(ABC):
    """Carries all fibers in the thread that runs the block."""

    is_watched = False

    def __init__(self) -> None:
        self._ident = self._home = 0  # of the running fiber; of the thread
        self._blocks = 0
        self._outer_loop: asyncio.AbstractEventLoop | None = None  # the one around the block, which may go on meanwhile
        self._outer_run = asyncio.run

    @abstractmethod
    def _leave(self, turn: OneThreadTurn) -> None:
        """Leave the stack of calls until ``turn.resume``, which has to be set here, was called."""

    @abstractmethod
    def _launch(self, run: Callable[[], object]) -> None:
        """Call a function on a stack of its own, once the running fiber waits."""

    def turn(self) -> OneThreadTurn:
        """Return the turn of a new fiber, which does not have it."""
        return OneThreadTurn(self)

    def start(self, thread: threading.Thread) -> None:
        """Start what a thread runs, as a fiber."""
        ident = self._home + next(_numbers)
        self._launch(partial(self._run, thread, ident))
        _mark_as_begun(thread, ident)

    def _run(self, thread: threading.Thread, ident: int) -> None:
        self._ident = ident
        asyncio._set_running_loop(None)
        try:
            Context().run(thread.run)
        except SystemExit:
            pass
        except BaseException:
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), thread)))
        finally:
            _mark_as_ended(thread, ident)
            exchanged([])
            asyncio._set_running_loop(self._outer_loop)
            self._ident = self._home

    def join(self, thread: threading.Thread, seconds: float) -> None:
        """Let other fibers go on until one has ended; no longer than `MOST_STEPS`, whatever time that takes."""
        for _ in range(MOST_STEPS):
            if thread.ident not in threading._active:  # type: ignore[attr-defined]  # not public
                break
            moment = self.turn()
            self._launch(moment.release)
            moment.acquire()

    def frames_of(self, thread: threading.Thread, turn: OneThreadTurn) -> list[FrameType]:
        """Return the frames of a fiber, innermost first."""
        return turn.frames if threading.current_thread() is not thread else stack_of(sys._getframe(1))

    @contextmanager
    def block(self) -> Iterator[None]:
        """Give each fiber a number of its own, by which Python tells threads, and loops of its own."""
        if not self._blocks:
            self._home = self._ident = _real_ident()
            self._outer_loop = asyncio._get_running_loop()
            self._outer_run = asyncio.run
            threading.get_ident, asyncio.run = self._get_ident, _run
        self._blocks += 1
        try:
            yield
        finally:
            self._blocks -= 1
            if not self._blocks:
                threading.get_ident, asyncio.run = _real_ident, self._outer_run

    def _get_ident(self) -> int:
        real = _real_ident()
        return self._ident if real == self._home else real

    def wait(self, turn: OneThreadTurn, frame: FrameType) -> None:
        """Let other fibers go on until one has given the turn."""
        ident, hooks = self._ident, sys.get_asyncgen_hooks()
        held, turn.frames = exchanged([]), stack_of(frame)
        try:
            with _running(self._outer_loop):
                self._leave(turn)
        finally:
            exchanged(held)
            sys.set_asyncgen_hooks(*hooks)
            self._ident, turn.frames = ident, []


@contextmanager
def _running(loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """Make another event loop, or none, the running one while the block runs."""
    before = asyncio._get_running_loop()
    task = None if before is None else asyncio.current_task(before)
    if task is not None:
        asyncio.tasks._leave_task(before, task)  # type: ignore[arg-type]
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(before)
        if task is not None:
            asyncio.tasks._enter_task(before, task)  # type: ignore[arg-type]


def _run(main: Coroutine[Any, Any, T], **options: Any) -> T:
    """Do what `asyncio.run` does, also inside the loop of a browser tab, which runs always."""
    with _running(None):
        return asyncio.runners.run(main, **options)


# Where a thread of Python 3.13 and later keeps what it knows of the one that the system has started for it.
_HANDLE = next((name for name in ("_os_thread_handle", "_handle") if hasattr(threading.main_thread(), name)), None)


class _Handle:
    """What a thread keeps there."""

    def __init__(self, ident: int) -> None:
        self.ident = ident
        self._is_over = False

    def is_done(self) -> bool:
        return self._is_over

    def join(self, timeout: float | None = None) -> None:
        pass

    def _set_done(self) -> None:
        self._is_over = True


def _mark_as_begun(thread: Any, ident: int) -> None:
    """Make a thread one that has begun, for all that `threading` says of it."""
    threading._active[ident] = thread  # type: ignore[attr-defined]  # not public
    thread._ident = ident
    if _HANDLE is not None:
        setattr(thread, _HANDLE, _Handle(ident))
    else:
        thread._tstate_lock = allocate_lock()
        thread._tstate_lock.acquire()
    thread._started.set()


def _mark_as_ended(thread: Any, ident: int) -> None:
    """Make a thread one that has ended."""
    threading._active.pop(ident, None)  # type: ignore[attr-defined]  # not public
    if _HANDLE is not None:
        getattr(thread, _HANDLE)._set_done()
    else:
        thread._tstate_lock, thread._is_stopped = None, True
