"""Capturing `anyio`: calls that it runs in its worker threads, such as the plain handlers of Starlette and FastAPI.

Belongs here: the hook where a call is handed to a worker thread. Does not belong here: tasks, which are those of
asyncio (``tasks``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from kaygraph_viz.capture.calls import call_recorded, scope_for
from kaygraph_viz.capture.patches import Hook, OnImport, Patch

__all__ = ["hooks"]


def hooks() -> Iterator[Hook]:
    """Yield the hook of the worker threads of anyio on asyncio."""
    yield OnImport(
        "anyio._backends._asyncio",
        lambda module: [Patch(module.AsyncIOBackend, "run_sync_in_worker_thread", _run_in_thread)],
    )


def _run_in_thread(original: Any) -> Any:
    function: Callable[..., Any] = original.__func__

    def run_sync_in_worker_thread(cls: Any, func: Any, args: Any, *more: Any, **options: Any) -> Any:
        scope = scope_for("anyio")
        if scope is not None:
            func = partial(call_recorded, scope, scope.recorder.now_ns(), func)
        return function(cls, func, args, *more, **options)

    return classmethod(run_sync_in_worker_thread)
