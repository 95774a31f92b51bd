"""Capturing `asyncio`: every task that descends from the recording, from its creation to its end, step by step.

Belongs here: the hooks in loops, and what a task did when. Does not belong here: pools, in which `to_thread` and
`run_in_executor` end (``futures``).

Every step of a task passes through ``Handle._run``, so no coroutine is wrapped and none is awaited. What a task waited
for is read off the frame in which it was suspended, when it goes on (``task_lanes``).
"""

from __future__ import annotations

import asyncio.base_events
from asyncio import AbstractEventLoop, Task, current_task
from asyncio.events import Handle, TimerHandle
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextvars import Context, copy_context
from types import FunctionType
from typing import Any
from weakref import ref

from kaygraph_viz.capture.calls import NO_ATTRIBUTES, OpenCall, without_our_frames
from kaygraph_viz.capture.labels import note_task_label
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.capture.task_lanes import (
    ENDS_SLEEP,
    OLDEST_READING_NS,
    SHORT_WAIT_NS,
    TaskLane,
    Told,
    lane_for,
    told_of,
)  # fmt: skip
from kaygraph_viz.capture.task_names import task_name, work_of
from kaygraph_viz.trace.attributes import describe_error, safe_attributes
from kaygraph_viz.trace.lanes import CPU_RESOLUTION_NS, Lane
from kaygraph_viz.trace.recorder import Scope, _scope, span
from kaygraph_viz.trace.span import RowTuple, Status
from kaygraph_viz.trace.waiting import LOOP_BLOCKED

__all__ = ["hooks"]

# What is read of a task comes by the class: a look at the task itself takes four times as long.
_is_done, _was_cancelled = Task.done, Task.cancelled

NO_TASK = 0  # the number of a task that is not known yet, or has ended
BLOCKS_LOOP_NS = 100_000_000  # a step that is longer holds up all other tasks; asyncio warns from there, too

# Of a task that has ended: what makes its row, its number and that of its parent, name, lane, submission [ns], status,
# error, attributes, links, and what its lane has noted.
_Facts = tuple[
    Any, int, int, str, str, int, Status, str | None, Mapping[str, Any] | None, tuple[int, ...] | None, Told
]  # fmt: skip

# The runs of tasks whose context somebody handed in, so that others may have it, too: by the id of the task.
_sharing: dict[int, tuple[ref[Task[Any]], TaskRun]] = {}


def hooks() -> Iterator[Hook]:
    """Yield the hooks of the loops of asyncio and of uvloop."""
    yield Patch(asyncio.base_events.BaseEventLoop, "create_task", _create_task)
    yield Patch(TimerHandle, "_run", _run_timer)  # which is none of its own
    yield Patch(Handle, "_run", _run_handle)
    # A loop that never calls `Handle._run`: tasks ask it for each step by `call_soon`.
    makers = {"create_task": _create_task, "call_soon": _call_soon}
    yield OnImport("uvloop", lambda module: [Patch(module.Loop, name, make) for name, make in makers.items()])
    # The loop in simulated time notes itself what its tasks do.
    yield OnImport("kaygraph_viz.virtual.loop", lambda module: [Patch(module.VirtualLoop, "_take_step", _take_step)])


