"""Capturing `asyncio`: every task that descends from the recording, from its creation to its end, step by step.

Belongs here: the hooks in loops, and what a task did when. Does not belong here: pools, in which `to_thread` and
`run_in_executor` end (``futures``).

Every step of a task passes through ``Handle._run``, so no coroutine is wrapped and none is awaited. What a task waited
for is read off the frame in which it was suspended, when it goes on (``task_lanes``).
"""

from __future__ import annotations

import asyncio.base_events
from asyncio import AbstractEventLoop, Task, current_task
from asyncio.events import Handle
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, ContextVar, copy_context
from types import ModuleType
from typing import Any
from weakref import ref

from kaygraph_viz.capture.calls import OpenCall, scope_by_context
from kaygraph_viz.capture.names import is_machinery
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.capture.task_lanes import OLDEST_READING_NS, SHORT_WAIT_NS, TaskLane, TaskLanes
from kaygraph_viz.trace.attributes import describe_error
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.recorder import Scope, _scope, span
from kaygraph_viz.trace.span import RowTuple, Status

__all__ = ["hooks"]

BLOCKS_LOOP_NS = 100_000_000  # a step that is longer holds up all other tasks; asyncio warns from there, too
LOOP_BLOCKED = "loop blocked"

# In the context of a task, which descends from that of its creator: the run of the task or of one around it.
_run: ContextVar[TaskRun | None] = ContextVar("kaygraph_viz_task", default=None)
# The runs of tasks whose context somebody handed in, so that others may have it, too: by the id of the task.
_sharing: dict[int, tuple[ref[Task[Any]], TaskRun]] = {}
_is_library: dict[str, bool] = {}  # by the file of a coroutine


def hooks() -> Iterator[Hook]:
    """Yield the hooks of the loops of asyncio and of uvloop."""
    yield Patch(asyncio.base_events.BaseEventLoop, "create_task", _create_task)
    yield Patch(Handle, "_run", _run_handle)
    yield OnImport("uvloop", _uvloop_hooks)


class TaskRun(OpenCall):
    """A task as an open span, and as the scope of what it does.

    Parameters
    ----------
    parent, name
        As for `OpenCall`.
    is_sharing
        Whether other tasks may have its context, since somebody handed it in.
    """

    __slots__ = ("_around", "_inside", "is_sharing", "task_id")
    _lane: TaskLane

    def __init__(self, parent: Scope | span, name: str, *, is_sharing: bool) -> None:
        # All that `OpenCall` sets, without the cost of its call.
        self.recorder = recorder = parent.recorder
        self.parent = parent
        self.name = name
        self.kind = "branch"
        self.index, self.attempt, self.span_id = -1, 1, 0
        self.is_over = False
        self._attributes, self._links = {}, ()
        self.submitted_ns = recorder.now_ns()
        self.task_id = 0
        self.is_sharing = is_sharing
        if is_sharing:
            self._inside: Scope | span | None = self  # the scope that was in force when it was suspended
            self._around: tuple[TaskRun | None, Scope | span | None] = None, None  # what was there before it

    def is_of(self, task: object) -> bool:
        """Return whether this is the run of a task, whose number another one may have had."""
        return self.task_id == id(task) and not self.is_over

    def enter(self) -> None:
        """Make this the run of the calling context."""
        if not self.span_id:
            self._around = _run.get(), _scope.get()
        _run.set(self)
        _scope.set(self._inside)

    def leave(self) -> None:
        """Leave the calling context as it was."""
        run, scope = self._around
        _run.set(run)
        _scope.set(scope)

    def start(self, now_ns: int) -> None:
        """Note that the first step begins."""
        recorder = self.recorder
        self._lane = lane = TaskLanes.of(recorder.lanes, _lane_of_task).take()
        lane.begin(now_ns)
        self._started_ns = now_ns
        self.span_id = number = recorder.next_id()
        recorder.open_spans[number] = self

    def begin_step(self, task: Task[Any] | None) -> None:
        """Note that a step begins."""
        now_ns = self.recorder.now_ns()
        if not self.span_id:
            self.start(now_ns)
            lane = self._lane
        else:
            lane = self._lane
            if now_ns - lane.checked_ns > OLDEST_READING_NS:
                lane.check_clock(now_ns)
            if now_ns - lane.ended_ns >= SHORT_WAIT_NS and task is not None:
                lane.end_wait(task, now_ns)
        lane.began_ns = now_ns

    def end_step(self, task: Task[Any] | None, in_context: Callable[..., Any]) -> None:
        """Note that the step under way has ended; `in_context` calls a function in the context of the task."""
        now_ns = self.recorder.now_ns()
        lane = self._lane
        if now_ns - lane.began_ns >= BLOCKS_LOOP_NS:
            self._note_blocked_loop(lane.began_ns, now_ns)
        lane.end_step(now_ns)
        if task is None:
            return
        if task.done():
            self.finish(task, now_ns)
            if self.is_sharing:
                _sharing.pop(self.task_id, None)
                in_context(self.leave)
        elif self.is_sharing:
            self._inside = in_context(_scope.get)

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
        recorder, lane = self.recorder, self._lane
        self.is_over = True
        status: Status = "ok"
        error = None
        if task._exception is not None:  # `exception()` would mark it as retrieved
            status, error = "error", describe_error(task._exception)
        elif task.cancelled():
            status = "cancelled"
        recorder.add(self._row_of(now_ns, lane.told(self._started_ns, now_ns), status, error))
        recorder.open_spans.pop(self.span_id, None)
        TaskLanes.of(recorder.lanes, _lane_of_task).give_back(lane)

    def abandoned_row(self, now_ns: int) -> RowTuple:
        """Return the row of this task if it is cut off now."""
        return self._row_of(now_ns, self._lane.told(self._started_ns, now_ns), "abandoned", None)


