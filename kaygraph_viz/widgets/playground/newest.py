"""Work in the background of which only the newest counts: a slider that moves on has no use for what it passed.

Belongs here: which work runs next, and whose end is told. Does not belong here: threads (``background``), and what the
work is (``playground``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kaygraph_viz.real_threads import Lock
from kaygraph_viz.widgets.playground.background import BackgroundRun, Ending, begun

__all__ = ["Newest"]


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