class TaskRun(OpenCall):
    """A task as an open span, and as the scope of what it does."""

    __slots__ = ("_around", "_inside", "is_sharing", "task_id")
    _inside: Scope | span | None
    _around: Scope | span | None
    _lane: TaskLane
    kind, index, attempt = "branch", -1, 1  # of all of them

    def __init__(self, parent: Scope | span, name: str, is_sharing: bool) -> None:
        # All that `OpenCall` sets, without the cost of its call.
        self.recorder = recorder = parent.recorder
        self.parent = parent
        self.name = name
        self.span_id = 0
        self.is_over = False
        self._attributes = NO_ATTRIBUTES
        self._links = ()
        now_ns = recorder.now_ns  # by a variable: Python would look for a method of that name first, at each call
        self.submitted_ns = now_ns()
        self.task_id = 0
        self.is_sharing = is_sharing
        # The scope in force when it was suspended, if it shares its context; None is itself: no circle to collect.
        self._inside = self._around = None  # and the one that was there before it

    def enter(self) -> None:
        """Make this the run of the calling context."""
        if not self.span_id:
            self._around = _scope.get()
        _scope.set(self._inside or self)

    def leave(self) -> None:
        """Leave the calling context as it was."""
        _scope.set(self._around)

    def begin_step(self, task: Task[Any] | None) -> None:
        """Note that a step begins."""
        recorder = self.recorder
        read_ns = recorder.now_ns
        now_ns = read_ns()
        if self.span_id:
            lane = self._lane
            if now_ns - lane.cpu.read_ns > OLDEST_READING_NS:
                lane.cpu.read(now_ns)
            if now_ns - lane.ended_ns >= SHORT_WAIT_NS and task is not None and not lane.notes_itself:
                lane.end_wait(task, now_ns)
            else:
                lane.due_s = None
        else:
            found = recorder.lanes.lane_of_task
            if found.__class__ is not _Lanes:
                found = recorder.lanes.lane_of_task = _Lanes()
            self._lane = lane = lane_for(recorder.lanes, found.free, now_ns)
            self._started_ns = now_ns
            next_id = recorder.next_id
            self.span_id = number = next_id()
            recorder.open_spans[number] = self
        lane.began_ns = now_ns

    def end_step(self, task: Task[Any] | None, context: Context | None) -> None:
        """Note that the step under way has ended; `context` is that of the task if it is not that of the caller."""
        read_ns = self.recorder.now_ns
        now_ns = read_ns()
        lane = self._lane
        lasted_ns = now_ns - lane.began_ns
        if lasted_ns < CPU_RESOLUTION_NS:
            lane.ran_ns += lasted_ns
            lane.began_ns = 0
            lane.ended_ns = now_ns
        else:
            if lasted_ns >= BLOCKS_LOOP_NS:
                self._note_blocked_loop(lane.began_ns, now_ns)
            lane.end_long_step(now_ns)
        if task is not None and _is_done(task):
            self.finish(task, now_ns)
            if self.is_sharing:
                _sharing.pop(id(task), None)
                self.leave() if context is None else context.run(self.leave)
        elif self.is_sharing:
            self._inside = _scope.get() if context is None else context.get(_scope)

    def _note_blocked_loop(self, began_ns: int, ended_ns: int) -> None:
        recorder = self.recorder
        before_s = self._attributes.get("loop_blocked_s", 0.0)
        self.set(loop_blocked_s=round(before_s + (ended_ns - began_ns) / 1e9, 6))
        recorder.add((
            recorder.next_id(), self.span_id, -1, LOOP_BLOCKED, "wait", self._lane.name, began_ns, began_ns, ended_ns,
            -1, 0, "ok", 1, None, None, None, None,
        ))  # fmt: skip

    def finish(self, task: Task[Any], now_ns: int) -> None:
        """Record the task, which has ended."""
        recorder, lane, parent = self.recorder, self._lane, self.parent
        self.is_over = True
        self.task_id = NO_TASK
        status: Status = "ok"
        error = attributes = None
        if task._exception is not None:  # `exception()` would mark it as retrieved
            status, error = "error", describe_error(task._exception)
        elif _was_cancelled(task):
            status = "cancelled"
        if lane.notes_itself:
            recorder.add(self._row_of(now_ns, lane.told(self._started_ns, now_ns), status, error))
            lane.give_back()
        else:
            if self._attributes:
                attributes = safe_attributes(self._attributes)
            recorder.late.put((
                _row_of_ended, self.span_id, self.parent_id if parent.is_over else parent.span_id, self.name,
                lane.name, self.submitted_ns, status, error, attributes, self._links, lane.hand_over(self._started_ns),
            ))  # fmt: skip
        recorder.open_spans.pop(self.span_id, None)

    def abandoned_row(self, now_ns: int) -> RowTuple:
        """Return the row of this task if it is cut off now."""
        return self._row_of(now_ns, self._lane.told(self._started_ns, now_ns), "abandoned", None)


