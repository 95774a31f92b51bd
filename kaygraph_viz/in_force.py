"""Values that are in force inside a block, and in all that is started there.

Belongs here: that a block may be left in another context than it was entered in, as an async fixture, a generator that
is closed elsewhere or an ``ExitStack`` does. Does not belong here: which values there are.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Generic, TypeVar

__all__ = ["InForce"]

T = TypeVar("T")


class InForce(Generic[T]):
    """A context variable that is set for a block.

    Parameters
    ----------
    name
        Its name, for debugging.
    default
        Its value where no block is.

    Examples
    --------
    >>> colour = InForce("colour", "grey")
    >>> with colour.set_to("red"):
    ...     colour.get()
    'red'
    >>> colour.get()
    'grey'
    """

    def __init__(self, name: str, default: T) -> None:
        self._innermost: ContextVar[_Block[T] | None] = ContextVar(name, default=None)
        self._default = default

    def get(self) -> T:
        """Return the value of the innermost block around the caller."""
        block = self._innermost.get()
        while block is not None and block.was_left_elsewhere:
            block = block.outer
        return self._default if block is None else block.value

    def set_to(self, value: T) -> _Block[T]:
        """Return a block in which a value is in force."""
        return _Block(self._innermost, value)


class _Block(Generic[T]):
    __slots__ = ("_innermost", "_token", "outer", "value", "was_left_elsewhere")

    def __init__(self, innermost: ContextVar[_Block[T] | None], value: T) -> None:
        self._innermost, self.value = innermost, value
        self.outer: _Block[T] | None = None
        self.was_left_elsewhere = False

    def __enter__(self) -> None:
        self.outer = self._innermost.get()
        self._token = self._innermost.set(self)

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._innermost.reset(self._token)
        except ValueError:  # this is another context: the one in which the block began still has its value
            self.was_left_elsewhere = True
