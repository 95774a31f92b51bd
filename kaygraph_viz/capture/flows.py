"""Capturing flows: nodes with prep, exec and post that are joined to graphs (PocketFlow, KayGraph), nodes of LangGraph.

Belongs here: when their hooks are made, and what their classes have in common. Does not belong here: pools and tasks in
which they run (``futures``, ``tasks``).

A node's ``_run`` is prep, then ``_exec``, then post. So prep lasts from the begin of ``_run`` to that of ``_exec``, and
post from the end of ``_exec`` on: nothing that a program overrides is touched, except that its ``exec`` is wrapped in
its class while it may be tried again. Within ``_exec``, another ``_exec`` of the same node is an item of its batch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from types import ModuleType
from typing import Any

from kaygraph_viz.capture.calls import ARGUMENTS, MOST, OpenCall, note_label, scope_for
from kaygraph_viz.capture.patches import Hook, OnImport, Opened, Patch, wrapping
from kaygraph_viz.trace.recorder import Scope, _scope, span
from kaygraph_viz.trace.row import safe_attributes
from kaygraph_viz.trace.span import Kind

_LONGEST = 60  # characters of the name of one pass through a batch flow


def pocketflow_hooks() -> Iterator[Hook]:
    """Yield the hooks of PocketFlow."""
    yield OnImport("pocketflow", partial(flow_hooks, "pocketflow"))


def kaygraph_hooks() -> Iterator[Hook]:
    """Yield the hooks of KayGraph."""
    yield OnImport("kaygraph", partial(flow_hooks, "kaygraph"))


class NodeCall(OpenCall):
    """A node that runs, with the phase under way."""

    __slots__ = ("node", "phase")

    def __init__(self, parent: Scope | span, node: Any, kind: Kind) -> None:
        super().__init__(parent, type(node).__name__, kind=kind)
        self.node = node
        self.phase: OpenCall | None = None

    def is_preparing(self, scope: Scope | span) -> bool:
        """Return whether a scope is that of its prep phase."""
        return scope is self.phase and self.phase.name == "prep"

    def enter(self, phase: OpenCall | None, error: BaseException | None = None) -> None:
        """End the phase under way, and begin another one if given."""
        before, self.phase = self.phase, phase
        if before is not None:
            before.end(error)
        if phase is not None:
            phase.begin()

    def end_all(self, error: BaseException | None) -> None:
        """End the phase under way and the node."""
        self.enter(None, error)
        self.end(error)


class ExecCall(OpenCall):
    """The exec phase of a node, or one item of it, with the number of attempts."""

    __slots__ = ("attempts", "node")

    def __init__(self, parent: Scope | span, name: str, kind: Kind, node: Any) -> None:
        super().__init__(parent, name, kind=kind)
        self.node = node
        self.attempts = 0


def flow_hooks(kind: str, module: ModuleType) -> Iterator[Hook]:
    """Yield the hooks of all classes of a library of flows."""
    flows = _Flows(kind)
    yield flows
    makers: dict[str, Callable[..., Opened | None]] = {
        "_run": flows.opened_node,
        "_exec": flows.opened_exec,
        "_orch": flows.opened_pass,
    }
    classes = dict.fromkeys(each for each in vars(module).values() if isinstance(each, type))
    library = module.__name__.partition(".")[0]
    for owner in (each for each in classes if each.__module__.partition(".")[0] == library):
        for method, opened in makers.items():
            for name in (method, f"{method}_async"):
                if inspect.isfunction(vars(owner).get(name)):
                    yield Patch(owner, name, wrapping(opened))


class _Flows:
    """The hooks of one library, and the classes of the program whose ``exec`` they wrap."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._wrapped: dict[tuple[type, str], Patch] = {}

    def remove(self) -> None:
        """Put back the methods of the program's classes."""
        while self._wrapped:
            self._wrapped.popitem()[1].remove()

    def opened_node(self, node: Any, *_: Any, **__: Any) -> Opened | None:
        """Open the span of a node, or of a flow, which has no phases but nodes."""
        scope = scope_for(self._kind)
        if scope is None:
            return None
        is_flow = any(hasattr(node, name) for name in ("start_node", "_start_node"))
        call = NodeCall(scope, node, "graph" if is_flow else "node")
        call.begin()
        if not is_flow:
            call.enter(OpenCall(call, "prep", kind="phase"))
        return call.end_all

    def opened_exec(self, node: Any, *args: Any, **kwargs: Any) -> Opened | None:
        """Open the exec phase of a node, or within it the branch of an item."""
        scope = scope_for(self._kind)
        if scope is None:
            return None
        parent = scope.parent
        if isinstance(parent, NodeCall) and parent.node is node and parent.is_preparing(scope):
            parent.enter(ExecCall(parent, "exec", "phase", node))
            if getattr(node, "max_retries", 1) > 1:
                self._wrap_exec(node)
            return lambda error: parent.enter(None if error else OpenCall(parent, "post", kind="phase"), error)
        if isinstance(scope, ExecCall) and scope.node is node and scope.kind == "phase":
            item = ExecCall(scope, type(node).__name__, "branch", node)
            if scope.recorder.label is not None:
                note_label(item, getattr(node, "exec", None), args, kwargs)
            item.begin()
            return item.end
        return None

    def opened_pass(self, flow: Any, _: Any = None, params: Any = None, **__: Any) -> Opened | None:
        """Open a branch for one pass through a batch flow: one set of parameters."""
        scope = scope_for(self._kind)
        if scope is None or not isinstance(params, Mapping):
            return None
        shown = safe_attributes(dict(params))
        name = ", ".join(f"{key}={value}" for key, value in shown.items())[:_LONGEST]
        return OpenCall(scope, name or type(flow).__name__, attributes=shown).begin().end

    def _wrap_exec(self, node: Any) -> None:
        """Have each call of ``exec`` recorded as an attempt, in the class of the program that defines it."""
        for name in ("exec", "exec_async"):
            for owner in type(node).__mro__:
                if name in vars(owner):
                    library = owner.__module__.partition(".")[0]
                    if library != self._kind and (owner, name) not in self._wrapped:
                        self._wrapped[owner, name] = Patch(owner, name, wrapping(_opened_attempt))
                    break


def _opened_attempt(node: Any, *_: Any, **__: Any) -> Opened | None:
    scope = _scope.get()
    if not isinstance(scope, ExecCall) or scope.node is not node or not scope.recorder.is_open:
        return None
    scope.attempts += 1
    scope.attempt = scope.attempts
    attempt = OpenCall(scope, "attempt", kind="attempt")
    attempt.attempt = scope.attempts
    return attempt.begin().end


# -- LangGraph -------------------------------------------------------------------------------------------------------


def langgraph_hooks() -> Iterator[Hook]:
    """Yield the hooks of LangGraph, whose nodes all pass through two functions."""
    names = ("run_with_retry", "arun_with_retry")
    yield OnImport(
        "langgraph.pregel._runner", lambda module: [Patch(module, name, wrapping(_opened)) for name in names]
    )


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
