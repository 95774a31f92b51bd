"""Capturing LangGraph: the nodes of its graphs, also those that `Send` starts, wherever it runs them.

Belongs here: the hooks around a task of a graph. Does not belong here: pools and tasks in which it runs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from kaygraph_viz.capture.around import Opened, around
from kaygraph_viz.capture.calls import OpenCall, scope_for
from kaygraph_viz.capture.patches import Hook, OnImport, Patch

__all__ = ["hooks"]


def hooks() -> Iterator[Hook]:
    """Yield the hooks of LangGraph, whose nodes all pass through two functions."""
    yield OnImport("langgraph.pregel._runner", _runner_hooks)


def _runner_hooks(module: ModuleType) -> Iterator[Hook]:
    yield Patch(module, "run_with_retry", around(_opened))
    yield Patch(module, "arun_with_retry", around(_opened))


def _opened(task: Any, *_: Any, **__: Any) -> Opened | None:
    scope = scope_for("langgraph")
    name = getattr(task, "name", None)
    if scope is None or not isinstance(name, str) or name.startswith("__"):  # such as the step that takes the input
        return None
    return OpenCall(scope, name).begin().end
