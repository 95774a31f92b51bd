"""Showing how far a batch is: a bar where somebody looks, nothing where nobody does.

Belongs here: counting outcomes on their way. Does not belong here: widgets (``widgets``).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager

from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.outcome import Outcome

__all__ = ["Progress", "checked_progress", "counter", "is_shown", "tracked"]

Progress = bool | Callable[[int, int | None], None] | None
SHOW_AFTER_S = 1.0  # a bar for less than this would only flicker


def checked_progress(progress: Progress) -> Progress:
    """Return `progress` if it is None, a bool or a function, else raise `OptionError`."""
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise OptionError("progress", progress, "None, True, False or a function of (done, total)", "progress=True")
    return progress


@contextmanager
def counter(progress: Progress, total: int | None, name: str) -> Iterator[Callable[[], object]]:
    """Give a function to call for each outcome, which shows how far they are.

    Parameters
    ----------
    progress
        True for a bar; None for one where the output is a terminal and the work takes over a second; False for none;
        a function is called with the number of outcomes so far and the total (or None).
    total
        How many there will be, or None where nobody knows.
    name
        What the bar is called.
    """
    if not is_shown(progress):
        yield _nothing
    elif callable(progress):
        report, done = progress, itertools.count(1)
        yield lambda: report(next(done), total)
    else:
        from tqdm.auto import tqdm

        delay = 0 if progress else SHOW_AFTER_S
        with closing(tqdm(desc=name, total=total, delay=delay, unit=" items", leave=False)) as bar:
            yield bar.update


def tracked(outcomes: Iterable[Outcome], progress: Progress, total: int | None, name: str) -> Iterable[Outcome]:
    """Return the outcomes; reading them shows how far they are, as for `counter`."""
    return _counted(outcomes, progress, total, name) if is_shown(progress) else outcomes


def _counted(outcomes: Iterable[Outcome], progress: Progress, total: int | None, name: str) -> Iterator[Outcome]:
    with counter(progress, total, name) as count:
        for outcome in outcomes:
            count()
            yield outcome


def is_shown(progress: Progress) -> bool:
    """Return whether anybody would see how far a batch is."""
    return bool(progress) or (progress is None and sys.stderr is not None and sys.stderr.isatty())


def _nothing() -> None:
    """Count for nobody."""
