"""Progress of a batch: a bar on a terminal or in a notebook, or calls of a function.

Belongs here: counting outcomes on their way, and how fast they come. Does not belong here: widgets (``widgets``).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Self

from kaygraph_viz.base.checks import checked_function, refuse_if_async
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.machine import has_threads
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.retries import as_node_error

__all__ = ["Progress", "ProgressCallback", "ProgressInfo", "checked_progress", "counter", "is_shown", "tracked"]

Progress = bool | Callable[[int, int | None], None] | None
SHOW_AFTER_S = 1.0  # a bar for less than this would only flicker


@dataclass(frozen=True, slots=True)
class ProgressInfo:
    """The progress of a batch: items that have ended, and time.

    Parameters
    ----------
    done, total
        How many items have ended, and how many there are; None where that is not known.
    elapsed_s
        Time since the batch began [s].
    failed
        How many of those that have ended failed.

    Examples
    --------
    >>> print(ProgressInfo(done=30, total=40, elapsed_s=2.0, failed=1))
    30 of 40, 1 failed, 15 items/s, 0.667 s left
    """

    done: int
    total: int | None
    elapsed_s: float
    failed: int = 0

    @property
    def ok(self) -> int:
        """The number of items that ended without an error."""
        return self.done - self.failed

    @property
    def throughput_per_s(self) -> float:
        """Items a second so far; 0 before any time has passed."""
        return self.done / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def left_s(self) -> float | None:
        """Time until the end if it goes on like this [s]; None where that cannot be said."""
        if self.total is None or not self.done:
            return None
        return max(0, self.total - self.done) * self.elapsed_s / self.done

    def __str__(self) -> str:
        of_total = "" if self.total is None else f" of {self.total:,}"
        left = "" if self.left_s is None else f", {self.left_s:.3g} s left"
        failed = f", {self.failed:,} failed" if self.failed else ""
        return f"{self.done:,}{of_total}{failed}, {self.throughput_per_s:.3g} items/s{left}"


class ProgressCallback:
    """A value of `progress` for a function that gets the throughput and the time left.

    Parameters
    ----------
    report
        Called with a `ProgressInfo` for each item that has ended.

    Raises
    ------
    OptionError
        If it is not a function.

    Examples
    --------
    >>> from kaygraph_viz.testing import FakeClock
    >>> from kaygraph_viz.clock.clock import use_clock
    >>> with use_clock(FakeClock()) as clock, counter(ProgressCallback(print), 4, "orders") as count:
    ...     clock.advance(0.5)
    ...     count()
    1 of 4, 2 items/s, 1.5 s left
    """

    def __init__(self, report: Callable[[ProgressInfo], object]) -> None:
        example = "progress=ProgressCallback(print)"
        self.report = checked_function("ProgressCallback(report)", report, "a function of a ProgressInfo", example)
        self._begun_ns = 0

    def begun(self) -> ProgressCallback:
        """Return a copy for a batch that begins now: one node may run several at once."""
        timed = ProgressCallback(self.report)
        timed._start()
        return timed

    def _start(self) -> None:
        self._begun_ns = current_clock().now_ns()

    def __call__(self, done: int, total: int | None, failed: int = 0) -> None:
        """Report the progress; called as any other function of progress."""
        elapsed_s = (current_clock().now_ns() - self._begun_ns) / 1e9
        refuse_if_async(self.report(ProgressInfo(done, total, elapsed_s, failed)), "the function of progress")

    def ended(self) -> None:
        """Do nothing; called when the batch has ended, also with an error, for classes that extend this one."""


def checked_progress(progress: Progress) -> Progress:
    """Return `progress` if it is None, a bool or a function, else raise `OptionError`."""
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise OptionError("progress", progress, "None, True, False or a function of (done, total)", "progress=True")
    return progress


@contextmanager
def counter(progress: Progress, total: int | None, name: str) -> Iterator[Callable[..., object]]:
    """Yield a function to call for each outcome, with ``False`` for a failed one, which shows the progress."""
    if not is_shown(progress):
        yield _nothing
    elif isinstance(progress, ProgressCallback):
        with _Tally(progress.begun(), total) as tally:
            yield partial(_told, name, tally)
    elif callable(progress):
        report, done = progress, itertools.count(1)
        yield partial(_told, name, lambda _ok: report(next(done), total))
    else:
        from tqdm.auto import tqdm

        if not has_threads():
            tqdm.monitor_interval = 0  # else it starts a thread

        delay = 0 if progress else SHOW_AFTER_S
        with closing(tqdm(desc=one_line(name), total=total, delay=delay, unit=" items", leave=False)) as bar:
            yield lambda _ok=True: bar.update()


class _Tally:
    """Counts ended and failed items; outcomes of one batch are counted by one thread."""

    def __init__(self, timed: ProgressCallback, total: int | None) -> None:
        self._timed, self._total = timed, total
        self._done = self._failed = 0

    def __call__(self, ok: bool = True) -> None:
        self._done += 1
        self._failed += not ok
        self._timed(self._done, self._total, self._failed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._timed.ended()


def tracked(outcomes: Iterable[Outcome], progress: Progress, total: int | None, name: str) -> Iterable[Outcome]:
    """Return the outcomes; reading them shows the progress, as for `counter`."""
    return _counted(outcomes, progress, total, name) if is_shown(progress) else outcomes


def _counted(outcomes: Iterable[Outcome], progress: Progress, total: int | None, name: str) -> Iterator[Outcome]:
    with counter(progress, total, name) as count:
        for outcome in outcomes:
            count(outcome.ok)
            yield outcome


def is_shown(progress: Progress) -> bool:
    """Return whether progress is to be shown: it is asked for, or the output is a terminal."""
    is_on_terminal = sys.stderr is not None and sys.stderr.isatty()
    return progress is True or callable(progress) or (progress is None and is_on_terminal)


def _told(name: str, count: Callable[[bool], object], ok: bool = True) -> None:
    """Count an outcome by a function of the user's; what it raises becomes an error of the batch."""
    where = f"progress of {name!r}"
    try:
        refuse_if_async(count(ok), where)
    except BaseException as raised:
        raise as_node_error(raised, where)


def _nothing(ok: bool = True) -> None:
    """Do nothing: no progress is shown."""
