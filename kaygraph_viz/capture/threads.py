"""Capturing `threading`: each thread that the program starts, and where threads wait for a queue; calls of `anyio`.

Belongs here: the hooks in threads, in queues of threads and of processes, in the worker threads of anyio. Does not
belong here: threads of pools (``futures``), queues of asyncio, for which tasks wait (``tasks``).
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from threading import Thread
from types import ModuleType
from typing import Any

from kaygraph_viz.capture.calls import (
    OpenCall,
    call_recorded,
    is_machinery_function,
    name_of,
    note_label,
    reached,
    scope_for,
    without_our_frames,
)
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.trace.recorder import NO_RECORDER, Scope, _scope, note_wait, span


def hooks() -> Iterator[Hook]:
    """Yield the hooks of threads and of their queues."""
    yield Patch(Thread, "start", _start)
    yield from of_threads()


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


# -- threads of anyio ------------------------------------------------------------------------------------------------


def anyio_hooks() -> Iterator[Hook]:
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


# -- waits for queues ------------------------------------------------------------------------------------------------


LEAST_NS = 50_000  # what is shorter was no wait


def of_threads() -> Iterator[Hook]:
    """Yield the hooks of the queues of `queue`."""
    yield Patch(queue.Queue, "get", _get)
    yield Patch(queue.Queue, "put", _put)
    yield Patch(queue.Queue, "join", _waiting("threading", "Queue.join"))


def of_processes() -> Iterator[Hook]:
    """Yield the hooks of the queues of `multiprocessing`, and of `multiprocess`."""
    yield OnImport("multiprocessing.queues", _hooks_in)
    yield OnImport("multiprocess.queues", _hooks_in)


def _hooks_in(module: ModuleType) -> Iterator[Hook]:
    put = _waiting("multiprocessing", "Queue.put", lambda self, *call: self.full() and _is_to_block(1, *call))
    yield Patch(module.Queue, "get", _waiting("multiprocessing", "Queue.get", lambda _, *call: _is_to_block(0, *call)))
    yield Patch(module.Queue, "put", put)
    yield Patch(module.JoinableQueue, "put", put)
    yield Patch(module.JoinableQueue, "join", _waiting("multiprocessing", "Queue.join"))
    yield Patch(module.SimpleQueue, "get", _waiting("multiprocessing", "SimpleQueue.get"))


def _is_to_block(position: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return the argument `block` of a call, which may be given by position."""
    return bool(args[position] if len(args) > position else kwargs.get("block", True))


# These two are `_waiting` with the arguments of the originals: an item takes 1.45 times as long, and not 2.2 times.


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


def _waiting(
    kind: str, name: str, may_wait: Callable[[Any, tuple[Any, ...], dict[str, Any]], bool] = lambda *_: True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes a method of a queue note its wait, for recordings of a kind."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            scope = _scope.get()
            recorder = NO_RECORDER if scope is None or not scope.span_id else scope.recorder
            # A forked child has stopped recording, and locks may be held there for ever.
            is_wait = recorder.is_open and kind in recorder.captured and may_wait(self, args, kwargs)
            if is_wait:
                now_ns = recorder.now_ns
                started_ns = now_ns()
                cpu_ns = recorder.lanes.mine().cpu_at(started_ns)
            try:
                return original(self, *args, **kwargs)
            except BaseException as error:
                without_our_frames(error)
                raise
            finally:
                if is_wait and scope is not None and now_ns() - started_ns >= LEAST_NS:
                    _note_wait(name, scope, started_ns, cpu_ns)

        return method

    return make


def _note_wait(name: str, scope: Scope | span, started_ns: int, cpu_ns: int | None = None) -> None:
    """Note a wait for a queue that ends now; `cpu_ns`: what the CPU clock said before, if it has not stood still."""
    recorder = scope.recorder
    if not recorder.is_open:
        return
    ended_ns = recorder.now_ns()
    cpu_now_ns = recorder.lanes.mine().cpu_at(ended_ns)
    if cpu_ns is None:
        cpu_ns = cpu_now_ns
    ended_ns -= cpu_now_ns - cpu_ns  # after the wait it unpickled the item
    if ended_ns - started_ns >= LEAST_NS:
        note_wait(scope, "blocked", name, started_ns, ended_ns, cpu_at_start_ns=cpu_ns)
