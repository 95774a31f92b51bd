"""Running a coroutine step by step: each step in a context of its own, and its CPU time counted.

Belongs here: what happens between two awaits. Does not belong here: slots and loops (``coroutines.executor``).

One task runs many branches after each other. A context of its own for each branch keeps their context variables apart,
which a task alone would not.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from types import coroutine
from typing import Any

from kaygraph_viz.awaited import due_in_s, innermost_frame, kind_of_wait
from kaygraph_viz.trace.lanes import Lane, Pause

__all__ = ["StepTimer", "in_context", "resumed"]


class StepTimer:
    """Adds up the CPU time of the steps of one branch."""

    __slots__ = ("_ended_ns", "_lane", "_now_ns", "_pause", "cpu_ns")

    def __init__(self, lane: Lane, now_ns: Callable[[], int]) -> None:
        self._lane = lane
        self._now_ns = now_ns
        self.cpu_ns = 0
        self._ended_ns = 0  # when its last step ended
        self._pause: Pause | None = None  # what it waits for since then

    def run(self, context: Context, step: Callable[..., Any], argument: Any) -> Any:
        """Run one step in `context` and count its CPU time; -1 in all where CPU time is not wanted."""
        lane, started = self._lane, self._now_ns()
        cpu = lane.cpu_at(started)
        is_within_step = lane.step is not None  # of the branch around this one on its lane, which notes it for both
        if not is_within_step:
            lane.begin_step(self._pause, started, cpu)
        self._pause = None
        try:
            return context.run(step, argument)
        finally:
            self._ended_ns = ended = self._now_ns()
            used = lane.cpu_between(cpu, started, ended)
            self.cpu_ns = -1 if used < 0 else self.cpu_ns + used
            if not is_within_step:
                lane.end_step(ended, used)

    def wait(self, running: Coroutine[Any, Any, Any], awaited: Any) -> None:
        """Note that the coroutine waits now for what it has yielded, and since when it will be able to go on."""
        if self._lane.notes_itself:
            return
        now, frame = self._now_ns(), innermost_frame(running)
        due_s = 0.0 if awaited is None else due_in_s(frame)
        ready = None if due_s is None else now + round(due_s * 1e9)
        self._pause = Pause(kind_of_wait(frame), self._ended_ns, ready)


@coroutine
def in_context(
    context: Context,
    running: Coroutine[Any, Any, Any],
    timer: StepTimer | None = None,
    on_wait: Callable[[], None] | None = None,
) -> Generator[Any, Any, Any]:
    """Await a coroutine so that each of its steps runs in `context`."""
    run = timer.run if timer is not None else Context.run
    try:
        awaited = run(context, running.send, None)
    except StopIteration as end:
        return end.value
    return (yield from resumed(context, running, awaited, timer, on_wait))


@coroutine
def resumed(
    context: Context,
    running: Coroutine[Any, Any, Any],
    awaited: Any,
    timer: StepTimer | None = None,
    on_wait: Callable[[], None] | None = None,
) -> Generator[Any, Any, Any]:
    """Await a coroutine as `in_context` does, after its first step, which has yielded `awaited`."""
    run = timer.run if timer is not None else Context.run
    step: Callable[..., Any]
    if on_wait is not None:
        on_wait()
    while True:
        if timer is not None:
            timer.wait(running, awaited)
        try:
            argument: Any = yield awaited
        except BaseException as raised:  # a cancellation, or an error of what was awaited
            step, argument = running.throw, raised
        else:
            step = running.send
        try:
            awaited = run(context, step, argument)
        except StopIteration as end:
            return end.value
