"""When a live view is renewed: a few times a second while a run goes on, and once when it is complete.

Does not belong here: what is sent (``timeline``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kaygraph_viz.base.errors import warn
from kaygraph_viz.base.machine import thread_cpu_ns
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.threads import Event, Thread
from kaygraph_viz.trace.row import describe_error

PERIOD_S = 0.1
MAX_SHARE = 0.05  # of a core, so that the work that is watched is not slowed down by more


def _cpu_s() -> float:
    return thread_cpu_ns() / 1e9


class Pusher:
    """A thread that calls a function ten times a second, less often if that would take more than 5% of a core."""

    def __init__(
        self,
        push: Callable[[], None],
        is_live: Callable[[], bool],
        *,
        cpu_s: Callable[[], float] = _cpu_s,
    ) -> None:
        self._push = push
        self._is_live = is_live
        self._cpu_s = cpu_s
        self._ticks_left = 0
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="pusher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread soon, without waiting for a call that goes on."""
        self._stopped.set()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until the thread has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def tick(self) -> bool:
        """Call the function if its pause is over, and return whether to go on; due every 0.1 s."""
        is_live = self._is_live()  # asked before, so that the last push has everything
        self._ticks_left -= 1
        if is_live and self._ticks_left > 0:
            return True
        before_s = self._cpu_s()
        try:
            self._push()
        except Exception as error:
            warn(f"the live view stopped, results are not affected: {describe_error(error)}", stacklevel=2)
            return False
        self._ticks_left = round((self._cpu_s() - before_s) / MAX_SHARE / PERIOD_S)
        return is_live

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD_S) and self.tick():
            pass


with needed():
    from IPython.core.getipython import get_ipython
    from IPython.display import DisplayHandle, display

# -- once more when complete -----------------------------------------------------------------------------------------


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
