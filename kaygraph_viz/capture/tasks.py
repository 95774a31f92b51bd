"""Capturing `asyncio`: every task that descends from the recording, from its creation to its end, step by step.

Belongs here: the hooks in loops, which tasks are branches and what they are called, what a task did when. Does not
belong here: pools, in which `to_thread` and `run_in_executor` end (``futures``).

Every step of a task passes through ``Handle._run``, so no coroutine is wrapped and none is awaited. What a task waited
for is read off the frame in which it was suspended, when it goes on. Neighbouring steps of a few microseconds make one
stretch, of which only start, end and CPU time are kept.

A task that a library makes for itself is no branch of the program. One that the program makes of a coroutine of asyncio
is, such as those of ``gather(sleep(1), sleep(2))``.
"""

from __future__ import annotations

import asyncio.base_events
import sys
import threading
from asyncio import AbstractEventLoop, Task, current_task, futures, sleep, to_thread, wait_for
from asyncio.events import Handle, TimerHandle
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextvars import Context, copy_context
from types import CoroutineType, FrameType, FunctionType
from typing import Any, cast
from weakref import ref

from kaygraph_viz.base.parts import ALL_CPU, NO_SHARE, PART_CODE, Entry, PartLog
from kaygraph_viz.capture.calls import (
    NO_ATTRIBUTES,
    OpenCall,
    is_machinery,
    note_task_label,
    root_of,
    without_our_frames,
)
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.clock.clock import BLOCKING, FILES, REAL, due_at_s, innermost_frame, kind_of_wait
from kaygraph_viz.trace.lanes import CPU_RESOLUTION_NS, Lane, Lanes, Measured, measured_in
from kaygraph_viz.trace.recorder import LOOP_BLOCKED, Scope, _scope, span
from kaygraph_viz.trace.row import RowTuple, describe_error, safe_attributes
from kaygraph_viz.trace.span import Status

# What is read of a task comes by the class: a look at the task itself takes four times as long.
_is_done, _was_cancelled = Task.done, Task.cancelled

NO_TASK = 0  # the number of a task that is not known yet, or has ended
BLOCKS_LOOP_NS = 100_000_000  # a step that is longer holds up all other tasks; asyncio warns from there, too

# Of a task that has ended: what makes its row, its number and that of its parent, name, lane, submission [ns], status,
# error, attributes, links, and what its lane has noted.
_Facts = tuple[
    Any, int, int, str, str, int, Status, str | None, Mapping[str, Any] | None, tuple[int, ...] | None, "Told"
]

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
    yield OnImport(
        "kaygraph_viz.clock.virtual.loop", lambda module: [Patch(module.VirtualLoop, "_take_step", _take_step)]
    )


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
    original: Callable[..., Task[Any]],
    loop: AbstractEventLoop,
    coro: Coroutine[Any, Any, Any],
    options: dict[str, Any],
    run: TaskRun,
) -> Task[Any]:
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


# -- which tasks are branches, and their names -----------------------------------------------------------------------


_WAITS_IN_A_TASK = sys.version_info < (3, 12)  # then `wait_for` makes a task of what it is given
_MAKERS = frozenset(  # what makes tasks of the coroutines that its caller has made
    {
        "Runner.run",
        "TaskGroup.create_task",
        "_AsCompletedIterator.__init__",
        "_ensure_future",
        "as_completed",
        "create_task",
        "ensure_future",
        "gather",
        "run",
    }
)

_libraries: dict[str, str] = {}  # by the file of a coroutine; nothing for the program itself


def task_name(coroutine: Any) -> str | None:
    """Return the name of a task that `create_task` is making; None for one that is no branch of the program."""
    try:
        library = _libraries[coroutine.cr_code.co_filename]
    except (AttributeError, KeyError):
        library = _library_of(coroutine)
    if library:
        if library != "asyncio" or not _is_asked_for(sys._getframe(1)):
            return None
        # The work of a coroutine of these, which has not begun, is a branch without it.
        is_for_thread = getattr(coroutine, "cr_code", None) is to_thread.__code__
        if is_for_thread or (_WAITS_IN_A_TASK and _given_to_wait_for(coroutine) is not None):
            return None
        coroutine = work_of(coroutine)
    name: Any = getattr(coroutine, "__qualname__", None) or type(coroutine).__qualname__
    return name if name.__class__ is str and ">" not in name else str(name).rpartition("<locals>.")[2]


def work_of(coroutine: Any) -> Any:
    """Return the coroutine that a task is there for: what `wait_for` is given, or itself."""
    given = _given_to_wait_for(coroutine)
    return coroutine if given is None else given


