"""Giving way in the middle of user code, as threads of an interpreter may at any moment.

Belongs here: single steps. Does not belong here: which of the others goes on then (``scheduler``).

Real threads are interrupted rarely and never twice at the same place, which is why a race shows up once in a thousand
runs. Here each step of user code (a byte code instruction) is a place where chance may let another thread go first. No
time passes by it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from kaygraph_viz.virtual.scheduler import Scheduler
from kaygraph_viz.virtual.watch import is_user_code

__all__ = ["preempting"]


@contextmanager
def preempting(scheduler: Scheduler, chance: float) -> Iterator[None]:
    """Let the calling thread give way with `chance` (0 to 1) after each step of user code."""
    if not chance:
        yield
        return

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if event == "call":
            if not is_user_code(frame.f_code.co_filename):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode" and scheduler.others_are_due() and scheduler.random.random() < chance:
            scheduler.yield_turn()
        return trace

    sys._getframe().f_trace_opcodes = True  # before `settrace`: from Python 3.12 on it would come too late otherwise
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
