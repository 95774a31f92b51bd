"""Capturing LangGraph: the nodes of its graphs, also those that `Send` starts, wherever it runs them.

Belongs here: the hooks around a task of a graph. Does not belong here: pools and tasks in which it runs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from kaygraph_viz.capture.calls import ARGUMENTS, MOST, OpenCall, note_label, scope_for
from kaygraph_viz.capture.patches import Hook, OnImport, Opened, Patch, around

__all__ = ["hooks"]


def hooks() -> Iterator[Hook]:
    """Yield the hooks of LangGraph, whose nodes all pass through two functions."""
    names = ("run_with_retry", "arun_with_retry")
    yield OnImport("langgraph.pregel._runner", lambda module: [Patch(module, name, around(_opened)) for name in names])


def _opened(task: Any, *_: Any, **__: Any) -> Opened | None:
    scope = scope_for("langgraph")
    name = getattr(task, "name", None)
    if scope is None or not isinstance(name, str) or name.startswith("__"):  # such as the step that takes the input
        return None
    call = OpenCall(scope, name)
    state = getattr(task, "input", None)  # its one argument, whose entries are shown as arguments are
    if call.recorder.label == ARGUMENTS and type(state) is dict:
        note_label(call, None, (), {str(key): value for key, value in islice(state.items(), MOST)})
    else:
        note_label(call, None, (state,), {})
    return call.begin().end
