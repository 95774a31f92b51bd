"""``with`` blocks written as generators, which leave every error as it is.

Belongs here: the decorator. Does not belong here: the blocks.

The one of ``contextlib`` sets an attribute of each error that passes. An error that refuses this, such as one of a
frozen dataclass, would be replaced by the refusal, and code of the user's would not get its own error.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

__all__ = ["contextmanager"]

P = ParamSpec("P")
T = TypeVar("T")


def contextmanager(function: Callable[P, Iterator[T]]) -> Callable[P, AbstractContextManager[T]]:
    """Make a function for ``with`` blocks of a generator that yields once, as ``contextlib.contextmanager`` does."""

    @wraps(function)
    def block(*args: P.args, **kwargs: P.kwargs) -> AbstractContextManager[T]:
        return _Block(cast("Generator[T, Any, Any]", function(*args, **kwargs)))

    return block


class _Block(AbstractContextManager[T]):
    __slots__ = ("_steps",)

    def __init__(self, steps: Generator[T, Any, Any]) -> None:
        self._steps = steps

    def __enter__(self) -> T:
        return next(self._steps)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            next(self._steps, None)
            return False
        try:
            self._steps.throw(error)
        except BaseException as raised:
            if raised is error or (isinstance(error, StopIteration) and raised.__cause__ is error):
                BaseException.with_traceback(error, traceback)  # without the lines of the generator
                return False
            if isinstance(raised, StopIteration):  # it has swallowed the error
                return True
            raise
        raise RuntimeError("the generator of a with block yields more than once")
