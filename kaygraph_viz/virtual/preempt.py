"""Preemption in the middle of user code, as real threads meet it at any moment.

Belongs here: what is done at an instruction, and the way in which it is noticed. Does not belong here: these ways
(``hooks``, ``functions``), and which thread goes on then (``scheduler``).

Real threads are preempted rarely, and elsewhere in every run, which is why a race shows up once in a thousand runs.
Here a thread may yield after each byte code instruction of user code, with a given chance. No time passes by it. Each
version of Python has its own instructions, and so its own schedules.

Python itself tells of each instruction: from 3.12 on by `sys.monitoring`, before that by a trace function of each
thread. Where one thread carries all fibers, as in a browser tab, neither will do, since the stack of calls cannot be
left inside such a hook: Python ends there with a fault of its memory. There user code calls the step itself. All give
the same schedule under the same version of Python, from 3.12 on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.machine import has_threads
from kaygraph_viz.virtual import rewritten
from kaygraph_viz.virtual.fiber import Stopped
from kaygraph_viz.virtual.functions import functions
from kaygraph_viz.virtual.hooks import monitored, traced
from kaygraph_viz.virtual.scheduler import Scheduler

__all__ = ["Preemption", "for_many_blocks"]


class Preemption:
    """Makes threads yield in the middle of user code: after an instruction, with the probability `chance`."""

    def __init__(self, scheduler: Scheduler, chance: float) -> None:
        self._scheduler = scheduler
        self._chance = chance
        self._has_hooks = has_threads()

    def in_block(self) -> AbstractContextManager[None]:
        """Return the block in which instructions of all threads are noticed."""
        if not self._chance:
            return nullcontext()
        if not self._has_hooks:
            return self._rewritten()
        return monitored(self._step) if sys.version_info >= (3, 12) else nullcontext()

    def in_thread(self) -> AbstractContextManager[None]:
        """Return the block in which those of the calling thread are noticed; before Python 3.12 each has its own."""
        is_traced = self._chance > 0 and self._has_hooks and sys.version_info < (3, 12)
        return traced(self._step) if is_traced else nullcontext()

    @contextmanager
    def _rewritten(self) -> Iterator[None]:
        """Let user code call the step while the block runs."""
        rewritten.require_assembler()
        with functions.in_block():
            rewritten.steps.append(self._step)
            self._scheduler.before_root_waits = functions.look
            try:
                yield
            finally:
                self._scheduler.before_root_waits = int
                rewritten.steps.remove(self._step)

    def _step(self) -> None:
        scheduler = self._scheduler
        fiber = scheduler.mine()
        if fiber is None or fiber is scheduler.root or scheduler.current is not fiber:
            return
        if scheduler.others_are_due() and scheduler.random.random() < self._chance:
            with suppress(Stopped):  # it ends at its next wait instead: here it may just have taken a lock
                scheduler.yield_turn()


def for_many_blocks(chance: float) -> AbstractContextManager[None]:
    """Return a block around many blocks of clocks with preemption: what they all need is prepared once."""
    return functions.in_block() if chance and not has_threads() else nullcontext()