def _given_to_wait_for(coroutine: Any) -> Any:
    """Return the coroutine that `wait_for` is given; None where there is none."""
    frame = getattr(coroutine, "cr_frame", None)
    if frame is None or coroutine.cr_code is not wait_for.__code__:
        return None
    given = frame.f_locals.get("fut")
    return given if isinstance(given, CoroutineType) else None


def _is_asked_for(hook: FrameType) -> bool:
    """Return whether it is the program that calls the hook with this frame, and not asyncio for itself."""
    frame = hook.f_back
    while frame is not None:
        module = frame.f_globals.get("__name__")  # a program may write anything there
        if module.__class__ is not str or module.partition(".")[0] != "asyncio":
            return module.__class__ is not str or not is_machinery(module)
        if frame.f_code.co_qualname.partition(".<locals>")[0] not in _MAKERS:
            return False
        frame = frame.f_back
    return False


def _library_of(coroutine: Any) -> str:
    code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "gi_code", None)
    frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
    module = getattr(coroutine, "__module__", None) or (frame is not None and frame.f_globals.get("__name__"))
    library = root_of(module) if is_machinery(module or None) else ""
    if code is not None and not code.co_filename.startswith("<"):  # such as <string>, which is no file
        _libraries[code.co_filename] = library
    return library


# -- what a task did when --------------------------------------------------------------------------------------------


CPU, WAIT, GIL, BLOCKED, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "wait", "gil", "blocked", "unknown"))
SHORT_WAIT_NS = 50_000  # what a shorter wait was for is not looked up
SLEEP = sleep.__code__
OLDEST_READING_NS = 200_000  # of the CPU clock when a step begins
ENDS_SLEEP: Any = vars(futures)["_set_result_unless_cancelled"]  # what the timer of a sleep calls

_get_coro, _get_loop = Task.get_coro, Task.get_loop  # by the class, as in ``tasks``

# Of a wait: the code of its part, when it began, the task was ready again and went on [ns], its CPU time then [ns].
NUMBERS = 5
MOST_NUMBERS = 8 * NUMBERS  # that wait to be written to the log: they are kept in a tuple, which is small
# What was noted of a task: when it began, from and to when the steps go that its log does not have, up to when it is
# told [ns], its CPU time before those steps and in all [ns], whether that is wanted, the entries of its log, its waits.
Told = tuple[int, int, int, int, int, int, bool, Sequence[Entry], tuple[int, ...]]


