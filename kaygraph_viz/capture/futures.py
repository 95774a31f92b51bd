"""Capturing `concurrent.futures` and `multiprocessing.pool`: what is handed to pools of threads and of processes.

Belongs here: the hooks in `submit`, through which `map` goes, too, and in pools of `multiprocessing`. Does not belong
here: the record of a call (``calls``, ``process_recorder``), processes that are started one by one (``processes``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures.thread import ThreadPoolExecutor
from types import FunctionType, ModuleType
from typing import Any

from kaygraph_viz.base.machine import has_threads
from kaygraph_viz.capture.calls import (
    belongs_to,
    call_recorded,
    labels_of,
    lost,
    name_of,
    root_of,
    scope_for,
    unwrapped,
    without_our_frame,
    without_our_frames,
)
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.capture.process_recorder import TravellingCall
from kaygraph_viz.trace.recorder import _active, _scope

# These hand over more than the program's functions; hooks of their own record those.
_RECORDED_ELSEWHERE = frozenset({"dask", "distributed", "joblib", "langgraph", "loky", "tornado"})


def hooks() -> Iterator[Hook]:
    """Yield the hooks of thread pools and process pools, those of loky included."""
    yield Patch(ThreadPoolExecutor, "submit", _submit_to_thread)
    if has_threads():  # else there are no processes, and Python has not what starts them
        from concurrent.futures.process import ProcessPoolExecutor

        yield Patch(ProcessPoolExecutor, "submit", _submit_to_process)
    for name in ("loky.process_executor", "joblib.externals.loky.process_executor"):
        yield OnImport(name, lambda module: [Patch(module.ProcessPoolExecutor, "submit", _submit_to_process)])


def _submit_to_thread(original: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        try:
            scope = _scope.get() or _active[-1]  # `scope_for` without the cost of a call
            recorder = scope.recorder
            if not recorder.is_open or "futures" not in recorder.captured or _is_recorded_elsewhere(fn, args):
                return original(self, fn, *args, **kwargs)
            now_ns = recorder.now_ns
            if self.__class__ is not ThreadPoolExecutor and any(
                kind.__name__ == "InterpreterPoolExecutor" for kind in type(self).__mro__
            ):  # since 3.14, with an interpreter in each thread: it pickles all that it hands over, as for a process
                call = TravellingCall(fn, scope, now_ns(), labels_of(recorder, fn, args, kwargs))
                return original(self, call, *args, **kwargs)
            if not args and not kwargs:  # so Python need not take apart and join what it hands over
                return original(self, call_recorded, scope, now_ns(), fn)
            return original(self, call_recorded, scope, now_ns(), fn, *args, **kwargs)
        except BaseException as error:
            without_our_frames(error)
            raise

    return submit


def _submit_to_process(original: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        scope = scope_for("futures")
        if scope is None or _is_recorded_elsewhere(fn, args):
            call = fn
        else:
            now_ns = scope.recorder.now_ns()
            call = TravellingCall(fn, scope, now_ns, labels_of(scope.recorder, fn, args, kwargs))
        with without_our_frame:
            future = original(self, call, *args, **kwargs)
        if call is not fn:
            name = name_of(fn, args)

            def note_if_lost(future: Future[Any]) -> None:
                if not future.cancelled() and isinstance(error := future.exception(), BrokenExecutor):
                    facts = {"label": call.labels[0]} if len(call.labels) == 1 and call.labels[0] else None
                    lost(call.parent, call.submitted_ns, name, error, attributes=facts)

            future.add_done_callback(note_if_lost)
        return future

    return submit


def _is_recorded_elsewhere(function: Any, args: tuple[Any, ...]) -> bool:
    """Return whether a call is recorded already, or by the hooks of another library in more detail."""
    if function.__class__ is FunctionType:
        return function is call_recorded or root_of(function.__module__) in _RECORDED_ELSEWHERE
    if isinstance(function, TravellingCall):
        return True
    return belongs_to(unwrapped(function, args), _RECORDED_ELSEWHERE)


# -- pools of multiprocessing ----------------------------------------------------------------------------------------


# Hooks of their own record what these hand over.
_POOLS_RECORDED_ELSEWHERE = frozenset({"dask", "distributed", "joblib", "loky"})
Task = tuple[Any, Any, Any, Any, Any]  # number of the job, position in it, function, arguments


def pool_hooks() -> Iterator[Hook]:
    """Yield the hooks of pools: tasks of `map` and `imap` pass through one generator, those of `apply` do not."""
    import multiprocessing.pool

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
        if scope is None or _is_pooled_elsewhere(func):
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
        if scope is not None and not _is_pooled_elsewhere(func):
            func = TravellingCall(func, scope, scope.recorder.now_ns(), labels_of(scope.recorder, func, args, kwds))
        with without_our_frame:
            return original(self, func, args, kwds, *more, **options)

    return apply_async


def _is_pooled_elsewhere(function: Any) -> bool:
    return isinstance(function, TravellingCall) or belongs_to(unwrapped(function), _POOLS_RECORDED_ELSEWHERE)