def _lane_of_task(task: Task[Any]) -> Lane | None:
    run = _run.get()
    if run is not None and run.span_id and (run.is_of(task) or not run.task_id):  # one takes its first step at once
        return run._lane
    return None


def _sharing_run(task: object) -> TaskRun | None:
    found = _sharing.get(id(task))
    return found[1] if found is not None and found[0]() is task else None


def _name_of(coroutine: Any) -> str | None:
    """Return the name of a task; None for what belongs to a library."""
    code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "gi_code", None)
    if code is None or (is_library := _is_library.get(code.co_filename)) is None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        module = getattr(coroutine, "__module__", None) or (frame is not None and frame.f_globals.get("__name__"))
        is_library = is_machinery(module or None)
        if code is not None:
            _is_library[code.co_filename] = is_library
    name = getattr(coroutine, "__qualname__", None) or type(coroutine).__qualname__
    return None if is_library else str(name).rpartition("<locals>.")[2]


def _create_task(original: Callable[..., Task[Any]]) -> Callable[..., Task[Any]]:
    def create_task(self: Any, coro: Coroutine[Any, Any, Any], **options: Any) -> Task[Any]:
        scope = scope_by_context("asyncio")
        name = None if scope is None else _name_of(coro)
        if scope is None or name is None:
            return original(self, coro, **options)
        run = TaskRun(scope, name, is_sharing=options.get("context") is not None)
        if _is_eager(self):
            return _created_eagerly(original, self, coro, options, run)
        if run.is_sharing:
            task = original(self, coro, **options)
        else:  # the context of the task is a copy of this one
            outer, around = _scope.set(run), _run.set(run)
            try:
                task = original(self, coro, **options)
            finally:
                _run.reset(around)
                _scope.reset(outer)
        _follow(task, run)
        return task

    return create_task


def _follow(task: Task[Any], run: TaskRun) -> None:
    if isinstance(task, Task):  # a task factory may return anything
        run.task_id = number = id(task)
        if run.is_sharing:
            _sharing[number] = ref(task, lambda _: _sharing.pop(number, None)), run


def _is_eager(loop: Any) -> bool:
    factory = getattr(loop, "_task_factory", None)
    return factory is not None and str(getattr(factory, "__module__", "")).startswith("asyncio")


def _created_eagerly(
    original: Callable[..., Task[Any]], loop: AbstractEventLoop, coro: Coroutine[Any, Any, Any],
    options: dict[str, Any], run: TaskRun,
) -> Task[Any]:  # fmt: skip
    """Create a task whose first step is taken at once, before it can be known."""
    if not run.is_sharing:
        options["context"] = copy_context()
    context: Context = options["context"]
    creator, current = _run.get(), current_task(loop)
    if creator is None or not creator.span_id or not creator.is_of(current):
        creator = None
    if creator is not None:
        creator.end_step(None, context.run)
    context.run(run.enter)
    run.begin_step(None)
    task = original(loop, coro, **options)
    _follow(task, run)
    run.end_step(task, context.run)
    if creator is not None:
        creator.begin_step(None)
    return task


def _run_handle(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def _run_recorded(self: Any) -> None:
        task, context = getattr(self._callback, "__self__", None), self._context
        run = context.get(_run)
        if run is None or run.task_id != id(task) or run.is_over:
            run = _sharing_run(task) if _sharing else None
            if run is not None and run.recorder.is_open:
                context.run(run.enter)
        if run is None or not run.recorder.is_open:
            original(self)
            return
        try:  # a fault of ours must not reach the loop: it ends the recording, and the task goes on
            run.begin_step(task)
        except Exception as error:
            run.recorder.give_up(error)
        original(self)
        try:
            run.end_step(task, context.run)
        except Exception as error:
            run.recorder.give_up(error)

    return _run_recorded


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
    run = _run.get()
    if run is None or not run.is_of(task):
        run = _sharing_run(task)
        if run is not None and run.recorder.is_open:
            run.enter()
    if run is None or not run.recorder.is_open:
        callback(*args)
        return
    try:
        run.begin_step(task)
    except Exception as error:
        run.recorder.give_up(error)
    callback(*args)
    try:
        run.end_step(task, _called)
    except Exception as error:
        run.recorder.give_up(error)


def _called(function: Callable[[], Any]) -> Any:
    return function()
