"""A call of the program as a branch: from when it was handed over until it ends, in the thread that runs it.

Belongs here: stamping calls that run in this process. Does not belong here: calls that go to other processes
(``remote``), where calls are intercepted (the module of each library), what they are called (``names``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType
from typing import Any, Self

from kaygraph_viz.capture.labels import note_label
from kaygraph_viz.capture.names import name_of, runs_in_context
from kaygraph_viz.trace.attributes import describe_error, safe_attributes
from kaygraph_viz.trace.lanes import Measured
from kaygraph_viz.trace.recorder import NO_SCOPE, Scope, _active, _scope, span
from kaygraph_viz.trace.span import Kind, RowTuple, Status

__all__ = [
    "AT_ONCE",
    "NO_ATTRIBUTES",
    "OpenCall",
    "call_recorded",
    "lost",
    "scope_by_context",
    "scope_for",
    "within",
    "without_our_frame",
    "without_our_frames",
]

AT_ONCE = -1  # no time: simulated time begins at 0
NO_ATTRIBUTES: dict[str, Any] = {}  # one for all: half a thousand calls at a time have to fit into a cache


def scope_for(kind: str) -> Scope | span | None:
    """Return the scope in which to record a call of a kind; None where no recording wants it."""
    scope = _scope.get() or _active[-1]
    recorder = scope.recorder
    return scope if kind in recorder.captured and recorder.is_open else None


def scope_by_context(kind: str) -> Scope | span | None:
    """Return the scope of the calling context: what is no descendant of the recording has none."""
    scope = _scope.get() or NO_SCOPE
    recorder = scope.recorder
    return scope if kind in recorder.captured and recorder.is_open else None


class OpenCall(span):
    """A call under way: an open span, and the scope of what runs in it."""

    __slots__ = ("attempt", "index", "submitted_ns")
    parent: Scope | span

    def __init__(
        self, parent: Scope | span, name: str, submitted_ns: int = AT_ONCE, kind: Kind = "branch", index: int = -1,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.recorder = parent.recorder
        self.parent = parent
        self.name = name
        self.kind = kind
        self.submitted_ns = submitted_ns
        self.index = index
        self.attempt = 1
        self._attributes = NO_ATTRIBUTES if attributes is None else dict(attributes)
        self._links = ()
        self.span_id = 0  # until it begins
        self.is_over = False

    def set(self, /, **attributes: Any) -> None:
        """Add attributes to the span."""
        self._attributes = {**self._attributes, **attributes}

    def link_to(self, numbers: tuple[int, ...]) -> None:
        """Note that this call needed the results of the spans with these numbers."""
        self._links = numbers

    def begin(self) -> Self:
        """Stamp the begin, in the thread that runs the call, and make this the scope there."""
        recorder = self.recorder
        self.span_id = recorder.next_id()
        self._token = _scope.set(self)
        self._lane = lane = recorder.lanes.mine()
        self._started_ns = now = recorder.now_ns()
        recorder.open_spans[self.span_id] = self
        self._cpu_ns = lane.cpu_at(now)
        return self

    def end(self, error: BaseException | None = None) -> None:
        """Stamp the end and record the span; `error` is what the call raised."""
        span.__exit__(self, None, error, None)  # `super()` would cost as much as a stamp

    __enter__ = begin

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        span.__exit__(self, kind, error, traceback)
        if error is not None:
            without_our_frames(error)

    @property
    def started_ns(self) -> int:
        """When it began [ns]."""
        return self._started_ns

    def cut(self, at_ns: int, **attributes: Any) -> None:
        """Record what came before `at_ns` [ns] as a branch of its own, which only computed; go on from there."""
        lasted_ns = at_ns - self._started_ns
        row = self._row_of(at_ns, (lasted_ns if self.recorder.has_cpu_time else -1, 0, None), "ok", None)
        self.recorder.add((self.recorder.next_id(), *row[1:14], attributes, *row[15:]))
        self._started_ns = at_ns
        self._cpu_ns += lasted_ns

    def _row_of(self, ended_ns: int, measured: Measured, status: Status, error: str | None) -> RowTuple:
        started_ns, (cpu_ns, blocked_ns, parts) = self._started_ns, measured
        submitted_ns, parent = self.submitted_ns, self.parent
        return (
            self.span_id, self.parent_id if parent.is_over else parent.span_id, self.index, self.name, self.kind,
            self._lane.name,
            submitted_ns if AT_ONCE < submitted_ns < started_ns else started_ns, started_ns, ended_ns,
            cpu_ns, blocked_ns, status, self.attempt, error,
            safe_attributes(self._attributes) if self._attributes else None, self._links, parts,
        )  # fmt: skip


class _FunctionCall(OpenCall):
    """A call under way by `call_recorded`, which sets what differs from one to the next; it has no links."""

    __slots__ = ()
    kind, index, attempt, _links = "branch", -1, 1, ()
    __init__ = object.__init__


def call_recorded(
    parent: Scope | span, submitted_ns: int, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    """Call a function as the branch that was handed over in `parent` at `submitted_ns` [ns]."""
    recorder = parent.recorder
    if not recorder.is_open:
        return function(*args, **kwargs)
    # `OpenCall(...)`, `begin` and `end` without the cost of their calls: a sixth of what recording a task costs.
    next_id, now_ns = recorder.next_id, recorder.now_ns
    call = _FunctionCall()
    call.recorder, call.parent, call.submitted_ns = recorder, parent, submitted_ns
    call.name, call._attributes, call.is_over = name_of(function, args), NO_ATTRIBUTES, False
    call.span_id = number = next_id()
    if recorder.label is not None:
        note_label(call, function, args, kwargs)
    if function.__class__ is not FunctionType:
        function, args = within(call, function, args)
    call._token = token = _scope.set(call)
    call._lane = lane = recorder.lanes.mine()
    call._started_ns = started_ns = now_ns()
    recorder.open_spans[number] = call
    call._cpu_ns = cpu_ns = lane.cpu_at(started_ns)
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        call.end(error)
        without_our_frames(error)
        raise
    call.is_over = True
    ended_ns = now_ns()
    _scope.reset(token)
    cpu_ns, blocked_ns, parts = lane.measured(cpu_ns, started_ns, ended_ns)
    recorder.add((
        number, call.parent_id if parent.is_over else parent.span_id, -1, call.name, "branch", lane.name,
        submitted_ns if AT_ONCE < submitted_ns < started_ns else started_ns, started_ns, ended_ns, cpu_ns, blocked_ns,
        "ok", 1, None, safe_attributes(call._attributes) if call._attributes else None, None, parts,
    ))  # fmt: skip
    recorder.open_spans.pop(number, None)
    return result


def lost(
    parent: Scope | span, submitted_ns: int, name: str, error: BaseException, *,
    attributes: Mapping[str, Any] | None = None, links: tuple[int, ...] = (),
) -> None:  # fmt: skip
    """Record a call that a worker process took with it when it died: nothing else is known of it."""
    recorder = parent.recorder
    if not recorder.is_open:
        return
    call = OpenCall(parent, name, submitted_ns=submitted_ns)
    now = recorder.now_ns()
    recorder.add((
        recorder.next_id(), call.parent_id, -1, name, "branch", "lost", submitted_ns, now, now, -1, 0, "lost", 1,
        describe_error(error), safe_attributes(attributes) if attributes else None, links, None,
    ))  # fmt: skip


def within(call: OpenCall, function: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Return function and arguments so that `call` is the scope inside, also in a context that they bring."""
    if isinstance(function, partial) and function.args and runs_in_context(function.func):
        return partial(function.func, _in_scope, call, *function.args, **function.keywords), args
    if args and runs_in_context(function):
        return function, (_in_scope, call, *args)
    return function, args


def _in_scope(call: OpenCall, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = _scope.set(call)
    try:
        return function(*args, **kwargs)
    except BaseException as error:
        without_our_frames(error)
        raise
    finally:
        _scope.reset(token)


def without_our_frames(error: BaseException) -> None:
    """Take the frame of the caller off a traceback: readers look for their own lines."""
    if error.__traceback__ is not None:
        BaseException.with_traceback(error, error.__traceback__.tb_next)  # also where the class is frozen


class _WithoutOurFrame:
    """A block from which errors are passed on without the frame that has it; on hot paths it costs too much."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            without_our_frames(error)


without_our_frame = _WithoutOurFrame()
