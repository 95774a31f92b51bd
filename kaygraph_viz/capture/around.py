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
            end = opened(*args, **kwargs)
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                if end is not None:
                    end(error)
                without_our_frames(error)
                raise
            if end is not None:
                end(None)
            return result

        async def method_async(*args: Any, **kwargs: Any) -> Any:
            end = opened(*args, **kwargs)
            try:
                result = await original(*args, **kwargs)
            except BaseException as error:
                if end is not None:
                    end(error)
                without_our_frames(error)
                raise
            if end is not None:
                end(None)
            return result

        return method_async if inspect.iscoroutinefunction(original) else method

    return make
