"""Values that are in force inside a block, and in all that is started there.

Belongs here: that a block may be left in another context than it was entered in, as an async fixture, a generator that
is closed elsewhere or an ``ExitStack`` does, and before one that began inside it. Does not belong here: which values
there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Generic, TypeVar

from kaygraph_viz.blocks import contextmanager

__all__ = ["InForce"]

T = TypeVar("T")


class InForce(Generic[T]):
    """A context variable that is set for a block."""

    def __init__(self, name: str, default: T) -> None:
        self._innermost: ContextVar[_Block[T] | None] = ContextVar(name, default=None)
        self._default = default

    def get(self) -> T:
        """Return the value of the innermost block around the caller."""
        block = self._innermost.get()
        if block is not None and block.was_left_elsewhere:
            block = block.around()
        return self._default if block is None else block.value

    @contextmanager
    def set_to(self, value: T) -> Iterator[None]:
        """Put a value in force until the end of the block."""
        block = _Block(value, self._innermost.get())
        token = self._innermost.set(block)
        try:
            yield
        finally:
            block.is_over, innermost = True, self._innermost.get()
            try:
                self._innermost.reset(token)
            except ValueError:  # this is another context: the one in which the block began still has its value
                block.was_left_elsewhere = True
            else:  # a block that began inside it goes on, one around it may have been left before
                self._innermost.set(block.around() if innermost is block else innermost)


class _Block(Generic[T]):
    __slots__ = ("is_over", "outer", "value", "was_left_elsewhere")

    def __init__(self, value: T, outer: _Block[T] | None) -> None:
        self.value, self.outer = value, outer
        self.is_over = self.was_left_elsewhere = False

    def around(self) -> _Block[T] | None:
        """Return the innermost block around it that goes on."""
        block = self.outer
        while block is not None and block.is_over:
            block = block.outer
        return block
