"""Widgets that refuse what a broken front end sends, before it is kept.

Belongs here: checking the messages of the browser. Does not belong here: what widgets are for (``playground``,
``progress``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from kaygraph_viz._optional import needed
from kaygraph_viz.errors import short
from kaygraph_viz.trace.attributes import describe_error

with needed():
    import ipywidgets
    from traitlets import TraitError

__all__ = ["Say", "careful"]

Say = Callable[[str], object]
INPUTS = ("value", "index")  # what a reader can change; all else is ours alone
LARGEST = 1e15  # of a number
OUT_OF_RANGE = "a value out of its range."


def careful(widget: type[ipywidgets.Widget], say: Say, inputs: Collection[str] = INPUTS, **state: Any) -> Any:
    """Return a widget that says what is wrong with a message of its front end and ignores it, instead of raising."""
    made = _careful_class(widget)(**state)
    made.say, made.inputs = say, inputs
    return made


_classes: dict[type, type] = {}


def _careful_class(widget: type[Any]) -> type[Any]:
    """Return the subclass of a widget class that ignores broken messages, made once for each class."""
    if widget not in _classes:
        _classes[widget] = type(widget.__name__, (_Careful, widget), {"__doc__": widget.__doc__})
    return _classes[widget]


class _Careful:
    """A mixin that checks the messages of the front end, which come in by ``set_state`` and ``_handle_custom_msg``."""

    say: Say = staticmethod(print)
    inputs: Collection[str] = INPUTS

    def set_state(self, sync_data: Any) -> None:
        problem = _problem_with(sync_data, self.inputs)
        if problem is None:
            try:
                super().set_state(sync_data)  # type: ignore[misc]
            except Exception as error:
                problem = _reason(error)
        if problem is not None:
            self.say(f"A message from the browser was ignored: {problem}")

    def _handle_msg(self, msg: Any) -> None:
        data = msg.get("content", {}).get("data") if isinstance(msg, Mapping) else None
        if not isinstance(data, Mapping) or not isinstance(data.get("method"), str):
            self.say("A message from the browser was ignored: it is empty.")
            return
        super()._handle_msg(msg)  # type: ignore[misc]

    def _handle_custom_msg(self, content: Any, buffers: Any) -> None:
        if not isinstance(content, Mapping):
            self.say("A message from the browser was ignored: it is empty.")
            return
        super()._handle_custom_msg(content, buffers)  # type: ignore[misc]


def _problem_with(state: Any, inputs: Collection[str]) -> str | None:
    """Return why a state cannot be kept, in words, or None: only plain values of a usual size are looked at further."""
    if not isinstance(state, Mapping):
        return f"it sets {short(state)}."
    unknown = [name for name in state if name not in inputs]
    if unknown:
        return f"it sets {short(unknown)}."
    return None if all(map(_is_plain, state.values())) else OUT_OF_RANGE


def _is_plain(value: object) -> bool:
    if isinstance(value, (int, float)):
        return math.isfinite(value) and abs(value) < LARGEST if isinstance(value, float) else abs(value) < LARGEST
    return value is None or (isinstance(value, str) and len(value) <= 1_000)


def _reason(error: Exception) -> str:
    return describe_error(error).splitlines()[0] if not isinstance(error, TraitError) else OUT_OF_RANGE
