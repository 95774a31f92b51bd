"""Functions of a library that record themselves: something is opened before, and ended after them.

Belongs here: the wrapper of plain functions and of coroutines. Does not belong here: what is opened (the module of each
library).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from kaygraph_viz.capture.calls import without_our_frames

__all__ = ["Opened", "around"]

Opened = Callable[[BaseException | None], None]  # ends what was opened, given the error if there was one


def around(opened: Callable[..., Opened | None]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes a method record itself: `opened` is called with its arguments, what it returns at the end."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def method(*args: Any, **kwargs: Any) -> Any:
            with _Ending(opened(*args, **kwargs)):
                return original(*args, **kwargs)

        async def method_async(*args: Any, **kwargs: Any) -> Any:
            with _Ending(opened(*args, **kwargs)):
                return await original(*args, **kwargs)

        return method_async if inspect.iscoroutinefunction(original) else method

    return make


class _Ending:
    """A block that ends what was opened, and passes errors on without our frame."""

    __slots__ = ("_end",)

    def __init__(self, end: Opened | None) -> None:
        self._end = end

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._end is not None:
            self._end(error)
        if error is not None:
            without_our_frames(error)
