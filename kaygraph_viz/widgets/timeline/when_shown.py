"""Showing something now, and once more in the same place when it is complete.

Belongs here: what IPython needs to know. Does not belong here: what is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kaygraph_viz._optional import needed

with needed():
    from IPython.core.getipython import get_ipython
    from IPython.display import DisplayHandle, display

__all__ = ["show_again_when"]


def show_again_when(widget: Any, is_complete: Callable[[], bool]) -> None:
    """Show a widget, and put its complete form in the same place after the cell with which it became complete."""
    handle = DisplayHandle()
    data, metadata = widget._repr_mimebundle_()
    display(data, metadata=metadata, raw=True, display_id=handle.display_id)
    shell = get_ipython()
    if shell is None:
        return

    def after_cell(_result: object) -> None:
        if is_complete():
            shell.events.unregister("post_run_cell", after_cell)
            data, metadata = widget._repr_mimebundle_()
            handle.update(data, metadata=metadata, raw=True)

    shell.events.register("post_run_cell", after_cell)
