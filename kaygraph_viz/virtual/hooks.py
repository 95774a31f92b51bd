"""Hooks of Python on each instruction of user code.

Belongs here: installing them and taking them away. Does not belong here: what is done at an instruction (``preempt``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.virtual.places import is_user_frame

__all__ = ["monitored", "traced"]

TOOLS = (4, 3, 5, 2, 1, 0)  # numbers of monitoring tools; 4 and 3 are not reserved, so they are tried first


@contextmanager
def monitored(step: Callable[[], object]) -> Iterator[None]:
    """Call a function before each instruction in any thread while the block runs; from Python 3.12 on."""
    monitoring: Any = vars(sys)["monitoring"]
    codes: list[CodeType] = []
    tool = next((number for number in TOOLS if monitoring.get_tool(number) is None), None)
    if tool is None:
        raise VirtualClockError("preempt needs one of the six tool numbers of sys.monitoring, and all are in use")

    def at_start(code: CodeType, offset: int) -> Any:
        if is_user_frame(sys._getframe(1)):
            codes.append(code)
            monitoring.set_local_events(tool, code, monitoring.events.INSTRUCTION)
        return monitoring.DISABLE

    monitoring.use_tool_id(tool, "kaygraph-viz")
    monitoring.register_callback(tool, monitoring.events.PY_START, at_start)
    monitoring.register_callback(tool, monitoring.events.INSTRUCTION, lambda code, offset: step())
    monitoring.restart_events()
    monitoring.set_events(tool, monitoring.events.PY_START)
    try:
        yield
    finally:
        monitoring.set_events(tool, 0)
        for code in codes:
            monitoring.set_local_events(tool, code, 0)
        monitoring.register_callback(tool, monitoring.events.PY_START, None)
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, None)
        monitoring.free_tool_id(tool)


@contextmanager
def traced(step: Callable[[], object]) -> Iterator[None]:
    """Call a function before each instruction in the calling thread while the block runs."""

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if event == "call":
            if not is_user_frame(frame):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            step()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
