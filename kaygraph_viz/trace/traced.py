"""`traced`: record every call of a function, plain or ``async``, and every run of a generator.

Belongs here: the decorator, and the span of a generator, which does not run all the time. Other spans: ``recorder``.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from typing import Any, ParamSpec, Self, TypeVar, overload

from kaygraph_viz.base.checks import checked_function
from kaygraph_viz.base.parts import MAX_ENTRIES, NO_SHARE, PART_CODE, RowParts, derived_parts
from kaygraph_viz.trace.recorder import NO_RECORDER, Scope, current_scope, span, status_of, swap_scope
from kaygraph_viz.trace.row import RowTuple, describe_error, safe_attributes
from kaygraph_viz.trace.span import Kind, Status

P = ParamSpec("P")
R = TypeVar("R")
AnySpan = TypeVar("AnySpan", bound=span)


@overload
def traced(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def traced(
    *, name: str | None = None, kind: Kind = "branch", arguments: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def traced(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    kind: Kind = "branch",
    arguments: bool = False,
) -> Callable[..., Any]:
    """Record every call of a function as a span.

    Parameters
    ----------
    function
        The function, plain or ``async``, or a generator function of either kind.
    name
        What it is called in charts; default: the name of the function.
    kind
        One of ``graph node phase branch attempt wait``.
    arguments
        Whether to keep the arguments of each call, made short and plain, with secret-looking names masked.

    Returns
    -------
    callable
        A function with the same signature.

    Notes
    -----
    The span of a generator lasts from when it is first asked for an item to its end, on a lane of its own, since its
    consumer runs in between: then it is blocked, since nobody asks for the next item. Wrong arguments are an error
    when the first one is asked for.

    Examples
    --------
    >>> from kaygraph_viz.recording import record
    >>> @traced
    ... def double(x):
    ...     return 2 * x
    >>> with record() as trace:
    ...     double(21)
    42
    >>> trace.spans[0].name
    'double'
    """
    if function is None:
        return functools.partial(_traced, name=name, kind=kind, arguments=arguments)
    return _traced(function, name=name, kind=kind, arguments=arguments)


def _traced(function: Callable[..., Any], *, name: str | None, kind: Kind, arguments: bool) -> Callable[..., Any]:
    checked_function("traced(function)", function, "a function", "@traced")
    label = name or str(getattr(function, "__name__", type(function).__name__))
    span(label, kind=kind)  # a wrong kind is an error here, not at the first call
    names = inspect.signature(function) if arguments else None

    def prepared(made: AnySpan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AnySpan:
        if names is not None and current_scope().recorder.is_open:
            with suppress(TypeError):  # wrong arguments: the call itself will say so
                made.set(**safe_attributes(names.bind(*args, **kwargs).arguments))  # as they are before the call
        return made

    def generator_span(args: tuple[Any, ...], kwargs: dict[str, Any]) -> GeneratorSpan:
        return prepared(GeneratorSpan(label, kind=kind), args, kwargs)

    def call(*args: Any, **kwargs: Any) -> Any:
        with prepared(span(label, kind=kind), args, kwargs):
            return function(*args, **kwargs)

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        with prepared(span(label, kind=kind), args, kwargs):
            return await function(*args, **kwargs)

    found: Callable[..., Any] = call
    if inspect.iscoroutinefunction(function):
        found = call_async
    elif inspect.isgeneratorfunction(function):
        found = generator_function(function, generator_span)
    elif inspect.isasyncgenfunction(function):
        found = async_generator_function(function, generator_span)
    return functools.wraps(function)(found)


# -- generators: one runs only while it is asked for an item -----------------------------------------------------------
# In between its consumer runs, in the same thread, and what that records is no part of the generator. So a generator
# has a lane of its own, on which it is blocked by its consumer.


MakeSpan = Callable[[tuple[Any, ...], dict[str, Any]], "GeneratorSpan"]
BLOCKED, UNKNOWN = PART_CODE["blocked"], PART_CODE["unknown"]


class GeneratorSpan(span):
    """The span of one run of a generator: `suspend` it where the generator yields, `resume` it where it goes on."""

    __slots__ = ("_at_ns", "_blocked_ns", "_inside", "_is_running", "_outside", "_parts", "_run_lane", "_used_ns")

    def __enter__(self) -> Self:
        scope, self._is_running = current_scope(), False
        recorder = scope.recorder
        if not recorder.is_open:
            self.recorder = NO_RECORDER
            return self
        self.recorder, self.parent, self.span_id, self.is_over = recorder, scope, recorder.next_id(), False
        self._lane = recorder.lanes.take("generator")
        self._parts: list[tuple[int, int, float]] | None = []
        self._used_ns = self._blocked_ns = 0
        self._inside: Scope | span | None = self
        self._started_ns = self._at_ns = recorder.now_ns()
        recorder.open_spans[self.span_id] = self
        self.resume()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        recorder = self.recorder
        if recorder is NO_RECORDER:
            return
        self.is_over = True
        self.suspend()
        status: Status = "ok" if error is None else status_of(error)
        text = None if error is None else describe_error(error)
        parts = None if self._parts is None else tuple(self._parts) or None
        recorder.add(self._row_of(self._at_ns, (self._used_ns, self._blocked_ns, parts), status, text))
        recorder.open_spans.pop(self.span_id, None)
        recorder.lanes.free(self._lane)

    def resume(self) -> None:
        """Note that the generator goes on, in the context and thread of its consumer."""
        recorder = self.recorder
        if not recorder.is_open:
            return
        self._outside, self._is_running = swap_scope(self._inside), True
        self._run_lane = recorder.lanes.mine()
        now = recorder.now_ns()
        self._note(now, 0, now - self._at_ns, ((BLOCKED, now, NO_SHARE),))
        self._cpu_ns = self._run_lane.cpu_at(now)

    def suspend(self) -> None:
        """Note that the generator yields an item, or ends."""
        if not self._is_running:
            return
        self._is_running = False
        now = self.recorder.now_ns()
        cpu_ns, blocked_ns, parts = self._run_lane.measured(self._cpu_ns, self._at_ns, now)
        self._note(now, cpu_ns, blocked_ns, parts or derived_parts(self._at_ns, now, cpu_ns, blocked_ns))
        self._inside = swap_scope(self._outside)

    def _note(self, now_ns: int, cpu_ns: int, blocked_ns: int, parts: RowParts) -> None:
        """Note what happened since the last time; of very many stretches only the sums are kept."""
        self._used_ns = -1 if min(cpu_ns, self._used_ns) < 0 else self._used_ns + cpu_ns
        self._blocked_ns += blocked_ns
        if self._parts is not None and now_ns > self._at_ns:
            self._parts += parts
            if len(self._parts) > MAX_ENTRIES:
                self._parts = None
        self._at_ns = now_ns

    def abandoned_row(self, now_ns: int) -> RowTuple:
        """Return the row of this span if it is cut off now: it is running, or nobody has asked for more."""
        last = UNKNOWN if self._is_running else BLOCKED
        parts = None if self._parts is None else (*self._parts, (last, now_ns, NO_SHARE))
        blocked_ns = self._blocked_ns + (0 if self._is_running else now_ns - self._at_ns)
        return self._row_of(now_ns, (-1, blocked_ns, parts if now_ns > self._at_ns else None), "abandoned", None)


def generator_function(function: Callable[..., Any], make_span: MakeSpan) -> Callable[..., Generator[Any, Any, Any]]:
    """Return a generator function whose generators do the same as those of `function`, each within a span."""

    def generate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        step, given = generator.send, None
        with make_span(args, kwargs) as run:
            while True:
                try:
                    item = step(given)
                except StopIteration as end:
                    return end.value
                run.suspend()
                try:
                    given = yield item
                except GeneratorExit:
                    run.resume()
                    return generator.close()
                except BaseException as error:
                    step, given = generator.throw, error
                else:
                    step = generator.send
                run.resume()

    return generate


def async_generator_function(
    function: Callable[..., Any], make_span: MakeSpan
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Return the same for an asynchronous generator function."""

    async def generate(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = function(*args, **kwargs)
        with make_span(args, kwargs) as run:
            coming = _first(generator)
            while True:
                try:
                    item = await coming
                except StopAsyncIteration:
                    return
                run.suspend()
                try:
                    given = yield item
                except GeneratorExit:
                    run.resume()
                    await generator.aclose()
                    return
                except BaseException as error:
                    coming = generator.athrow(error)
                else:
                    coming = generator.asend(given)
                run.resume()

    return generate


def _first(generator: AsyncGenerator[Any, Any]) -> Any:
    """Return the first step of a generator, which its loop must not close by itself: the one around it does."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
