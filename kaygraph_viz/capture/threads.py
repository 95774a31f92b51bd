"""Capturing `threading`: each thread that the program starts, and where its threads wait for a queue.

Belongs here: the hooks in threads and queues. Does not belong here: threads of pools (``futures``).
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping
from threading import Thread
from typing import Any

from kaygraph_viz.capture.calls import OpenCall, scope_for, without_our_frames
from kaygraph_viz.capture.labels import note_label
from kaygraph_viz.capture.names import is_machinery_function, name_of, reached
from kaygraph_viz.capture.patches import Hook, Patch
from kaygraph_viz.trace.recorder import Scope, _scope, span
from kaygraph_viz.trace.waiting import note_wait

__all__ = ["hooks"]

LEAST_NS = 50_000  # what is shorter was no wait


def hooks() -> Iterator[Hook]:
    """Yield the hooks of threads and queues."""
    yield Patch(Thread, "start", _start)
    yield Patch(queue.Queue, "get", _get)
    yield Patch(queue.Queue, "put", _put)
    yield Patch(queue.Queue, "join", _join)


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
    """Return what a thread runs: its target, the function of a timer, or else the class whose `run` it is.

    With its arguments, and through partial and `Context.run`.
    """
    its = vars(thread)
    function = its.get("_target") or its.get("function") or type(thread)
    args, keywords = its.get("_args") or its.get("args") or (), its.get("_kwargs") or its.get("kwargs") or {}
    return reached(function, tuple(args) if isinstance(args, (tuple, list)) else (), keywords)


# With the arguments of the originals, and each by itself: a queue costs little more than one more call would.


def _get(original: Callable[..., Any]) -> Callable[..., Any]:
    def get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
        scope = _scope.get() if block else None
        if scope is None or "threading" not in (recorder := scope.recorder).captured or not scope.span_id:
            scope = None
        else:
            now_ns = recorder.now_ns
            started_ns = now_ns()
        try:
            return original(self, block, timeout)
        except BaseException as error:
            without_our_frames(error)
            raise
        finally:
            if scope is not None and now_ns() - started_ns >= LEAST_NS:
                _note_wait("Queue.get", scope, started_ns)

    return get


def _put(original: Callable[..., Any]) -> Callable[..., Any]:
    def put(self: Any, item: Any, block: bool = True, timeout: float | None = None) -> Any:
        scope = _scope.get() if block and self.maxsize > 0 else None  # else there is always room
        if scope is None or "threading" not in (recorder := scope.recorder).captured or not scope.span_id:
            scope = None
        else:
            now_ns = recorder.now_ns
            started_ns = now_ns()
        try:
            return original(self, item, block, timeout)
        except BaseException as error:
            without_our_frames(error)
            raise
        finally:
            if scope is not None and now_ns() - started_ns >= LEAST_NS:
                _note_wait("Queue.put", scope, started_ns)

    return put


def _join(original: Callable[..., Any]) -> Callable[..., Any]:
    def join(self: Any) -> Any:
        scope = _scope.get()
        if scope is None or "threading" not in (recorder := scope.recorder).captured or not scope.span_id:
            scope = None
        else:
            now_ns = recorder.now_ns
            started_ns = now_ns()
        try:
            return original(self)
        except BaseException as error:
            without_our_frames(error)
            raise
        finally:
            if scope is not None and now_ns() - started_ns >= LEAST_NS:
                _note_wait("Queue.join", scope, started_ns)

    return join


def _note_wait(name: str, scope: Scope | span, started_ns: int) -> None:
    """Note a wait for a queue that ends now."""
    recorder = scope.recorder
    if not recorder.is_open:
        return
    ended_ns = recorder.now_ns()
    cpu_ns = recorder.lanes.mine().cpu_at(ended_ns)  # the CPU clock has stood still meanwhile
    note_wait(scope, "blocked", name, started_ns, ended_ns, cpu_at_start_ns=cpu_ns)
