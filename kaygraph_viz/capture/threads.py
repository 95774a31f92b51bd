"""Capturing `threading`: each thread that the program starts.

Belongs here: the hooks in threads. Does not belong here: threads of pools (``futures``), waits for queues (``queues``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Thread
from typing import Any

from kaygraph_viz.capture import queues
from kaygraph_viz.capture.calls import OpenCall, scope_for, without_our_frames
from kaygraph_viz.capture.labels import note_label
from kaygraph_viz.capture.names import is_machinery_function, name_of, reached
from kaygraph_viz.capture.patches import Hook, Patch
from kaygraph_viz.trace.recorder import Scope, span

__all__ = ["hooks"]


def hooks() -> Iterator[Hook]:
    """Yield the hooks of threads and of their queues."""
    yield Patch(Thread, "start", _start)
    yield from queues.of_threads()


def _start(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def start(self: Any) -> None:
        scope = scope_for("threading")
        if scope is not None and "run" not in vars(self) and not is_machinery_function(_work_of(self)[0]):
            self.run = _recorded_run(self, scope)
        else:
            scope = None
        try:
            return original(self)
        except BaseException as error:
            if scope is not None:
                vars(self).pop("run", None)
            without_our_frames(error)
            raise

    return start


def _recorded_run(thread: Any, scope: Scope | span) -> Callable[[], None]:
    """Return the `run` of a thread, recorded as a branch of `scope`."""
    run, (function, args, keywords) = thread.run, _work_of(thread)
    call = OpenCall(scope, name_of(function), submitted_ns=scope.recorder.now_ns())
    note_label(call, function, args, keywords)

    def run_recorded() -> None:
        del thread.run  # the program finds its thread as it made it
        with call:
            run()

    return run_recorded


def _work_of(thread: Thread) -> tuple[Any, tuple[Any, ...], Mapping[str, Any]]:
    """Return what a thread runs: its target, the function of a timer, or else the class whose `run` it is."""
    its = vars(thread)
    function = its.get("_target") or its.get("function") or type(thread)
    args, keywords = its.get("_args") or its.get("args") or (), its.get("_kwargs") or its.get("kwargs") or {}
    return reached(function, tuple(args) if isinstance(args, (tuple, list)) else (), keywords)
