"""`traced`: record every call of a function.

Belongs here: the decorator. Does not belong here: the span it makes (``recorder``).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, overload

from kaygraph_viz.checks import checked_function
from kaygraph_viz.trace.attributes import safe_attributes
from kaygraph_viz.trace.generator_span import GeneratorSpan, async_generator_function, generator_function
from kaygraph_viz.trace.recorder import current_scope, span
from kaygraph_viz.trace.span import Kind

__all__ = ["traced"]

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
    >>> from kaygraph_viz.trace.recorder import record
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
