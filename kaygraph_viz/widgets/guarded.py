"""Widgets that refuse what a broken front end sends, before it is kept, and that can be closed with all their parts.

Does not belong here: what widgets are for (``playground``, ``progress``).

ipywidgets keeps every widget until it is closed, and closes no parts with it: a button that stays keeps the panel whose
method it calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from kaygraph_viz.base.errors import short
from kaygraph_viz.base.optional import needed
from kaygraph_viz.trace.row import describe_error

with needed():
    import ipywidgets
    from traitlets import TraitError

Say = Callable[[str], object]
INPUTS = ("value", "index")  # what a reader can change; all else is ours alone
LARGEST = 1e15  # of a number
OUT_OF_RANGE = "a value out of its range."


def guarded(widget: type[ipywidgets.Widget], say: Say, inputs: Collection[str] = INPUTS, **state: Any) -> Any:
    """Return a widget that says what is wrong with a message of its front end and ignores it, instead of raising."""
    if widget not in _classes:
        _classes[widget] = type(widget.__name__, (_Guarded, widget), {"__doc__": widget.__doc__})
    made: Any = _classes[widget](**state)
    made.say, made.inputs = say, inputs
    return made


_classes: dict[type, type] = {}


class _Guarded:
    """A mixin that checks the messages of the front end, which come in by ``set_state`` and ``_handle_custom_msg``."""

    say: Say = staticmethod(print)
    inputs: Collection[str] = INPUTS

    def set_state(self, sync_data: Any) -> None:
        unknown = (
            [name for name in sync_data if name not in self.inputs] if isinstance(sync_data, Mapping) else sync_data
        )
        if unknown or not isinstance(sync_data, Mapping):
            problem = f"it sets {short(unknown)}."
        elif not all(map(_is_plain, sync_data.values())):
            problem = OUT_OF_RANGE
        else:
            problem = ""
            try:
                super().set_state(sync_data)  # type: ignore[misc]
            except TraitError:
                problem = OUT_OF_RANGE
            except Exception as error:
                problem = describe_error(error).splitlines()[0]
        if problem:
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


def _is_plain(value: object) -> bool:
    if isinstance(value, (int, float)):
        return math.isfinite(value) and abs(value) < LARGEST if isinstance(value, float) else abs(value) < LARGEST
    return value is None or (isinstance(value, str) and len(value) <= 1_000)


with needed():
    import ipywidgets

# -- closing ---------------------------------------------------------------------------------------------------------


def parts_of(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """Yield the widgets that a widget consists of: its children with their parts, layouts and styles."""
    for name in widget.keys:
        value = getattr(widget, name)
        for part in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(part, ipywidgets.Widget):
                yield from parts_of(part)
                yield part
