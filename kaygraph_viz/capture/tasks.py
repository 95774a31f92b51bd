"""Capturing `asyncio`: every task that descends from the recording, from its creation to its end, step by step.

Belongs here: the hooks in loops, and what a task did when. Does not belong here: pools, in which `to_thread` and
`run_in_executor` end (``futures``).

Every step of a task passes through ``Handle._run``, so no coroutine is wrapped and none is awaited. What a task waited
for is read off the frame in which it was suspended, when it goes on.
"""

from __future__ import annotations

import asyncio.base_events
import threading
from asyncio import AbstractEventLoop, Task, current_task
from asyncio.events import Handle
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, copy_context
from types import ModuleType
from typing import Any
from weakref import ref

from kaygraph_viz.awaited import innermost_frame, kind_of_wait, overdue_s
from kaygraph_viz.capture.calls import OpenCall, scope_by_context
from kaygraph_viz.capture.labels import note_task_label
from kaygraph_viz.capture.names import is_machinery
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.clock import REAL
from kaygraph_viz.parts import NO_SHARE, PART_CODE
from kaygraph_viz.trace.attributes import describe_error
from kaygraph_viz.trace.lanes import CPU_RESOLUTION_NS, Lane, Lanes, Measured, measured_in
from kaygraph_viz.trace.recorder import Scope, _scope, span
from kaygraph_viz.trace.span import RowTuple, Status
from kaygraph_viz.trace.waiting import LOOP_BLOCKED

__all__ = ["hooks"]

CPU, WAIT, GIL = (PART_CODE[kind] for kind in ("cpu", "wait", "gil"))
SHORT_WAIT_NS = 50_000  # what a shorter wait was for is not looked up
BLOCKS_LOOP_NS = 100_000_000  # a step that is longer holds up all other tasks; asyncio warns from there, too
OLDEST_READING_NS = 200_000  # of the CPU clock when a step begins

_runs: dict[int, TaskRun] = {}  # by the id of the task, which is compared, too: ids are used again
_names: dict[object, str | None] = {}  # by code: the name of its tasks, or None for what belongs to a library


def hooks() -> Iterator[Hook]:
    """Yield the hooks of the loops of asyncio and of uvloop."""
    yield Patch(asyncio.base_events.BaseEventLoop, "create_task", _create_task)
    yield Patch(Handle, "_run", _run_handle)
    yield OnImport("uvloop", _uvloop_hooks)


class TaskLane(Lane):
    """The lane of a task: its CPU clock runs while the task has the loop."""

    __slots__ = ("began_ns", "ran_ns")

    def __init__(self, name: str, cpu_clock: Callable[[], int] | None, *_: Any, **__: Any) -> None:
        super().__init__(name, cpu_clock)
        self.ran_ns = 0  # CPU time of its steps so far
        self.began_ns = 0  # of the step under way; 0 between two steps

    @classmethod
    def of(cls, lanes: Lanes) -> TaskLane:
        """Return the lowest free lane of a task."""
        lane = lanes.take("task", cls)
        assert isinstance(lane, cls)
        return lane

    def cpu_at(self, now_ns: int) -> int:
        """Return the CPU time of the task until `now_ns` [ns]."""
        return self.ran_ns + (now_ns - self.began_ns if self.began_ns else 0)

    def cpu_between(self, cpu_at_start_ns: int, started_ns: int, ended_ns: int) -> int:
        """Return the CPU time of a span that ends now [ns]; -1 where CPU time is not wanted."""
        if self._clock is None:
            return -1
        return max(0, min(self.cpu_at(ended_ns) - cpu_at_start_ns, ended_ns - started_ns))


