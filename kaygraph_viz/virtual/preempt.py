"""Preemption in the middle of user code, as real threads meet it at any moment.

Belongs here: hooks on single instructions. Does not belong here: which thread goes on then (``scheduler``).

Real threads are preempted rarely, and elsewhere in every run, which is why a race shows up once in a thousand runs.
Here a thread may yield after each byte code instruction of user code, with a given chance. No time passes by it. Each
version of Python has its own instructions, and so its own schedules.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from types import CodeType, FrameType
from typing import Any

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.errors import VirtualClockError
from kaygraph_viz.installed import require_installed
from kaygraph_viz.virtual.fiber import Stopped
from kaygraph_viz.virtual.places import is_user_frame
from kaygraph_viz.virtual.scheduler import Scheduler

__all__ = ["Preemption"]

INSTEAD = "try some seeds with kv.record(clock=kv.VirtualClock(seed)), which switch where threads wait"
TOOLS = (4, 3, 5, 2, 1, 0)  # numbers of monitoring tools; 4 and 3 are not reserved, so they are tried first


class Preemption:
    """Makes threads yield in the middle of user code: after an instruction, with the probability `chance`."""

    def __init__(self, scheduler: Scheduler, chance: float) -> None:
        self._scheduler = scheduler
        self._chance = chance

    @contextmanager
    def in_block(self) -> Iterator[None]:
        """Install the hook for all threads while the block runs; before Python 3.12 each thread has its own.

        A browser tab cannot leave a stack of calls inside such a hook: Python ends there with a fault of its memory.
        """
        if self._chance:
            require_installed("schedules that switch in the middle of code (explore, preempt)", INSTEAD)
        if not self._chance or sys.version_info < (3, 12):
            yield
            return
        monitoring = sys.monitoring
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
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, lambda code, offset: self._step())
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
    def in_thread(self) -> Iterator[None]:
        """Install the hook of the calling thread while the block runs; from Python 3.12 on there is nothing to do."""
        if not self._chance or sys.version_info >= (3, 12):
            yield
            return
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(before)

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "call":
            if not is_user_frame(frame):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            self._step()
        return self._trace

    def _step(self) -> None:
        scheduler = self._scheduler
        fiber = scheduler.mine()
        if fiber is None or fiber is scheduler.root or scheduler.current is not fiber:
            return
        if scheduler.others_are_due() and scheduler.random.random() < self._chance:
            with suppress(Stopped):  # it ends at its next wait instead: here it may just have taken a lock
                scheduler.yield_turn()
