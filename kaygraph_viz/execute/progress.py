"""Showing how far a batch is: a bar where somebody looks, nothing where nobody does.

Belongs here: counting outcomes on their way, and how fast they come. Does not belong here: widgets (``widgets``).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Self

from kaygraph_viz.checks import checked_function
from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.core.outcome import Outcome

__all__ = ["Progress", "ProgressCallback", "ProgressInfo", "checked_progress", "counter", "is_shown", "tracked"]

Progress = bool | Callable[[int, int | None], None] | None
SHOW_AFTER_S = 1.0  # a bar for less than this would only flicker


@dataclass(frozen=True, slots=True)
class ProgressInfo:
    """How far a batch is, and how fast it gets on.

    Parameters
    ----------
    done, total
        How many items have ended, and how many there are; None where nobody knows.
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
        """How many have ended well."""
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
    """What to give as `progress` for a function that wants to know the throughput and the time left.

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
    >>> from kaygraph_viz.clock import use_clock
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
        """Return the same for a batch that begins now: one node may run several at once."""
        paced = ProgressCallback(self.report)
        paced._start()
        return paced

    def _start(self) -> None:
        self._begun_ns = current_clock().now_ns()

    def __call__(self, done: int, total: int | None, failed: int = 0) -> None:
        """Report how far it is; called as any other function of progress."""
        self.report(ProgressInfo(done, total, (current_clock().now_ns() - self._begun_ns) / 1e9, failed))

    def ended(self) -> None:
        """Do what is to be done when the batch has ended, well or badly: nothing, here."""


def checked_progress(progress: Progress) -> Progress:
    """Return `progress` if it is None, a bool or a function, else raise `OptionError`."""
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise OptionError("progress", progress, "None, True, False or a function of (done, total)", "progress=True")
    return progress


@contextmanager
def counter(progress: Progress, total: int | None, name: str) -> Iterator[Callable[..., object]]:
    """Give a function to call for each outcome, with ``False`` where it is a failed one, which shows how far they are.

    Parameters
    ----------
    progress
        True for a bar; None for one where the output is a terminal and the work takes over a second; False for none;
        a function is called with the number of outcomes so far and the total (or None); a
        `ProgressCallback` gets a `ProgressInfo`.
    total
        How many there will be, or None where nobody knows.
    name
        What the bar is called.
    """
    if not is_shown(progress):
        yield _nothing
    elif isinstance(progress, ProgressCallback):
        with _Tally(progress.begun(), total) as tally:
            yield tally
    elif callable(progress):
        report, done = progress, itertools.count(1)
        yield lambda _ok=True: report(next(done), total)
    else:
        from tqdm.auto import tqdm

        delay = 0 if progress else SHOW_AFTER_S
        with closing(tqdm(desc=name, total=total, delay=delay, unit=" items", leave=False)) as bar:
            yield lambda _ok=True: bar.update()


class _Tally:
    """Counts what has ended, well or badly; outcomes of one batch are counted by one thread."""

    def __init__(self, paced: ProgressCallback, total: int | None) -> None:
        self._paced, self._total = paced, total
        self._done = self._failed = 0

    def __call__(self, ok: bool = True) -> None:
        self._done += 1
        self._failed += not ok
        self._paced(self._done, self._total, self._failed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._paced.ended()


def tracked(outcomes: Iterable[Outcome], progress: Progress, total: int | None, name: str) -> Iterable[Outcome]:
    """Return the outcomes; reading them shows how far they are, as for `counter`."""
    return _counted(outcomes, progress, total, name) if is_shown(progress) else outcomes


def _counted(outcomes: Iterable[Outcome], progress: Progress, total: int | None, name: str) -> Iterator[Outcome]:
    with counter(progress, total, name) as count:
        for outcome in outcomes:
            count(outcome.ok)
            yield outcome


def is_shown(progress: Progress) -> bool:
    """Return whether anybody would see how far a batch is."""
    return bool(progress) or (progress is None and sys.stderr is not None and sys.stderr.isatty())


def _nothing(ok: bool = True) -> None:
    """Count for nobody."""
