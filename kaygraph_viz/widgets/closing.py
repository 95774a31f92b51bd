"""Closing a widget with all that it consists of.

Belongs here: finding these parts. Does not belong here: when that is done.

ipywidgets keeps every widget until it is closed, and closes no parts with it: a button that stays keeps the panel whose
method it calls.
"""

from __future__ import annotations

from collections.abc import Iterator

from kaygraph_viz._optional import needed

with needed():
    import ipywidgets

__all__ = ["parts_of"]


def parts_of(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """Yield the widgets that a widget consists of: its children with their parts, layouts and styles."""
    for name in widget.keys:
        value = getattr(widget, name)
        for part in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(part, ipywidgets.Widget):
                yield from parts_of(part)
                yield part
