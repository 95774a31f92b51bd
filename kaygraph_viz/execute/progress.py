"""Showing how far a batch is: a bar where somebody looks, nothing where nobody does.

Belongs here: counting outcomes on their way. Does not belong here: widgets (``widgets``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.outcome import Outcome

__all__ = ["Progress", "checked_progress", "tracked"]

Progress = bool | Callable[[int, int | None], None] | None
SHOW_AFTER_S = 1.0  # a bar for less than this would only flicker


def checked_progress(progress: Progress) -> Progress:
    """Return `progress` if it is None, a bool or a function, else raise `OptionError`."""
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise OptionError("progress", progress, "None, True, False or a function of (done, total)", "progress=True")
    return progress


def tracked(outcomes: Iterable[Outcome], progress: Progress, total: int | None, name: str) -> Iterable[Outcome]:
    """Return the outcomes; reading them shows how far they are.

    Parameters
    ----------
    outcomes
        What is counted.
    progress
        True for a bar; None for one where the output is a terminal and the work takes over a second; False for none;
        a function is called with the number of outcomes so far and the total (or None).
    total
        How many there will be, or None where nobody knows.
    name
        What the bar is called.
    """
    if progress is False or (progress is None and not (sys.stderr and sys.stderr.isatty())):
        return outcomes
    if callable(progress):
        return _reported(outcomes, progress, total)
    from tqdm.auto import tqdm

    return tqdm(outcomes, desc=name, total=total, delay=0 if progress else SHOW_AFTER_S, unit=" items", leave=False)


def _reported(
    outcomes: Iterable[Outcome], report: Callable[[int, int | None], None], total: int | None
) -> Iterator[Outcome]:
    for done, outcome in enumerate(outcomes, 1):
        report(done, total)
        yield outcome
