"""Where threads wait for a queue: one of `queue`, or one between processes.

Belongs here: the hooks in queues. Does not belong here: queues of asyncio, for which tasks wait (``tasks``).
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from kaygraph_viz.capture.calls import without_our_frames
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.trace.recorder import Scope, _scope, span
from kaygraph_viz.trace.waiting import note_wait

__all__ = ["of_processes", "of_threads"]

LEAST_NS = 50_000  # what is shorter was no wait


def of_threads() -> Iterator[Hook]:
    """Yield the hooks of the queues of `queue`."""
    yield Patch(queue.Queue, "get", _get)
    yield Patch(queue.Queue, "put", _put)
    yield Patch(queue.Queue, "join", _join)


def of_processes() -> Iterator[Hook]:
    """Yield the hooks of the queues of `multiprocessing`, and of `multiprocess`."""
    yield OnImport("multiprocessing.queues", _hooks_in)
    yield OnImport("multiprocess.queues", _hooks_in)


def _hooks_in(module: ModuleType) -> Iterator[Hook]:
    put = _waiting("Queue.put", lambda self, *call: self.full() and _is_to_block(1, *call))
    yield Patch(module.Queue, "get", _waiting("Queue.get", lambda self, *call: _is_to_block(0, *call)))
    yield Patch(module.Queue, "put", put)
    yield Patch(module.JoinableQueue, "put", put)
    yield Patch(module.JoinableQueue, "join", _waiting("Queue.join"))
    yield Patch(module.SimpleQueue, "get", _waiting("SimpleQueue.get"))


# With the arguments of the originals, and each by itself: a queue of threads costs little more than a call would.


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


def _waiting(
    name: str, may_wait: Callable[[Any, tuple[Any, ...], dict[str, Any]], bool] = lambda *_: True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes a method of a queue of processes note its wait; `may_wait` is asked before it is called."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            scope = _scope.get()
            if scope is not None and _is_noted(scope) and may_wait(self, args, kwargs):
                started_ns = scope.recorder.now_ns()
                cpu_ns = scope.recorder.lanes.mine().cpu_at(started_ns)
            else:
                scope = None
            try:
                return original(self, *args, **kwargs)
            except BaseException as error:
                without_our_frames(error)
                raise
            finally:
                if scope is not None:
                    _note_wait(name, scope, started_ns, cpu_ns)

        return method

    return make


def _is_noted(scope: Scope | span) -> bool:
    """Return whether waits in a scope are noted; not in a forked child, where locks may be held for ever."""
    recorder = scope.recorder
    return bool(recorder.is_open and scope.span_id and "multiprocessing" in recorder.captured)


def _is_to_block(position: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return the argument `block` of a call, which may be given by position."""
    return bool(args[position] if len(args) > position else kwargs.get("block", True))


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
