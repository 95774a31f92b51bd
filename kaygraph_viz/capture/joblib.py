"""Capturing `joblib`: the calls of `Parallel`, with every backend.

Belongs here: the hooks where batches are handed over. Does not belong here: the record of a call (``calls``,
``remote``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from kaygraph_viz.capture.calls import AT_ONCE, call_recorded, label_of, scope_by_context, scope_for, without_our_frame
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.capture.process_recorder import Chunk, Header, RemoteCall, TravellingCall
from kaygraph_viz.trace.recorder import Scope, span

ON_DASK = "DaskDistributedBackend"  # it takes batches apart, and hands over their calls as tasks of a cluster
Callers = WeakKeyDictionary[Any, "Scope | span"]  # the scope in which each `Parallel` was called


def hooks() -> Iterator[Hook]:
    """Yield the hooks of joblib."""
    yield OnImport("joblib.parallel", _parallel_hooks)
    yield OnImport("joblib._dask", lambda module: [Patch(module.Batch, "__call__", _run_on_dask)])


def _parallel_hooks(module: ModuleType) -> Iterator[Hook]:
    callers: Callers = WeakKeyDictionary()
    yield Patch(module.Parallel, "_dispatch", partial(_dispatch, callers))
    yield Patch(module.Parallel, "__call__", partial(_call, callers))
    yield Patch(module.Parallel, "_get_sequential_output", _run_one_by_one)


def _call(callers: Callers, original: Callable[..., Any]) -> Callable[..., Any]:
    """Note the scope of the caller: all batches but the first are dispatched from other threads."""

    def call(self: Any, iterable: Iterable[Any]) -> Any:
        scope = scope_for("joblib")
        if scope is not None:
            callers[self] = scope
        else:
            callers.pop(self, None)
        with without_our_frame:
            return original(self, iterable)

    return call


def _dispatch(callers: Callers, original: Callable[..., Any]) -> Callable[..., Any]:
    """Note when a batch is handed over: that is when its items are submitted, whatever the backend."""

    def _dispatch(self: Any, batch: Any) -> Any:
        scope = callers.get(self) or scope_for("joblib")
        if scope is not None and scope.recorder.is_open and hasattr(batch, "items"):
            if type(self._backend).__name__ != ON_DASK:
                batch = Batch(batch, scope, scope.recorder.now_ns())
            elif "dask" not in scope.recorder.captured:
                scope.recorder.tell_once(
                    'calls of joblib on Dask are tasks there: record with capture=["joblib", "dask"]'
                )
        with without_our_frame:
            return original(self, batch)

    return _dispatch


def _run_on_dask(original: Callable[..., Any]) -> Callable[..., Any]:
    """Record each call of a batch within the task of Dask that runs it, on its worker."""

    def __call__(self: Any, tasks: Any = None) -> Any:  # noqa: N807  (it is called so)
        scope = scope_by_context("joblib")
        if scope is not None and tasks is not None:
            record = partial(call_recorded, scope, AT_ONCE)
            tasks = [(partial(record, function), args, kwargs) for function, args, kwargs in tasks]
        with without_our_frame:
            return original(self, tasks)

    return __call__


class Batch(TravellingCall):
    """A batch of calls: in this process each is a branch, in another one short ones share a bar."""

    def __getattr__(self, name: str) -> Any:  # a backend of others may want to know more of it
        return getattr(self.__dict__["function"], name)

    def __len__(self) -> int:
        batch: Any = self.function
        return len(batch)

    def __call__(self) -> Any:
        """Make the calls here."""
        batch: Any = self.function
        record = partial(call_recorded, self.parent, self.submitted_ns)
        batch.items = [(partial(record, function), args, kwargs) for function, args, kwargs in batch.items]
        return batch()

    def header(self) -> Header:
        """Return what the other process has to know, with the labels of the calls."""
        if (recorder := self.parent.recorder).label is not None:
            items = getattr(self.function, "items", ())
            self.labels = [label_of(recorder, function, args, kwargs) for function, args, kwargs in items]
        return super().header()

    def __reduce__(self) -> tuple[Any, ...]:
        kind, arguments = super().__reduce__()
        return RemoteBatch if kind is RemoteCall else kind, arguments


class RemoteBatch(RemoteCall):
    """A batch in another process."""

    def __len__(self) -> int:
        batch: Any = self.function
        return len(batch)

    def _run(self, scope: Scope, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        batch: Any = self.function
        _, submitted_ns, _, labels = self.header
        with Chunk(scope, submitted_ns, labels) as chunk:
            batch.items = [(partial(chunk.call, function), args, kwargs) for function, args, kwargs in batch.items]
            return batch()


def _run_one_by_one(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_sequential_output(self: Any, iterable: Any) -> Any:
        scope = scope_for("joblib")
        if scope is None:
            return original(self, iterable)
        tasks = _Tasks(iterable, scope)
        return original(self, tasks if hasattr(iterable, "__len__") else iter(tasks))

    return get_sequential_output


class _Tasks:
    """The tasks of `Parallel` where it runs them itself, one by one."""

    def __init__(self, iterable: Any, scope: Scope | span) -> None:
        self._iterable = iterable
        self._scope = scope

    def __len__(self) -> int:
        return len(self._iterable)

    def __iter__(self) -> Iterator[Any]:
        with without_our_frame:
            for function, args, kwargs in self._iterable:
                yield partial(call_recorded, self._scope, AT_ONCE, function), args, kwargs
