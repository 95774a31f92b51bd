"""Widgets for the options of a run: a slider with a number box, or a list of choices, each with its label and unit.

Belongs here: making them and reading them. Does not belong here: when they do what (``playground``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.optional import needed
from kaygraph_viz.widgets.guarded import Say, guarded
from kaygraph_viz.widgets.playground.options import Option
from kaygraph_viz.widgets.playground.state import rounded

with needed():
    import ipywidgets
    from traitlets import link

LABEL_WIDTH = "9.4em"


class Control:
    """The label and the input widgets of one option."""

    def __init__(self, option: Option, changed: Callable[[], object], say: Say) -> None:
        self.option = option
        common: dict[str, Any] = {"description": option.label, "tooltip": option.tip, "value": option.value}
        wide = {"style": {"description_width": LABEL_WIDTH}, "layout": {"flex": "1 1 0", "width": "auto"}}
        self.box: Any = None
        if option.choices is not None:
            self.main = guarded(ipywidgets.Dropdown, say, options=list(option.choices.items()), **common, **wide)
        else:
            common |= {"min": option.low, "max": option.high, "step": option.step, "continuous_update": False}
            kinds = (ipywidgets.IntSlider, ipywidgets.BoundedIntText)
            if not option.is_whole:
                kinds = (ipywidgets.FloatSlider, ipywidgets.BoundedFloatText)
            self.main = guarded(kinds[0], say, **common, **wide, readout=False)
            self.box = guarded(kinds[1], say, **common, layout={"width": "5em"})
            self.box.add_class("kv-number")
            link((self.main, "value"), (self.box, "value"))
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