def _row_of_ended(facts: _Facts) -> RowTuple:
    """Return the row of a task that has ended; it is made when there is time."""
    _, span_id, parent_id, name, lane, submitted_ns, status, error, attributes, links, told = facts
    cpu_ns, blocked_ns, parts = told_of(told)
    return (
        span_id, parent_id, -1, name, "branch", lane, submitted_ns, told[0], told[3], cpu_ns, blocked_ns, status, 1,
        error, attributes, links, parts,
    )  # fmt: skip


class _Lanes:
    """Finds the lanes of the tasks of one recording, and keeps those that are free."""

    def __init__(self) -> None:
        self.free: list[TaskLane] = []

    def __call__(self, task: Task[Any]) -> Lane | None:
        """Return the lane of a task that is recorded; None for another one."""
        run = _run_in(_scope.get())
        if run is None or run.is_over or not run.span_id or run.recorder.lanes.lane_of_task is not self:
            return None
        return run._lane if run.task_id in (id(task), 0) else None  # 0: it takes its first step at once


def _run_in(scope: Scope | span | None) -> TaskRun | None:
    """Return the run of the task in whose context a scope is in force, or of one from which that context descends."""
    while scope is not None and scope.__class__ is not TaskRun:
        scope = scope.parent
    return scope


def _run_of(task: object, scope: Scope | span | None) -> TaskRun | None:
    """Return the run of a task, given the scope in its context; None if it is not recorded."""
    run = scope if scope.__class__ is TaskRun else _run_in(scope)
    number = id(task)  # which another task may have had
    return run if run is not None and run.task_id == number and not run.is_over else None


def _sharing_run(task: object) -> TaskRun | None:
    found = _sharing.get(id(task))
    return found[1] if found is not None and found[0]() is task else None


def _create_task(original: Callable[..., Task[Any]]) -> Callable[..., Task[Any]]:
    def create_task(self: Any, coro: Coroutine[Any, Any, Any], **options: Any) -> Task[Any]:
        try:
            scope = _scope.get()
            if scope is None or not (recorder := scope.recorder).is_open or "asyncio" not in recorder.captured:
                return original(self, coro, **options)
            name = task_name(coro)
            if name is None:
                return original(self, coro, **options)
            run = TaskRun(scope, name, bool(options) and options.get("context") is not None)
            if recorder.label is not None:
                note_task_label(run, work_of(coro))
            if (options or getattr(self, "_task_factory", None) is not None) and _begins_at_once(self, options):
                return _created_eagerly(original, self, coro, options, run)
            if run.is_sharing:
                task = original(self, coro, **options)
            else:  # the context of the task is a copy of this one
                outer = _scope.set(run)
                try:
                    task = original(self, coro, **options) if options else original(self, coro)
                finally:
                    _scope.reset(outer)
                if task.__class__ is Task:  # `_follow` without the cost of a call
                    run.task_id = id(task)
                    return task
            _follow(task, run)
        except BaseException as error:
            without_our_frames(error)
            raise
        return task

    return create_task


def _follow(task: Task[Any], run: TaskRun) -> None:
    if isinstance(task, Task):  # a task factory may return anything
        run.task_id = number = id(task)
        if run.is_sharing:
            _sharing[number] = ref(task, lambda _: _sharing.pop(number, None)), run


def _begins_at_once(loop: Any, options: dict[str, Any]) -> bool:
    """Return whether a task takes its first step as it is made: by its option, from Python 3.14 on, or its factory."""
    factory = getattr(loop, "_task_factory", None)
    if factory is None and "eager_start" not in options:
        return False
    is_usual = str(getattr(factory, "__module__", "")).startswith("asyncio")
    return bool(options.get("eager_start", is_usual)) and loop.is_running()