class TaskLane(Lane):
    """The lane of a task: its CPU clock runs while the task has the loop."""

    __slots__ = ("_free", "_ran_before_ns", "_since_ns", "_waits", "began_ns", "cpu", "due_s", "ended_ns", "ran_ns")

    def __init__(self, name: str, cpu_clock: Callable[[], int] | None, _: int = 0, *, is_exact: bool = False) -> None:
        super().__init__(name, cpu_clock, is_exact=is_exact)
        self._free: list[TaskLane] = []
        self._waits: tuple[int, ...] = ()  # those that are not in the log yet, one after the other
        # CPU time of its steps so far, and before the stretch under way; when the step under way began, 0 between two.
        self.ran_ns = self._ran_before_ns = self.began_ns = 0
        self._since_ns = self.ended_ns = 0  # when the stretch of short steps began, and when the last step ended
        self.cpu = _here.cpu  # the clock of the thread of its loop
        self.due_s: float | None = None  # when the timer of a sleep that has ended was due, by its loop [s]

    def give_back(self) -> None:
        """Note that its task has ended."""
        self._free.append(self)

    def end_long_step(self, ended_ns: int) -> None:
        """Note that the step under way has ended, which is long enough for a reading of the CPU clock."""
        began_ns, self.began_ns = self.began_ns, 0
        if self.notes_itself:
            self.ended_ns = ended_ns
            return
        used_ns = ended_ns - began_ns if self._clock is None else _here.cpu.since_last(began_ns, ended_ns)
        self._close_stretch(began_ns)
        self.log.settle(began_ns, ended_ns, 0, used_ns)
        self.ran_ns += used_ns
        self._since_ns = self.ended_ns = ended_ns
        self._ran_before_ns = self.ran_ns

    def end_wait(self, task: Task[Any], now_ns: int) -> None:
        """Note what the task waited for since its last step, which is no short while ago."""
        last_ns, ready_ns = self.ended_ns, now_ns
        due_s = self.due_s
        if due_s is not None:
            code, self.due_s = WAIT, None
        elif task._fut_waiter is None:  # type: ignore[attr-defined]  # it only let others go first
            code, ready_ns = GIL, last_ns
        else:
            code, due_s = told_by(_get_coro(task))
        if due_s is not None:
            late_ns = int((_get_loop(task).time() - due_s) * 1e9)
            if late_ns >= CPU_RESOLUTION_NS:
                ready_ns = max(last_ns, now_ns - late_ns)
        self._waits += (code, last_ns, ready_ns, now_ns, self.ran_ns)
        if self.log.entries or len(self._waits) > MOST_NUMBERS:
            self._write()

    def _write(self) -> None:
        """Write the waits to the log, with the steps between them."""
        if self._waits:
            waits, self._waits = self._waits, ()
            self._since_ns, self._ran_before_ns = _write_waits(self.log, waits, self._since_ns, self._ran_before_ns)

    def _close_stretch(self, until_ns: int) -> None:
        """Write what was noted until the end of a step [ns] to the log."""
        self._write()
        _write_steps(self.log, self._since_ns, until_ns, self._ran_before_ns, self.ran_ns)
        self._since_ns, self._ran_before_ns = until_ns, self.ran_ns

    def noting(self) -> PartLog | None:
        """Return the log in which what the task does is noted."""
        self._write()
        return super().noting()

    def cpu_at(self, now_ns: int) -> int:
        """Return the CPU time of the task until `now_ns` [ns]."""
        return self.ran_ns + (now_ns - self.began_ns if self.began_ns else 0)

    def cpu_between(self, cpu_at_start_ns: int, started_ns: int, ended_ns: int) -> int:
        """Return the CPU time of a span that ends now [ns]; -1 where CPU time is not wanted."""
        if self._clock is None:
            return -1
        return max(0, min(self.cpu_at(ended_ns) - cpu_at_start_ns, ended_ns - started_ns))

    def measured(self, cpu_at_start_ns: int, started_ns: int, ended_ns: int) -> Measured:
        """Return CPU time, blocked time and parts of a span in the task, which ends now [ns], in a step."""
        if self.notes_itself:
            return super().measured(cpu_at_start_ns, started_ns, ended_ns)
        if started_ns >= self.began_ns > 0 and not self.log.entries and not self._waits:
            return self.cpu_between(cpu_at_start_ns, started_ns, ended_ns), 0, None
        if self.began_ns:
            self.end_long_step(ended_ns)
            self.began_ns = ended_ns
        self._close_stretch(self.ended_ns)
        _, blocked_ns, parts = measured_in(self.log, started_ns, ended_ns, has_cpu=False)
        return self.cpu_between(cpu_at_start_ns, started_ns, ended_ns), blocked_ns, parts

    def told(self, started_ns: int, now_ns: int) -> Measured:
        """Return CPU time, blocked time and parts of the task, which began at `started_ns` [ns]; changes nothing."""
        if self.notes_itself:
            return measured_in(self.log, started_ns, now_ns, has_cpu=self._clock is not None)
        until_ns = now_ns if self.began_ns else self.ended_ns
        so_far = (
            started_ns,
            self._since_ns,
            until_ns,
            now_ns,
            self._ran_before_ns,
            self.cpu_at(now_ns),
            self._clock is not None,
            self.log.entries,
            self._waits,
        )
        return told_of(so_far)

    def hand_over(self, started_ns: int) -> Told:
        """Give the lane back, and return what was noted of its task, which has ended with its last step."""
        entries: Sequence[Entry] = ()
        waits, self._waits = self._waits, ()
        if self.log.entries:
            entries, self.log.entries = self.log.entries, []
        ended_ns = self.ended_ns
        told = (
            started_ns,
            self._since_ns,
            ended_ns,
            ended_ns,
            self._ran_before_ns,
            self.ran_ns,
            self._clock is not None,
            entries,
            waits,
        )
        self._free.append(self)
        return told


def lane_for(lanes: Lanes, free: list[TaskLane], now_ns: int) -> TaskLane:
    """Return a lane for a task whose first step begins now [ns]: one of those that are free, or a new one."""
    try:
        lane = free.pop()
        if lane.log.entries:
            lane.log.entries.clear()
        lane.ran_ns = lane._ran_before_ns = lane.began_ns = 0
        lane.due_s = None
    except IndexError:
        lane = cast("TaskLane", lanes.take("task", TaskLane))
        lane._free = free
    lane._since_ns = lane.ended_ns = now_ns
    lane.cpu = cpu = _here.cpu
    if now_ns - cpu.read_ns > OLDEST_READING_NS:
        cpu.read(now_ns)
    return lane


