"""Fibers in a browser tab: each has a stack of calls that waits for a promise of JavaScript.

Belongs here: the two things for which Python needs the browser. Does not belong here: all else that makes fibers of one
thread (``one_thread``).

A function of WebAssembly can wait for a promise where the browser has JavaScript Promise Integration: its stack of
calls is set aside meanwhile, and others go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from kaygraph_viz.errors import PlatformError
from kaygraph_viz.virtual.one_thread import OneThread, OneThreadTurn

__all__ = ["Promises"]

BROWSERS = "Chrome 137, Firefox 153, Safari 27 and newer have it"
_LAUNCH = "(run) => { Promise.resolve().then(() => run.callPromising()).finally(() => run.destroy()); }"


class Promises(OneThread):
    """Carries all fibers in the thread of a browser tab, by the interface of Pyodide."""

    def __init__(self) -> None:
        super().__init__()
        from pyodide.code import run_js  # which Python has in a browser tab

        self._start: Callable[[Any], None] = run_js(_LAUNCH)

    def _leave(self, turn: OneThreadTurn) -> None:
        from pyodide.ffi import run_sync

        # A future of the loop, which is a promise already: a new promise would need a task of its own.
        future = asyncio.get_running_loop().create_future()
        turn.resume = partial(future.set_result, None)
        run_sync(future)

    def _launch(self, run: Callable[[], object]) -> None:
        from pyodide.ffi import can_run_sync, create_proxy

        if not can_run_sync():
            raise PlatformError(
                "several workers in a browser tab need JavaScript Promise Integration, which is missing here; "
                f"{BROWSERS}; or install Python and this package"
            )
        self._start(create_proxy(run))
