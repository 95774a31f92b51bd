"""What tasks of a Dask cluster begin themselves, such as pools: recorded on the worker that runs them.

Belongs here: the hook in workers, and what they tell. Does not belong here: who asks for it (``dask_workers``), what
becomes of it (``dask_notes``). It loads Dask: only what knows that it is loaded imports it.

A task has a recording of its own, as a call in a process has. Its rows go to the scheduler before its result does.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import distributed.worker

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.capture.away import Away, Wanted
from kaygraph_viz.capture.patches import Hook, Patch
from kaygraph_viz.clock import REAL
from kaygraph_viz.real_threads import RLock
from kaygraph_viz.trace.recorder import _scope
from kaygraph_viz.trace.span import RowTuple

__all__ = ["Inner", "begin_inner", "end_inner"]


class Inner(NamedTuple):
    """What a task has begun: the rows, how many more there were, and when the task began by their clock [ns]."""

    rows: list[RowTuple]
    dropped: int
    began_ns: int


_wanted: WeakKeyDictionary[Any, dict[str, Wanted]] = WeakKeyDictionary()  # by worker, and by the name of the recording
_hooks: list[Hook] = []
_lock = RLock()


def begin_inner(worker: Any, name: str, wanted: Wanted) -> None:
    """Have what the tasks of a worker begin recorded, and told as events of a name."""
    with _lock:
        _wanted.setdefault(worker, {})[name] = wanted
        if not _hooks and hasattr(distributed.worker, "_run_task"):
            _hooks.append(Patch(distributed.worker, "_run_task", _run_task))
            _hooks.append(Patch(distributed.worker, "_run_task_async", _run_task_async))


def end_inner(worker: Any, name: str) -> None:
    """End that."""
    with _lock:
        names = _wanted.get(worker, {})
        names.pop(name, None)
        if not names:
            _wanted.pop(worker, None)
        if not _wanted:
            while _hooks:
                _hooks.pop().remove()


def _run_task(original: Callable[..., Any]) -> Callable[..., Any]:
    """Record what a task begins that runs in a thread of its worker."""

    def _run_task(*args: Any, **kwargs: Any) -> Any:
        state, key = args[2:4] if len(args) >= 4 else (kwargs.get("execution_state"), kwargs.get("key"))
        with _recorded(state["worker"] if state else None, key):
            return original(*args, **kwargs)

    return _run_task


def _run_task_async(original: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Record what a task begins that is a coroutine of the loop of its worker."""

    async def _run_task_async(*args: Any, **kwargs: Any) -> Any:
        worker = distributed.worker.get_worker() if _wanted else None
        with _recorded(worker, args[0].key):
            return await original(*args, **kwargs)

    return _run_task_async


@contextmanager
def _recorded(worker: Any, key: Any) -> Iterator[None]:
    names = None if worker is None else _wanted.get(worker)
    if not names:
        yield
        return
    name, wanted = list(names.items())[-1]  # the recording that began last takes over
    away = Away(wanted)
    away.recorder.lanes.enter(away.lane)
    token = _scope.set(away.scope)
    began_ns = REAL.now_ns()
    try:
        yield
    finally:
        _scope.reset(token)
        rows, dropped = away.fetch()
        away.recorder.is_open = False
        if rows or dropped:
            packed = pickle.dumps(tuple(Inner(rows, dropped, began_ns)))
            with suppress(Exception):  # a worker that is ending tells nobody
                worker.log_event(name, {"key": key, "inner": packed})