class TaskRun(OpenCall):
    """A task as an open span, and as the scope of what it does."""

    __slots__ = ("has_own_context", "last_ns", "task")
    _lane: TaskLane

    def __init__(self, parent: Scope | span, name: str) -> None:
        super().__init__(parent, name, submitted_ns=parent.recorder.now_ns())
        self.task: Callable[[], Task[Any] | None] = lambda: None
        self.has_own_context = True
        self.last_ns = 0  # when its last step ended; 0 before the first one

    def start(self, now_ns: int) -> None:
        """Note that the first step begins."""
        recorder = self.recorder
        self.span_id = recorder.next_id()
        lanes = recorder.lanes
        self._lane = TaskLane.of(lanes)
        lanes.lane_of_task = _lane_of_task
        self._started_ns = now_ns
        recorder.open_spans[self.span_id] = self

    def begin_step(self, task: Task[Any] | None, now_ns: int) -> None:
        """Note that a step begins, and what the task waited for until now."""
        last_ns, lane = self.last_ns, self._lane
        lane.began_ns = now_ns
        if not last_ns or task is None:
            return
        if now_ns - last_ns < SHORT_WAIT_NS:
            lane.log.entries.append((WAIT, last_ns, now_ns, NO_SHARE, -1))
            return
        if getattr(task, "_fut_waiter", None) is None:  # it only let others go first
            lane.log.entries.append((GIL, last_ns, now_ns, NO_SHARE, -1))
            return
        frame = innermost_frame(task.get_coro())
        late_ns = min(now_ns - last_ns, round(overdue_s(frame, task.get_loop()) * 1e9))
        lane.log.add(kind_of_wait(frame), last_ns, now_ns - late_ns)
        lane.log.add("gil", now_ns - late_ns, now_ns)

    def end_step(self, now_ns: int) -> None:
        """Note that the step under way has ended."""
        self.last_ns = now_ns
        lane = self._lane
        began_ns, lane.began_ns = lane.began_ns, 0
        lasted_ns = now_ns - began_ns
        if lasted_ns < CPU_RESOLUTION_NS or not self.recorder.has_cpu_time:
            lane.ran_ns += lasted_ns
            lane.log.entries.append((CPU, began_ns, now_ns, NO_SHARE, -1))
            return
        used_ns = _cpu.since_last(began_ns, now_ns)
        lane.ran_ns += used_ns
        lane.log.settle(began_ns, now_ns, 0, used_ns)
        if lasted_ns >= BLOCKS_LOOP_NS:
            self._note_blocked_loop(began_ns, now_ns)

    def _note_blocked_loop(self, began_ns: int, ended_ns: int) -> None:
        recorder = self.recorder
        self._attributes["loop_blocked_s"] = round(
            self._attributes.get("loop_blocked_s", 0.0) + (ended_ns - began_ns) / 1e9, 6
        )
        recorder.add((
            recorder.next_id(), self.span_id, -1, LOOP_BLOCKED, "wait", self._lane.name, began_ns, began_ns, ended_ns,
            -1, 0, "ok", 1, None, None, None, None,
        ))  # fmt: skip

    def finish(self, task: Task[Any], now_ns: int) -> None:
        """Record the task, which has ended."""
        recorder = self.recorder
        self.is_over = True
        status: Status = "ok"
        error = None
        if task.cancelled():
            status = "cancelled"
        elif task._exception is not None:  # `exception()` would mark it as retrieved
            status, error = "error", describe_error(task._exception)
        recorder.add(self._row_of(now_ns, self._measured(now_ns), status, error))
        recorder.forget(self.span_id)
        recorder.lanes.free(self._lane)

    def _measured(self, ended_ns: int) -> Measured:
        lane, lasted_ns = self._lane, ended_ns - self._started_ns
        if len(lane.log.entries) == 1 and lane.ran_ns == lasted_ns:  # one short step
            return lasted_ns if self.recorder.has_cpu_time else -1, 0, None
        _, blocked_ns, parts = measured_in(lane.log, self._started_ns, ended_ns, has_cpu=False)
        cpu_ns = min(lane.ran_ns, lasted_ns) if self.recorder.has_cpu_time else -1
        if parts is not None and len(parts) == 1 and parts[0][0] == CPU:
            parts = None  # the sums say the same in less memory
        return cpu_ns, blocked_ns, parts

    def abandoned_row(self, now_ns: int) -> RowTuple:
        """Return the row of this task if it is cut off now."""
        return self._row_of(now_ns, self._measured(now_ns), "abandoned", None)


def _lane_of_task(task: Task[Any]) -> Lane | None:
    run = _run_of(task)
    return run._lane if run is not None and run.span_id else None


def _run_of(task: object) -> TaskRun | None:
    run = _runs.get(id(task))
    return run if run is not None and run.task() is task else None


def _name_of(coroutine: Any) -> str | None:
    code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "gi_code", None)
    if code in _names:
        return _names[code]
    frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
    module = getattr(coroutine, "__module__", None) or (frame is not None and frame.f_globals.get("__name__"))
    name = getattr(coroutine, "__qualname__", None) or type(coroutine).__qualname__
    found = None if is_machinery(module or None) else str(name).rpartition("<locals>.")[2]
    if code is not None:
        _names[code] = found
    return found


def _create_task(original: Callable[..., Task[Any]]) -> Callable[..., Task[Any]]:
    def create_task(self: Any, coro: Coroutine[Any, Any, Any], **options: Any) -> Task[Any]:
        scope = scope_by_context("asyncio")
        name = None if scope is None else _name_of(coro)
        if scope is None or name is None:
            return original(self, coro, **options)
        run = TaskRun(scope, name)
        if scope.recorder.label is not None:
            note_task_label(run, coro)
        run.has_own_context = options.get("context") is None
        if _is_eager(self):
            return _created_eagerly(original, self, coro, options, run)
        task = original(self, coro, **options)
        _follow(task, run)
        return task

    return create_task


