"""Ctrl-C while pictures are drawn: code that is not ours must not lose it.

Belongs here: noticing an interrupt that got lost on its way. Does not belong here: what the command line does then.

Python drops an error in a callback of a weak reference, and a library in C may turn one into an error of its own;
drawing is full of both. So the program would go on, or end with a traceback.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

from kaygraph_viz.blocks import contextmanager

__all__ = ["noticing_interrupts"]


@contextmanager
def noticing_interrupts() -> Iterator[None]:
    """Return a block that ends with ``KeyboardInterrupt`` if an interrupt came, whatever became of it inside."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # it is ignored, or somebody else takes care of it
        return
    came = []

    def note(*_: object) -> None:
        came.append(True)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception:
        if came:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt
