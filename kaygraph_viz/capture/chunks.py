"""The items that a pool hands to a worker at once: a bar for each that lasts, one for each bundle of short ones.

Belongs here: what the mappers of pools do with a chunk. Does not belong here: finding chunks (``names``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kaygraph_viz.capture.calls import OpenCall, without_our_frames
from kaygraph_viz.capture.names import name_of
from kaygraph_viz.trace.recorder import Scope, span

__all__ = ["SHORT_NS", "run_items"]

SHORT_NS = 50_000  # what is shorter shares a bar with its neighbours: a bar each would cost more than they do


def run_items(
    scope: Scope | span, submitted_ns: int, function: Callable[..., Any], items: Iterable[Any], is_star: bool
) -> list[Any]:  # fmt: skip
    """Return the results of a function for all items, recorded as branches.

    Parameters
    ----------
    scope
        The scope of the chunk.
    submitted_ns
        When the chunk was submitted [ns].
    function
        The program's function.
    items
        Its arguments.
    is_star
        Whether each item is a tuple of arguments.
    """
    name, now_ns = name_of(function), scope.recorder.now_ns
    results: list[Any] = []
    bundle: OpenCall | None = None
    count = 0
    for item in items:
        if bundle is None:
            bundle, count = OpenCall(scope, name, submitted_ns=submitted_ns).begin(), 0
            ended = bundle.started_ns
        started, count = ended, count + 1
        try:
            results.append(function(*item) if is_star else function(item))
        except BaseException as error:
            _end(bundle, count, started, error)
            without_our_frames(error)
            raise
        ended = now_ns()
        if ended - started >= SHORT_NS:
            _end(bundle, count, started)
            bundle = None
    if bundle is not None:
        bundle.set(items=count)
        bundle.end()
    return results


def _end(bundle: OpenCall, count: int, started_ns: int, error: BaseException | None = None) -> None:
    """End the last of `count` items, which began at `started_ns` [ns], after a bar of their own for those before it."""
    if count > 1:
        bundle.cut(started_ns, items=count - 1)
    bundle.end(error)
