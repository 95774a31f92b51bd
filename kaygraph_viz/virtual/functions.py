"""Functions of user code that run other code while a block lasts.

Belongs here: finding them, and giving each its own code back. Does not belong here: the other code (``rewritten``).

All that there are when the block begins are found, and what these make is made of code that is rewritten already. What
is left are functions that the block's own lines make, since these lines run already. They are looked for among the
newest objects whenever the main program is about to wait: before, no other fiber can call them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any
from weakref import ref

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.virtual.places import is_user_function
from kaygraph_viz.virtual.rewritten import rewritten

__all__ = ["RewrittenFunctions", "functions"]


class RewrittenFunctions:
    """The functions whose code is rewritten at the moment."""

    def __init__(self) -> None:
        self._blocks = 0
        self._exchanged: list[tuple[ref[FunctionType], CodeType, CodeType]] = []

    @contextmanager
    def in_block(self) -> Iterator[None]:
        """Rewrite the functions of user code while the block runs; to find them all takes longest in the first one."""
        if self._blocks:
            self.look()
        else:
            self._rewrite(gc.get_objects())
            gc.callbacks.append(self._before_collection)
        self._blocks += 1
        try:
            yield
        finally:
            self._blocks -= 1
            if not self._blocks:
                gc.callbacks.remove(self._before_collection)
                for each, own, other in self._exchanged:
                    function = each()
                    if function is not None and function.__code__ is other:  # nobody else has given it another one
                        function.__code__ = own
                self._exchanged.clear()

    def look(self) -> None:
        """Rewrite the functions that were made since the last collection of garbage."""
        self._rewrite(gc.get_objects(generation=0))

    def _before_collection(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":  # what lives on counts as old afterwards
            self.look()

    def _rewrite(self, objects: Iterable[object]) -> None:
        for function in objects:
            if type(function) is FunctionType and is_user_function(function):
                own = function.__code__
                other = rewritten(own)
                if other is not own:
                    function.__code__ = other
                    self._exchanged.append((ref(function), own, other))


functions = RewrittenFunctions()  # those of all blocks
