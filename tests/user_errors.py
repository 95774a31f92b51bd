"""Errors of every kind that user code may raise, for tests of where they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class OwnInterrupt(BaseException):
    """A subclass of the user's own, which nothing of Python's knows."""


def refuse(*_: Any, **__: Any) -> Any:
    raise LookupError("a method of the error itself")


def leave(*_: Any, **__: Any) -> Any:
    raise SystemExit(3)


class NoText(Exception):
    __str__ = __repr__ = refuse


class LeavesInText(Exception):
    __str__ = __repr__ = leave


class TextIsNumber(Exception):
    __str__ = __repr__ = lambda _: 7  # type: ignore[assignment]


class NotComparable(Exception):
    __eq__ = __ne__ = __bool__ = __len__ = refuse
    __hash__ = refuse  # type: ignore[assignment]


class IsFalse(Exception):
    def __len__(self) -> int:
        return 0


class NotPicklable(Exception):
    __reduce__ = __reduce_ex__ = __getstate__ = refuse


class LeavesInPickle(Exception):
    __reduce__ = __reduce_ex__ = __getstate__ = leave


class NotLoadable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} {two}")


class TakesNoNote(Exception):
    add_note = leave


class Unchangeable(Exception):
    __setattr__ = __delattr__ = refuse


ERRORS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("bad"),
    "StopIteration": StopIteration,
    "StopIteration with a value": lambda: StopIteration("value"),
    "StopAsyncIteration": StopAsyncIteration,
    "GeneratorExit": GeneratorExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(2),
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "ExceptionGroup": lambda: ExceptionGroup("several", [StopIteration(), ValueError("bad")]),
    "BaseExceptionGroup": lambda: BaseExceptionGroup("several", [SystemExit(2), KeyboardInterrupt()]),
    "CancelledError": asyncio.CancelledError,
    "TimeoutError": TimeoutError,
    "own BaseException": OwnInterrupt,
    "without a text": NoText,
    "leaves in its text": LeavesInText,
    "text is a number": TextIsNumber,
    "not comparable": NotComparable,
    "is false": IsFalse,
    "not picklable": NotPicklable,
    "leaves while pickled": LeavesInPickle,
    "not loadable": lambda: NotLoadable(1, 2),
    "takes no note": TakesNoNote,
    "unchangeable": Unchangeable,
}


class Raises:
    """A function that raises an error whatever it gets; a class, so that it can be sent to processes."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, *_: Any) -> Any:
        raise self.error

    async def later(self, *_: Any) -> Any:
        """Raise it in a coroutine that has waited."""
        await asyncio.sleep(0)
        raise self.error
