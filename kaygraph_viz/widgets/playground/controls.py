"""Widgets for the options of a run: a slider with a number box, or a list of choices, each with its label and unit.

Belongs here: making them, reading them, and living with what a broken front end sends. Does not belong here: when they
do what (``playground``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
from traitlets import TraitError, link

from kaygraph_viz.errors import OptionError
from kaygraph_viz.trace.attributes import describe_error
from kaygraph_viz.widgets.playground.options import Option
from kaygraph_viz.widgets.playground.state import rounded

__all__ = ["Control", "careful"]

Say = Callable[[str], object]
LABEL_WIDTH = "9.4em"


def careful(widget: type[ipywidgets.Widget], say: Say, **state: Any) -> Any:
    """Return a widget that says what is wrong with a message of its front end and ignores it, instead of raising.

    Parameters
    ----------
    widget
        Its class.
    say
        Called with a sentence.
    **state
        As for the class.
    """
    made = _careful_class(widget)(**state)
    made.say = say
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

    def set_state(self, sync_data: Any) -> None:
        try:
            super().set_state(sync_data)  # type: ignore[misc]
        except Exception as error:
            self.say(f"A message from the browser was ignored: {_reason(error)}")

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


def _reason(error: Exception) -> str:
    return describe_error(error).splitlines()[0] if not isinstance(error, TraitError) else "a value out of its range."


class Control:
    """The label and the input widgets of one option.

    Parameters
    ----------
    option
        What it sets.
    changed
        Called after each change.
    say
        Called with a sentence where a message of the front end is ignored.

    Attributes
    ----------
    main
        The slider or the list.
    box
        The number box beside the slider, or None.
    widget
        Both in a row.
    """

    def __init__(self, option: Option, changed: Callable[[], object], say: Say) -> None:
        self.option = option
        self.main = self._choice(say) if option.choices is not None else self._slider(say)
        self.box = None if option.choices is not None else self._box(say)
        self.main.add_class(f"kv-{option.name.replace('_', '-')}")
        self.main.observe(lambda _change: changed(), names="value")
        self.widget = ipywidgets.HBox([self.main] if self.box is None else [self.main, self.box])
        self.widget.add_class("kv-control")

    @property
    def value(self) -> Any:
        """The value that the control is set to."""
        return rounded(self.main.value)

    @value.setter
    def value(self, value: Any) -> None:
        if not self.option.allows(value):
            raise OptionError(self.option.name, value, "a value that its control allows")
        self.main.value = value

    def _common(self) -> dict[str, Any]:
        return {"description": self.option.label, "tooltip": self.option.tip}

    def _range(self) -> dict[str, Any]:
        option = self.option
        return {"value": option.value, "min": option.low, "max": option.high, "step": option.step}

    def _choice(self, say: Say) -> Any:
        choices = list((self.option.choices or {}).items())
        style, layout = {"description_width": LABEL_WIDTH}, {"flex": "1 1 0", "width": "auto"}
        return careful(
            ipywidgets.Dropdown, say, options=choices, value=self.option.value, style=style, layout=layout,
            **self._common(),
        )  # fmt: skip

    def _slider(self, say: Say) -> Any:
        kind = ipywidgets.IntSlider if self.option.is_whole else ipywidgets.FloatSlider
        return careful(
            kind, say, **self._common(), **self._range(), continuous_update=False, readout=False,
            style={"description_width": LABEL_WIDTH}, layout={"flex": "1 1 0", "width": "auto"},
        )  # fmt: skip

    def _box(self, say: Say) -> Any:
        kind = ipywidgets.BoundedIntText if self.option.is_whole else ipywidgets.BoundedFloatText
        box = careful(
            kind, say, **self._common(), **self._range(), continuous_update=False, layout={"width": "5em"}
        )  # fmt: skip
        box.add_class("kv-number")
        link((self.main, "value"), (box, "value"))
        return box
