"""What carries the fibers of a schedule: a real thread for each, or all of them in the one thread that there is.

Belongs here: the interface, real threads, fibers that share a thread, and which way is in use. Does not belong here:
who has the turn (``scheduler``).

Where there is one thread, as in a browser tab, all that it takes is to leave a stack of calls and to start one:
`OneThread._leave` and `OneThread._launch`. What Python keeps for each thread is exchanged here where a fiber waits: its
number, data of threads, the running event loop and its task, and the hooks of async generators. In a browser tab a
stack of calls is left by waiting for a promise of JavaScript: where the browser has JavaScript Promise Integration, a
function of WebAssembly can do that, and others go on meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import threading
from _thread import LockType, allocate_lock
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context
from functools import partial
from time import monotonic
from types import FrameType
from typing import Any, TypeVar

from kaygraph_viz.base.errors import PlatformError
from kaygraph_viz.base.machine import has_threads
from kaygraph_viz.base.parts import contextmanager, exchanged

__all__ = ["OneThread", "RealThreads", "carried_by", "carrier"]

STEP_S = 0.01
_join, _is_alive = threading.Thread.join, threading.Thread.is_alive
T = TypeVar("T")
MOST_STEPS = 1000  # in which a fiber that is to end may still go on
_numbers = itertools.count(1)
_threading: Any = threading  # with what is not public
_real_ident = threading.get_ident
# Where a thread of Python 3.13 and later keeps what it knows of the one that the system has started for it.
_HANDLE = next((name for name in ("_os_thread_handle", "_handle") if hasattr(threading.main_thread(), name)), None)
BROWSERS = "Chrome 137, Firefox 153, Safari 27 and newer have it"
_LAUNCH = "(run) => { Promise.resolve().then(() => run.callPromising()).finally(() => run.destroy()); }"


def stack_of(frame: FrameType | None) -> list[FrameType]:
    """Return a frame and those that wait for it, innermost first."""
    frames = list[FrameType]()
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


class RealThreads:
    """Each fiber is a real thread that blocks on a real lock until it has the turn."""

    is_watched = True  # a watchdog can run beside the fibers

    def turn(self) -> LockType:
        """Return the turn of a new fiber, which does not have it."""
        turn = allocate_lock()
        turn.acquire()
        return turn

    def start(self, thread: threading.Thread) -> None:
        """Start a thread."""
        thread.start()

    def join(self, thread: threading.Thread, seconds: float) -> None:
        """Wait until a thread has ended, no longer than `seconds` [s of real time]."""
        until = monotonic() + seconds
        while _is_alive(thread) and monotonic() < until:
            _join(thread, STEP_S)

    def frames_of(self, thread: threading.Thread, turn: Any) -> list[FrameType]:
        """Return the frames of a fiber, innermost first."""
        is_collecting = gc.isenabled()
        gc.disable()  # in Python 3.11 a collection just then can hang (python/cpython#106883)
        try:
            frame = None if thread.ident is None else sys._current_frames().get(thread.ident)
        finally:
            if is_collecting:
                gc.enable()
        return stack_of(frame)

    def block(self) -> AbstractContextManager[None]:
        """Return the block in which fibers are carried: there is nothing to prepare."""
        return nullcontext()


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
            if thread.ident not in _threading._active:
                break
            moment = self.turn()
            self._launch(moment.release)
            moment.acquire()

    def frames_of(self, thread: threading.Thread, turn: Any) -> list[FrameType]:
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
    before: Any = asyncio._get_running_loop()
    task = None if before is None else asyncio.current_task(before)
    if task is not None:
        asyncio.tasks._leave_task(before, task)
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(before)
        if task is not None:
            asyncio.tasks._enter_task(before, task)


def _run(main: Coroutine[Any, Any, T], **options: Any) -> T:
    """Do what `asyncio.run` does, also inside the loop of a browser tab, which runs always."""
    with _running(None):
        return asyncio.runners.run(main, **options)


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
    _threading._active[ident] = thread
    thread._ident = ident
    if _HANDLE is not None:
        setattr(thread, _HANDLE, _Handle(ident))
    else:
        thread._tstate_lock = allocate_lock()
        thread._tstate_lock.acquire()
    thread._started.set()


def _mark_as_ended(thread: Any, ident: int) -> None:
    """Make a thread one that has ended."""
    _threading._active.pop(ident, None)
    if _HANDLE is not None:
        getattr(thread, _HANDLE)._set_done()
    else:
        thread._tstate_lock, thread._is_stopped = None, True


class Promises(OneThread):
    """Carries all fibers in the thread of a browser tab, by the interface of Pyodide."""

    def __init__(self) -> None:
        super().__init__()
        from pyodide.code import run_js  # which Python has in a browser tab

        self._start: Callable[[Any], None] = run_js(_LAUNCH)

    def _leave(self, turn: OneThreadTurn) -> None:
        from pyodide.ffi import run_sync

        # A future of the loop, which is a promise already: a new promise would need a task of its own.
        future = asyncio.get_running_loop().create_future()
        turn.resume = partial(future.set_result, None)
        run_sync(future)

    def _launch(self, run: Callable[[], object]) -> None:
        from pyodide.ffi import can_run_sync, create_proxy

        if not can_run_sync():
            raise PlatformError(
                "several workers in a browser tab need JavaScript Promise Integration, which is missing here; "
                f"{BROWSERS}; or install Python and this package"
            )
        self._start(create_proxy(run))


Carrier = RealThreads | OneThread

_in_use: list[Carrier] = []


def carrier() -> Carrier:
    """Return what carries fibers here: real threads where there are threads."""
    if not _in_use:
        _in_use.append(RealThreads() if has_threads() else Promises())
    return _in_use[-1]


@contextmanager
def carried_by(other: Carrier) -> Iterator[None]:
    """Carry fibers in another way in the schedules that begin inside the block."""
    _in_use.append(other)
    try:
        yield
    finally:
        _in_use.remove(other)