def _created_eagerly(
    original: Callable[..., Task[Any]], loop: AbstractEventLoop, coro: Coroutine[Any, Any, Any],
    options: dict[str, Any], run: TaskRun,
) -> Task[Any]:  # fmt: skip
    """Create a task whose first step is taken at once, before it can be known."""
    if not run.is_sharing:
        options["context"] = copy_context()
    context: Context = options["context"]
    creator = _run_of(current_task(loop), _scope.get())
    if creator is not None:
        creator.end_step(None, None)
    context.run(run.enter)
    run.begin_step(None)
    task = original(loop, coro, **options)
    _follow(task, run)
    run.end_step(task, context)
    if creator is not None:
        creator.begin_step(None)
    return task


def _run_handle(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def _run_recorded(self: Any) -> None:
        try:
            callback = self._callback
            if callback.__class__ is FunctionType:  # steps of tasks are methods
                original(self)
                return
            context = self._context
            task, scope = getattr(callback, "__self__", None), context.get(_scope)
            run: Any = scope
            if scope.__class__ is not TaskRun or run.task_id != id(task):
                run = _run_of(task, scope)
                if run is None and _sharing and (run := _sharing_run(task)) is not None and run.recorder.is_open:
                    context.run(run.enter)
            if run is None or not run.recorder.is_open:
                original(self)
                return
            try:  # a fault of ours must not reach the loop: it ends the recording, and the task goes on
                run.begin_step(task)
            except Exception as error:
                run.recorder.give_up(error)
            original(self)
            if run.recorder.is_open:
                try:
                    run.end_step(task, context)
                except Exception as error:
                    run.recorder.give_up(error)
        except BaseException as error:
            without_our_frames(error)
            raise

    return _run_recorded


def _run_timer(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def _run_recorded(self: Any) -> None:
        try:
            if self._callback is ENDS_SLEEP:
                run = self._context.get(_scope)
                if run.__class__ is TaskRun and run.span_id and not run.is_over:
                    run._lane.due_s = self._when
            original(self)
        except BaseException as error:
            without_our_frames(error)
            raise

    return _run_recorded


def _call_soon(original: Callable[..., Any]) -> Callable[..., Any]:
    def call_soon(self: Any, callback: Any, *args: Any, context: Context | None = None) -> Any:
        if isinstance(task := getattr(callback, "__self__", None), Task):  # it may be one that is just being created
            callback, args = _step_in_context, (callback, task, *args)
        try:
            return original(self, callback, *args, context=context)
        except BaseException as error:
            without_our_frames(error)
            raise

    return call_soon


def _step_in_context(callback: Callable[..., None], task: Task[Any], *args: Any) -> None:
    """Take one step of a task whose context the loop has entered already."""
    try:
        run = _run_of(task, _scope.get())
        if run is None and (run := _sharing_run(task)) is not None and run.recorder.is_open:
            run.enter()
        if run is None or not run.recorder.is_open:
            callback(*args)
            return
        try:
            run.begin_step(task)
        except Exception as error:
            run.recorder.give_up(error)
        callback(*args)
        if run.recorder.is_open:
            try:
                run.end_step(task, None)
            except Exception as error:
                run.recorder.give_up(error)
    except BaseException as error:
        without_our_frames(error)
        raise


def _take_step(original: Callable[..., None]) -> Callable[..., None]:
    def _take_step_recorded(self: Any, task: Any, callback: Callable[..., None], *args: Any) -> None:
        def take(*args: Any) -> None:
            run = _run_of(task, _scope.get()) or _sharing_run(task)
            if run is not None and run.span_id:
                run._lane.log = task.log
            original(self, task, callback, *args)

        _step_in_context(take, task, *args)

    return _take_step_recorded
