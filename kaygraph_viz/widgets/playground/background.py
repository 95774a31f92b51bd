"""The work of a panel in the background: progress is reported while it goes on, it can be stopped, the newest counts.

Belongs here: threads, what stands for them in a browser tab, and which work runs next: a slider that moves on has no
use for what it passed. Does not belong here: widgets (``playground``), and how calls stop (``execute.cancel``).

A run has a thread of its own. A second one, the watcher, is the only thread that calls the panel, since ipywidgets
allows one thread to set traits. A browser tab has no threads: there the event loop does the run once the control that
was moved has been served, and nothing else happens meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from kaygraph_viz.base.errors import CallCancelled
from kaygraph_viz.base.machine import has_threads
from kaygraph_viz.base.threads import Event, Lock, Thread
from kaygraph_viz.execute.cancel import CancelToken, interrupt, stopping_all
from kaygraph_viz.trace.options import told_of_traces
from kaygraph_viz.trace.trace import Trace

TICK_S = 0.2
PATIENCE_S = 3.0  # for a run that was stopped and goes on
LOOKING_SHARE = 0.05  # of the watcher's time that may go into counting branches


@dataclass(frozen=True)
class Ending:
    """The end of a run: its trace or its error, and whether it was stopped."""

    returned: object = None
    error: BaseException | None = None
    trace: Trace | None = None
    was_stopped: bool = False
    is_going_on: bool = False


class BackgroundRun:
    """A run that starts when the object is made, in a thread of its own."""

    def __init__(
        self,
        work: Callable[[], object],
        tick: Callable[[int], object],
        ended: Callable[[Ending], object],
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._work, self._tick, self._ended = work, tick, ended
        self._patience_s = patience_s
        self._token = CancelToken()
        self._lock = Lock()
        self._is_inside = True  # the reader's function: from outside it nothing is interrupted
        self._stopped_at: float | None = None
        self._begun: list[Trace] = []
        self._ending: Ending | None = None
        self._is_over = Event()
        self._look_at = 0.0
        self._worker = threading.Thread(target=self._run, name="playground-run", daemon=True)
        self._watcher = Thread(target=self._watch, name="playground", daemon=True)
        self._begin()

    def _begin(self) -> None:
        self._watcher.start()

    @property
    def is_going_on(self) -> bool:
        """Whether the end has not been reported yet."""
        return self._watcher.is_alive()

    @property
    def was_stopped(self) -> bool:
        """Whether it was stopped."""
        return self._stopped_at is not None

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until the end has been reported, at most `timeout_s` [s]."""
        self._watcher.join(timeout_s)

    def stop(self) -> None:
        """Cancel the run: nothing queued starts any more. A second call interrupts the thread of the run."""
        with self._lock:
            if not self._is_inside:
                return
            is_heeded = self._token.is_in_use and self._stopped_at is None
            self._stopped_at = self._stopped_at or time.monotonic()
            self._token.cancel()
            if not is_heeded:
                interrupt(self._worker)

    def _run(self) -> None:
        returned, error = None, None
        try:
            try:
                with stopping_all(self._token), told_of_traces(self._begun.append):
                    returned = self._work()
            finally:
                with self._lock:
                    self._is_inside = False
        except BaseException as raised:  # every error of the run function must become visible
            error = raised
        was_stopped = self.was_stopped and isinstance(error, (CallCancelled, KeyboardInterrupt))
        self._ending = Ending(returned, error, self._begun[-1] if self._begun else None, was_stopped)
        self._is_over.set()

    def _watch(self) -> None:
        self._worker.start()
        while not self._is_over.wait(TICK_S):
            if self._stopped_at is not None and time.monotonic() > self._stopped_at + self._patience_s:
                break
            self._count()
        self._ended(self._ending or Ending(was_stopped=True, is_going_on=True))

    def _count(self) -> None:
        """Report how many branches have ended; counting takes at most 5% of the watching thread's time."""
        began = time.monotonic()
        if began < self._look_at or not self._begun:
            return
        self._tick(branches_of(self._begun[-1]))
        self._look_at = began + (time.monotonic() - began) / LOOKING_SHARE


def branches_of(trace: Trace) -> int:
    """Return how many branches of a run have ended, well or badly."""
    return int(trace.columns.is_kind("branch").sum())


class LoopRun(BackgroundRun):
    """A run that the event loop of the caller does as soon as it can, or `wait` before; for a place without threads."""

    def _begin(self) -> None:
        self._has_begun, self._is_told = False, False
        loop = asyncio._get_running_loop()
        if loop is not None:  # else somebody waits
            loop.call_soon(self.wait)

    @property
    def is_going_on(self) -> bool:
        """Whether the end has not been reported yet."""
        return not self._is_told

    def wait(self, timeout_s: float | None = None) -> None:
        """Do the run, unless it was begun before."""
        if self._has_begun:
            return
        self._has_begun = True
        if self.was_stopped:
            self._ending = Ending(was_stopped=True)
        else:
            self._run()
        self._is_told = True
        self._ended(self._ending or Ending(was_stopped=True))


def begun(
    work: Callable[[], object], tick: Callable[[int], object], ended: Callable[[Ending], object]
) -> BackgroundRun:
    """Return a run that has begun, or will soon: in threads where there are threads."""
    return (BackgroundRun if has_threads() else LoopRun)(work, tick, ended)


# -- the newest ------------------------------------------------------------------------------------------------------


class _Job(NamedTuple):
    work: Callable[[], object]
    tick: Callable[[int], object]
    ended: Callable[[Ending], object]


def _stopped(job: _Job) -> _Job:
    return job._replace(work=lambda: None, ended=lambda _ending: job.ended(Ending(was_stopped=True)))


class Newest:
    """One piece of work after the other; of those that wait the newest is next, and the others are dropped."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._current: BackgroundRun | None = None
        self._next: _Job | None = None
        self._is_dropped = False  # the current one

    def ask(
        self,
        work: Callable[[], object],
        tick: Callable[[int], object],
        ended: Callable[[Ending], object],
        *,
        stops: bool = False,
    ) -> None:
        """Do some work as soon as what is going on has ended."""
        with self._lock:
            job = _Job(work, tick, ended)
            if self._current is None:
                self._current = self._start(job)
            else:
                self._next, self._is_dropped = job, True
                if stops:
                    self._stop_current()

    def drop(self, *, stops: bool = False) -> None:
        """Do nothing that waits, and do not tell the end of what is going on."""
        with self._lock:
            self._next, self._is_dropped = None, True
            if stops:
                self._stop_current()

    def stop(self) -> None:
        """Stop what is going on, or what waits to begin; its end is told."""
        with self._lock:
            if self._next is not None:
                self._next = _stopped(self._next)
            self._stop_current()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is going on, for each piece of work at most `timeout_s` [s]; return whether that is so."""
        while (current := self._current) is not None:
            current.wait(timeout_s)
            if current.is_going_on:
                return False
        return True

    @property
    def is_going_on(self) -> bool:
        """Whether anything is going on."""
        return self._current is not None

    def _stop_current(self) -> None:
        if self._current is not None:
            self._current.stop()

    def _start(self, job: _Job) -> BackgroundRun:
        self._is_dropped = False
        return begun(job.work, job.tick, lambda ending: self._on_end(job, ending))

    def _on_end(self, job: _Job, ending: Ending) -> None:
        try:
            if not self._is_dropped:
                job.ended(ending)
        finally:
            with self._lock:
                following, self._next = self._next, None
                self._current = None if following is None else self._start(following)