def told_of(told: Told) -> Measured:
    """Return CPU time, blocked time and parts of a task."""
    started_ns, since_ns, until_ns, now_ns, ran_before_ns, ran_ns, has_cpu, noted, waits = told
    cpu_ns = min(ran_ns, now_ns - started_ns) if has_cpu else -1
    if not noted and not waits and until_ns == now_ns:  # short steps alone: their sum says it all
        return cpu_ns, 0, None
    log = PartLog()
    log.entries = entries = list(noted)
    since_ns, ran_before_ns = _write_waits(log, waits, since_ns, ran_before_ns)
    if entries and entries[-1][2] > since_ns:
        since_ns = entries[-1][2]
    if until_ns > since_ns:
        entries.append(_stretch(since_ns, until_ns, ran_ns - ran_before_ns))
    if until_ns < now_ns:
        entries.append((WAIT, until_ns, now_ns, NO_SHARE, -1))
    if len(entries) == 1 and entries[0][0] == CPU:
        return cpu_ns, 0, None
    if entries and entries[0][1] > started_ns:  # a very long log has lost its begin
        entries.insert(0, (UNKNOWN, started_ns, entries[0][1], NO_SHARE, -1))
    blocked_ns = sum([until_ns - began_ns for code, began_ns, until_ns, *_ in entries if code == BLOCKED])
    return cpu_ns, blocked_ns, tuple([(code, until_ns, share) for code, _, until_ns, share, _ in entries])


def _write_waits(log: PartLog, waits: tuple[int, ...], since_ns: int, ran_before_ns: int) -> tuple[int, int]:
    """Write waits to a log, and the steps before each; return when those after them began, and the CPU time then."""
    numbers = iter(waits)
    for code, began_ns, ready_ns, ended_ns, ran_ns in zip(*[numbers] * NUMBERS, strict=True):
        _write_steps(log, since_ns, began_ns, ran_before_ns, ran_ns)
        if ready_ns > began_ns:
            log.entries.append((code, began_ns, ready_ns, NO_SHARE, -1))
        if ended_ns > ready_ns:
            log.entries.append((GIL, ready_ns, ended_ns, NO_SHARE, -1))
        since_ns, ran_before_ns = ended_ns, ran_ns
    return since_ns, ran_before_ns


def _write_steps(log: PartLog, since_ns: int, until_ns: int, ran_before_ns: int, ran_ns: int) -> None:
    """Write steps from `since_ns` to `until_ns` [ns] to a log, as one stretch but for what it has of them already."""
    if until_ns <= since_ns:
        return
    entries = log.entries
    if entries and entries[-1][2] > since_ns:
        log.settle(since_ns, until_ns, ran_before_ns, ran_ns)
    else:
        entries.append(_stretch(since_ns, until_ns, ran_ns - ran_before_ns))


def _stretch(since_ns: int, until_ns: int, ran_ns: int) -> Entry:
    lasted_ns = until_ns - since_ns
    is_cpu = lasted_ns < CPU_RESOLUTION_NS or ran_ns >= ALL_CPU * lasted_ns
    return (CPU, since_ns, until_ns, NO_SHARE, -1) if is_cpu else (UNKNOWN, since_ns, until_ns, ran_ns / lasted_ns, -1)


def told_by(coroutine: Any) -> tuple[int, float | None]:
    """Return for what a suspended coroutine waits, as the code of a part, and when a sleep ends by its loop [s]."""
    try:
        while (awaited := coroutine.cr_await).__class__ is CoroutineType:
            coroutine = awaited
        code = coroutine.cr_code
    except AttributeError:  # generators and extension types are coroutines, too
        return PART_CODE[kind_of_wait(innermost_frame(coroutine))], None
    if code is SLEEP:
        return WAIT, due_at_s(coroutine.cr_frame)
    return (BLOCKED if code.co_filename in FILES and code.co_qualname in BLOCKING else WAIT), None


class _CpuClock:
    """The CPU clock of the thread of a loop, read no more often than needed: a reading costs as much as a step."""

    __slots__ = ("cpu_ns", "read_ns")

    def __init__(self) -> None:
        self.read_ns = self.cpu_ns = 0

    def read(self, now_ns: int) -> None:
        self.read_ns, self.cpu_ns = now_ns, REAL.cpu_ns()

    def since_last(self, began_ns: int, now_ns: int) -> int:
        """Return how long the thread computed in a step [ns], with what it computed since the last reading."""
        before_ns = self.cpu_ns
        self.read(now_ns)
        return min(now_ns - began_ns, self.cpu_ns - before_ns)


class _Here(threading.local):
    def __init__(self) -> None:
        self.cpu = _CpuClock()


_here = _Here()
