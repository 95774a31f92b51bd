"""Capturing Dask: tasks of its local schedulers, which run one by one, in threads, or in processes.

Belongs here: the hooks in schedulers of this machine. Does not belong here: the record of a task (``dask_batches``),
clusters (``dask_clusters``), our own executor on Dask (``execute.dask``).

All local schedulers are one function, which hands batches of tasks to a pool. A hook of its callbacks would not do:
Dask calls them for one scheduler at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import ContextVar
from functools import partial
from typing import Any

from kaygraph_viz.capture import dask_clusters
from kaygraph_viz.capture.calls import scope_for, without_our_frame, without_our_frames
from kaygraph_viz.capture.dask_batches import Batch, Handed
from kaygraph_viz.capture.dask_labels import label_of_task
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.trace.recorder import Scope, span

__all__ = ["hooks"]


def hooks() -> Iterator[Hook]:
    """Yield the hooks of Dask."""
    yield OnImport(
        "dask.local",
        lambda module: [
            Patch(module, "get_async", _recorded),
            Patch(module, "start_state_from_dask", _noting_state),
        ],
    )
    for name in ("dask.threaded", "dask.multiprocessing"):
        yield OnImport(name, lambda module: [Patch(module, "get_async", _recorded)])
    yield from dask_clusters.hooks()


class _Run:
    """One run of a local scheduler."""

    def __init__(self, scope: Scope | span) -> None:
        self._scope = scope
        self._graph: Any = None
        self._state: Any = None
        self._spans: dict[object, int] = {}  # of the tasks that have begun

    def note_state(self, graph: Any, state: Any) -> None:
        """Note the graph, and the scheduler's state of it, which the scheduler keeps up to date."""
        if self._state is None:
            self._graph, self._state = graph, state

    def end(self) -> None:
        """Let go of the graph: who has copied the context keeps this."""
        self._graph = self._state = None

    def submit(self, original: Callable[..., Future[Any]], function: Any, tasks: list[tuple[Any, ...]]) -> Future[Any]:
        """Hand a batch of tasks to the pool, so that it records itself."""
        if self._state is None or not self._scope.recorder.is_open:
            return original(function, tasks)
        handed = []
        for key, *_ in tasks:
            links = tuple(self._spans[each] for each in self._state["dependencies"][key] if each in self._spans)
            label = label_of_task(self._scope.recorder.label, self._graph.get(key), self._state["cache"])
            handed.append(Handed(key, links, label))
        batch = Batch(function, self._scope, handed, self._spans.__setitem__)
        future = original(batch, tasks)
        future.add_done_callback(batch.note_if_lost)
        return future


_run: ContextVar[_Run | None] = ContextVar("kaygraph_viz_dask_run", default=None)


def _recorded(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_async(submit: Callable[..., Future[Any]], *args: Any, **kwargs: Any) -> Any:
        scope = scope_for("dask")
        run = None if scope is None else _Run(scope)
        outer = _run.set(run)
        try:
            return original(submit if run is None else partial(run.submit, submit), *args, **kwargs)
        except BaseException as error:
            without_our_frames(error)
            raise
        finally:
            _run.reset(outer)
            if run is not None:
                run.end()

    return get_async


def _noting_state(original: Callable[..., Any]) -> Callable[..., Any]:
    def start_state_from_dask(dsk: Any, *args: Any, **kwargs: Any) -> Any:
        with without_our_frame:
            state = original(dsk, *args, **kwargs)
        run = _run.get()
        if run is not None:
            run.note_state(dsk, state)
        return state

    return start_state_from_dask
