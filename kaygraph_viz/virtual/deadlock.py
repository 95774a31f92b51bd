"""Deadlocks: who waits for whom, and the error that says so.

Belongs here: what is held by a thread while others wait for it, and finding the circle. Does not belong here: noticing
that nobody can go on (``scheduler``), and the lines that threads are in (``places``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from types import CodeType
from typing import Any, TypeVar

from kaygraph_viz.errors import DeadlockError, Wait
from kaygraph_viz.virtual.fiber import Fiber
from kaygraph_viz.virtual.places import Line, caller_of, line_of, place_of

__all__ = ["Hold", "InnerWaits", "circle_of", "deadlock"]

MOST_NAMED = 8  # waits in one message

T = TypeVar("T")


class Hold:
    """Something that one thread holds, and others may wait for."""

    def __init__(self, what: str = "a lock") -> None:
        self.what = what
        self.holder: Any = None  # a fiber, or a task of asyncio
        self._taken: tuple[CodeType, int] | None = None

    def take(self, holder: object) -> None:
        """Note who holds it from now on, and where user code asked for it."""
        self.holder, self._taken = holder, caller_of(sys._getframe(1))

    @property
    def since(self) -> Line | None:
        """The line of user code that asked for it."""
        return None if self._taken is None else Line(*self._taken)

    def __str__(self) -> str:
        return self.what


class InnerWaits:
    """What a fiber waits for if several of its own parts wait: its coroutines."""

    def circle(self) -> list[Wait]:
        """Return the waits of parts that wait for each other; empty if there are none."""
        raise NotImplementedError


def deadlock(fibers: Iterable[Fiber]) -> DeadlockError:
    """Return the error for fibers that all wait."""
    waiting = list(fibers)
    circle = circle_of(waiting, _holder)
    others = [_wait_of(fiber) for fiber in waiting if fiber not in circle][:MOST_NAMED]
    inner = (fiber.waits_for.circle() for fiber in waiting if isinstance(fiber.waits_for, InnerWaits))
    return DeadlockError([_wait_of(fiber) for fiber in circle] or next(filter(None, inner), []), others)


def circle_of(waiting: Sequence[T], holder: Callable[[T], T | None]) -> list[T]:
    """Return those that wait each for the next one, and the last for the first; empty if there are none."""
    for first in waiting:
        path = [first]
        while (following := holder(path[-1])) is not None and following not in path:
            path.append(following)
        if following == first:
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
