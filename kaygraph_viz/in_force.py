"""Values that are in force inside a block, and in all that is started there.

Belongs here: that a block may be left in another context than it was entered in, as an async fixture, a generator that
is closed elsewhere or an ``ExitStack`` does. Does not belong here: which values there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Generic, TypeVar

from kaygraph_viz.blocks import contextmanager

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

    @contextmanager
    def set_to(self, value: T) -> Iterator[None]:
        """Put a value in force until the end of the block."""
        block = _Block(value, self._innermost.get())
        token = self._innermost.set(block)
        try:
            yield
        finally:
            try:
                self._innermost.reset(token)
            except ValueError:  # this is another context: the one in which the block began still has its value
                block.was_left_elsewhere = True


class _Block(Generic[T]):
    __slots__ = ("outer", "value", "was_left_elsewhere")

    def __init__(self, value: T, outer: _Block[T] | None) -> None:
        self.value, self.outer = value, outer
        self.was_left_elsewhere = False
