"""Capturing `multiprocessing.pool`: pools of processes, and `ThreadPool`.

Belongs here: the hooks where tasks are handed over. Does not belong here: the record of a call (``calls``, ``remote``).
"""

from __future__ import annotations

import multiprocessing.pool
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from kaygraph_viz.base.machine import has_threads
from kaygraph_viz.capture.calls import belongs_to, labels_of, scope_for, unwrapped, without_our_frame
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.capture.process_recorder import TravellingCall

__all__ = ["hooks"]

# Hooks of their own record what these hand over.
_RECORDED_ELSEWHERE = frozenset({"dask", "distributed", "joblib", "loky"})
Task = tuple[Any, Any, Any, Any, Any]  # number of the job, position in it, function, arguments


def hooks() -> Iterator[Hook]:
    """Yield the hooks of pools: tasks of `map` and `imap` pass through one generator, those of `apply` do not."""
    yield from _hooks_in(multiprocessing.pool)
    yield OnImport("multiprocess.pool", _hooks_in)  # the same with another pickle
    if has_threads():  # else there are no processes
        from kaygraph_viz.capture import processes, threads

        yield from processes.hooks()
        yield from threads.of_processes()


def _hooks_in(module: ModuleType) -> Iterator[Hook]:
    yield Patch(module.Pool, "_guarded_task_generation", _generate_tasks)
    yield Patch(module.Pool, "apply_async", _apply)


def _generate_tasks(original: Callable[..., Iterable[Task]]) -> Callable[..., Iterable[Task]]:
    def generate_tasks(self: Any, result_job: Any, func: Any, iterable: Iterable[Any]) -> Iterable[Task]:
        scope = scope_for("multiprocessing")
        tasks = original(self, result_job, func, iterable)
        if scope is None or _is_recorded_elsewhere(func):
            return tasks
        recorder = scope.recorder

        def travelling(found: Any, args: Any, kwds: Any) -> Any:
            if found is not func:
                return found
            return TravellingCall(found, scope, recorder.now_ns(), labels_of(recorder, found, args, kwds))

        return ((job, place, travelling(found, args, kwds), args, kwds) for job, place, found, args, kwds in tasks)

    return generate_tasks


def _apply(original: Callable[..., Any]) -> Callable[..., Any]:
    def apply_async(self: Any, func: Any, args: Any = (), kwds: Any = {}, *more: Any, **options: Any) -> Any:  # noqa: B006  (never written to)
        scope = scope_for("multiprocessing")
        if scope is not None and not _is_recorded_elsewhere(func):
            func = TravellingCall(func, scope, scope.recorder.now_ns(), labels_of(scope.recorder, func, args, kwds))
        with without_our_frame:
            return original(self, func, args, kwds, *more, **options)

    return apply_async


def _is_recorded_elsewhere(function: Any) -> bool:
    return isinstance(function, TravellingCall) or belongs_to(unwrapped(function), _RECORDED_ELSEWHERE)
