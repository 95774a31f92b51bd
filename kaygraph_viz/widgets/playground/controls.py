"""Widgets for the options of a run: a slider with a number box, or a list of choices, each with its label and unit.

Belongs here: making them and reading them. Does not belong here: when they do what (``playground``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kaygraph_viz._optional import needed
from kaygraph_viz.errors import OptionError
from kaygraph_viz.widgets.careful import Say, careful
from kaygraph_viz.widgets.playground.options import Option
from kaygraph_viz.widgets.playground.state import rounded

with needed():
    import ipywidgets
    from traitlets import link

__all__ = ["Control"]

LABEL_WIDTH = "9.4em"


class Control:
    """The label and the input widgets of one option."""

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
