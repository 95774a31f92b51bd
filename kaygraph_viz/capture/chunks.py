"""The items that a pool hands to a worker at once: a bar for each that lasts, one for each bundle of short ones.

Belongs here: what the mappers of pools do with a chunk. Does not belong here: finding chunks (``names``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kaygraph_viz.capture.calls import OpenCall, without_our_frames
from kaygraph_viz.capture.names import name_of
from kaygraph_viz.trace.recorder import Scope, span

__all__ = ["SHORT_NS", "calls_of", "run_calls"]

SHORT_NS = 50_000  # what is shorter shares a bar with its neighbours: a bar each would cost more than they do


Call = tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any]]  # function, arguments, keyword arguments


def calls_of(function: Callable[..., Any], items: Iterable[Any], is_star: bool) -> Iterator[Call]:
    """Yield the calls that the mapper of a pool makes; with `is_star` each item is a tuple of arguments."""
    return ((function, item if is_star else (item,), {}) for item in items)


def run_calls(scope: Scope | span, submitted_ns: int, calls: Iterable[Call], labels: Sequence[str] = ()) -> list[Any]:
    """Return the results of calls, which are recorded as branches.

    Parameters
    ----------
    scope
        The scope of the chunk.
    submitted_ns
        When the chunk was submitted [ns].
    calls
        What to call with what.
    labels
        What tells each of them from others, if that is wanted; a bundle has no label.
    """
    now_ns = scope.recorder.now_ns
    results: list[Any] = []
    bundle: OpenCall | None = None
    called: object = None
    ended = count = 0
    for function, args, kwargs in calls:
        if bundle is not None and function is not called:
            _end(bundle, count, _at(labels, len(results) - 1))
            bundle = None
        if bundle is None:
            called = function
            bundle, count = OpenCall(scope, name_of(function, tuple(args)), submitted_ns=submitted_ns).begin(), 0
            ended = bundle.started_ns
        started, count = ended, count + 1
        try:
            results.append(function(*args, **kwargs))
        except BaseException as error:
            _end_last(bundle, count, started, error, label=_at(labels, len(results)))
            without_our_frames(error)
            raise
        ended = now_ns()
        if ended - started >= SHORT_NS:
            _end_last(bundle, count, started, label=_at(labels, len(results) - 1))
            bundle = None
    if bundle is not None:
        _end(bundle, count, _at(labels, len(results) - 1))
    return results


def _at(labels: Sequence[str], place: int) -> str:
    return labels[place] if place < len(labels) else ""


def _end(bundle: OpenCall, count: int, label: str) -> None:
    """End a bundle; `label` is that of its last item."""
    if count > 1:
        bundle.set(items=count)
    elif label:
        bundle.set(label=label)
    bundle.end()


def _end_last(
    bundle: OpenCall, count: int, started_ns: int, error: BaseException | None = None, *, label: str = ""
) -> None:  # fmt: skip
    """End the last of `count` items, which began at `started_ns` [ns], after a bar of their own for those before it."""
    if count > 1:
        bundle.cut(started_ns, items=count - 1)
    if label:
        bundle.set(label=label)
    bundle.end(error)
