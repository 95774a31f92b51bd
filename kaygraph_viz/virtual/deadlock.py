"""Deadlocks: who waits for whom, and the error that says so.

Belongs here: what is held by a thread while others wait for it, and finding the circle. Does not belong here: noticing
that nobody can go on (``scheduler``), and the lines that threads are in (``places``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import CodeType

from kaygraph_viz.errors import DeadlockError, Wait
from kaygraph_viz.virtual.fiber import Fiber
from kaygraph_viz.virtual.places import Line, caller_of, line_of, place_of

__all__ = ["Hold", "deadlock"]

MOST_NAMED = 8  # waits in one message


class Hold:
    """Something that one thread holds, and others may wait for.

    Parameters
    ----------
    what
        Its name in messages.
    """

    def __init__(self, what: str = "a lock") -> None:
        self.what = what
        self.holder: Fiber | None = None
        self._taken: tuple[CodeType, int] | None = None

    def take(self, holder: Fiber | None) -> None:
        """Note who holds it from now on, and where user code asked for it."""
        self.holder, self._taken = holder, caller_of(sys._getframe(1))

    @property
    def since(self) -> Line | None:
        """The line of user code that asked for it."""
        return None if self._taken is None else Line(*self._taken)

    def __str__(self) -> str:
        return self.what


def deadlock(fibers: Iterable[Fiber]) -> DeadlockError:
    """Return the error for fibers that all wait."""
    waiting = list(fibers)
    circle = _circle(waiting)
    others = [fiber for fiber in waiting if fiber not in circle]
    return DeadlockError([_wait_of(fiber) for fiber in circle], [_wait_of(each) for each in others[:MOST_NAMED]])


def _circle(fibers: list[Fiber]) -> list[Fiber]:
    """Return fibers that wait each for the next one, and the last for the first; empty if there are none."""
    for first in fibers:
        path = [first]
        while (following := _holder(path[-1])) is not None and following not in path:
            path.append(following)
        if following is first:
            return path
    return []


def _holder(fiber: Fiber) -> Fiber | None:
    """Return the fiber that holds what a fiber waits for."""
    return fiber.waits_for.holder if isinstance(fiber.waits_for, Hold) else None


def _wait_of(fiber: Fiber) -> Wait:
    hold, line = fiber.waits_for, line_of(fiber)
    what = (fiber.name, place_of(fiber), _text(line), str(hold or "its turn"))
    if not isinstance(hold, Hold) or hold.holder is None:
        return Wait(*what)
    held_by = hold.holder.name + (", which has ended," if hold.holder.is_over else "")
    return Wait(*what, held_by, str(hold.since or ""), _text(hold.since))


def _text(line: Line | None) -> str:
    return "" if line is None else line.text