def _follow(task: Task[Any], run: TaskRun) -> None:
    if isinstance(task, Task):  # a task factory may return anything
        number = id(task)
        run.task = ref(task, lambda _: _runs.pop(number, None))
        _runs[number] = run


def _is_eager(loop: Any) -> bool:
    factory = getattr(loop, "_task_factory", None)
    return factory is not None and str(getattr(factory, "__module__", "")).startswith("asyncio")


def _created_eagerly(
    original: Callable[..., Task[Any]], loop: AbstractEventLoop, coro: Coroutine[Any, Any, Any],
    options: dict[str, Any], run: TaskRun,
) -> Task[Any]:  # fmt: skip
    """Create a task whose first step is taken at once, before it can be known."""
    if run.has_own_context:
        options["context"] = copy_context()
    context: Context = options["context"]
    recorder, creator = run.recorder, _run_of(current_task(loop))
    if creator is not None and creator.span_id:
        creator.end_step(recorder.now_ns())
    now_ns = recorder.now_ns()
    run.start(now_ns)
    run.begin_step(None, now_ns)
    token = context.run(_scope.set, run)
    task = original(loop, coro, **options)
    now_ns = recorder.now_ns()
    run.end_step(now_ns)
    if not run.has_own_context:
        context.run(_scope.reset, token)
    if creator is not None and creator.span_id:
        creator.begin_step(current_task(loop), now_ns)
    if task.done():
        run.finish(task, now_ns)
    else:
        _follow(task, run)
    return task


def _run_handle(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def _run(self: Any) -> None:
        task = getattr(self._callback, "__self__", None)
        run = _runs.get(id(task))
        if run is None or run.task() is not task or not run.recorder.is_open:
            original(self)
        else:
            _step(run, task, self._context.run, original, self)

    return _run


def _step(
    run: TaskRun, task: Any, in_context: Callable[..., Any], step: Callable[..., None], *args: Any
) -> None:  # fmt: skip
    """Take one step of a task; `in_context` calls a function in the context of the task.

    A fault of ours must not reach the loop: it ends the recording, and the task goes on.
    """
    recorder, token = run.recorder, None
    try:
        now_ns = recorder.now_ns()
        if not run.span_id:
            run.start(now_ns)
            if run.has_own_context:
                in_context(_scope.set, run)
        if not run.has_own_context:
            token = in_context(_scope.set, run)
        if now_ns - _cpu.read_ns > OLDEST_READING_NS:
            _cpu.read(now_ns)
        run.begin_step(task, now_ns)
    except Exception as error:
        recorder.give_up(error)
    step(*args)
    try:
        now_ns = recorder.now_ns()
        run.end_step(now_ns)
        if token is not None:  # others may have the same context: what is set there must not outlast the step
            in_context(_scope.reset, token)
        if task.done():
            _runs.pop(id(task), None)
            run.finish(task, now_ns)
    except Exception as error:
        recorder.give_up(error)


class _CpuClock(threading.local):
    """The CPU clock of the thread of a loop, read no more often than needed: a reading costs as much as a step."""

    read_ns = 0
    cpu_ns = 0

    def read(self, now_ns: int) -> None:
        self.read_ns, self.cpu_ns = now_ns, REAL.cpu_ns()

    def since_last(self, began_ns: int, now_ns: int) -> int:
        """Return how long the thread computed in a step [ns], with what it computed since the last reading."""
        before_ns = self.cpu_ns
        self.read(now_ns)
        return min(now_ns - began_ns, self.cpu_ns - before_ns)


_cpu = _CpuClock()


def _uvloop_hooks(module: ModuleType) -> Iterator[Hook]:
    """Yield the hooks of a loop that never calls `Handle._run`; tasks ask it for each step by `call_soon`."""
    yield Patch(module.Loop, "create_task", _create_task)
    yield Patch(module.Loop, "call_soon", _call_soon)


def _call_soon(original: Callable[..., Any]) -> Callable[..., Any]:
    def call_soon(self: Any, callback: Any, *args: Any, context: Context | None = None) -> Any:
        if isinstance(task := getattr(callback, "__self__", None), Task):  # it may be one that is just being created
            return original(self, _step_in_context, callback, task, *args, context=context)
        return original(self, callback, *args, context=context)

    return call_soon


def _step_in_context(callback: Callable[..., None], task: Task[Any], *args: Any) -> None:
    """Take one step of a task whose context the loop has entered already."""
    run = _run_of(task)
    if run is None or not run.recorder.is_open:
        callback(*args)
    else:
        _step(run, task, _called, callback, *args)


def _called(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)
