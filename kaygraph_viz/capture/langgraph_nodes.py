"""Capturing LangGraph: the nodes of its graphs, also those that `Send` starts, wherever it runs them.

Belongs here: the hooks around a task of a graph. Does not belong here: pools and tasks in which it runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from kaygraph_viz.capture.calls import OpenCall, scope_for, without_our_frames
from kaygraph_viz.capture.patches import Hook, OnImport, Patch

__all__ = ["hooks"]


def hooks() -> Iterator[Hook]:
    """Yield the hooks of LangGraph, whose nodes all pass through two functions."""
    yield OnImport("langgraph.pregel._runner", _runner_hooks)


def _runner_hooks(module: ModuleType) -> Iterator[Hook]:
    yield Patch(module, "run_with_retry", _run)
    yield Patch(module, "arun_with_retry", _run_async)


def _opened(task: Any) -> OpenCall | None:
    scope = scope_for("langgraph")
    name = getattr(task, "name", None)
    if scope is None or not isinstance(name, str) or name.startswith("__"):  # such as the step that takes the input
        return None
    return OpenCall(scope, name).begin()


def _run(original: Callable[..., Any]) -> Callable[..., Any]:
    def run_with_retry(task: Any, *args: Any, **kwargs: Any) -> Any:
        call = _opened(task)
        if call is None:
            return original(task, *args, **kwargs)
        try:
            result = original(task, *args, **kwargs)
        except BaseException as error:
            call.end(error)
            without_our_frames(error)
            raise
        call.end()
        return result

    return run_with_retry


def _run_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def arun_with_retry(task: Any, *args: Any, **kwargs: Any) -> Any:
        call = _opened(task)
        if call is None:
            return await original(task, *args, **kwargs)
        try:
            result = await original(task, *args, **kwargs)
        except BaseException as error:
            call.end(error)
            without_our_frames(error)
            raise
        call.end()
        return result

    return arun_with_retry
