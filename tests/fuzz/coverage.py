"""Which places of the package a call has reached: what leads to a new one is worth changing further.

Belongs here: watching lines. Does not belong here: what is run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Place = tuple[Any, int, int]  # a piece of code, and two lines that followed each other


class Coverage:
    """The pairs of lines that followed each other in modules of certain names, of all calls so far."""

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._is_watched: dict[Any, bool] = {}
        self.reached: set[Place] = set()

    @contextmanager
    def watched(self) -> Iterator[Callable[[], bool]]:
        """Watch the block in this thread; the function that is given says whether it reached a new place."""
        before, outer = len(self.reached), sys.gettrace()
        sys.settrace(self._on_call)
        try:
            yield lambda: len(self.reached) > before
        finally:
            sys.settrace(outer)

    def _on_call(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        code = frame.f_code
        if code not in self._is_watched:
            self._is_watched[code] = frame.f_globals.get("__name__", "").startswith(self._modules)
        if not self._is_watched[code]:
            return None
        last, reached = 0, self.reached

        def on_line(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
            nonlocal last
            reached.add((code, last, frame.f_lineno))
            last = frame.f_lineno
            return on_line

        return on_line
