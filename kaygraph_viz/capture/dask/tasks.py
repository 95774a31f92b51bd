"""Capturing Dask: tasks of its local schedulers, which run one by one, in threads, or in processes.

Belongs here: the hooks in schedulers of this machine, the record of a task and of its batch. Does not belong here:
clusters (``clusters``), our own executor on Dask (``execute.dask``). A worker process imports this module: it must load
fast.

All local schedulers are one function, which hands batches of tasks to a pool. A hook of its callbacks would not do:
Dask calls them for one scheduler at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

from kaygraph_viz.capture.calls import OpenCall, lost, scope_for, without_our_frame, without_our_frames
from kaygraph_viz.capture.dask import clusters
from kaygraph_viz.capture.dask.labels import label_of_task
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.capture.process_recorder import Errand, Errands, Header, Place, RemoteCall, TravellingCall, lane_of
from kaygraph_viz.trace.dask_stream import function_of_key
from kaygraph_viz.trace.recorder import Scope, first_open, span
from kaygraph_viz.trace.row import Row, RowTuple
from kaygraph_viz.trace.wire import adopt


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
    yield from clusters.hooks()


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


# -- batches of tasks ------------------------------------------------------------------------------------------------


LONGEST_KEY = 200
Item = tuple[Any, Any, Any, Any, Any, Any]  # of a batch: key, packed task, dumps, loads, get_id, pack_exception
NoteSpan = Callable[[object, int], None]


class Handed(NamedTuple):
    """What is known of a task that is handed over: its key, the spans of what it needed, its label."""

    key: object
    links: tuple[int, ...]
    label: str

    @property
    def name(self) -> str:
        """What it is called in charts."""
        return function_of_key(self.key)

    @property
    def facts(self) -> dict[str, Any]:
        """Its attributes."""
        return {"key": str(self.key)[:LONGEST_KEY], **({"label": self.label} if self.label else {})}


class _TaskCall:
    """A task that records itself, from when it is unpacked to when its result, or its error, is packed."""

    def __init__(self, call: OpenCall, item: Item) -> None:
        self._call = call
        self._item = item

    def recorded(self) -> Item:
        """Return the item of the batch that is recorded."""
        key, packed, _, _, get_id, _ = self._item
        return key, packed, self._dumps, self._loads, get_id, self._pack

    def _loads(self, packed: Any) -> Any:
        self._call.begin()
        with without_our_frame:
            return self._item[3](packed)

    def _dumps(self, result: Any) -> Any:
        with without_our_frame:
            packed = self._item[2](result)
        self._call.end()
        return packed

    def _pack(self, error: BaseException, _: Any) -> Any:
        self._call.end(error)
        try:
            return self._item[5](error, self._item[2])
        except BaseException as again:  # as where tasks run one by one
            without_our_frames(again)
            raise


class Batch(TravellingCall):
    """A batch of tasks on its way to a thread or a process."""

    def __init__(
        self, function: Callable[..., Any], parent: Scope | span, tasks: Sequence[Handed], note_span: NoteSpan
    ) -> None:
        super().__init__(function, parent, parent.recorder.now_ns())
        self._tasks = tasks
        self._note_span = note_span

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the tasks here."""
        (items,) = args
        if self.parent.recorder.is_open:
            tasks, items = items, []
            for task, item in zip(self._tasks, tasks, strict=True):
                call = _NotedCall(self.parent, task.name, self.submitted_ns, attributes=task.facts)
                call.link_to(task.links)
                call.key, call.note_span = task.key, self._note_span
                items.append(_TaskCall(call, item).recorded())
        with without_our_frame:
            return self.function(items)

    def header(self) -> Header:
        """Return what the other process has to know."""
        errand = _BatchErrand(self.parent, self._tasks, self._note_span)
        return errand.number, self.submitted_ns, errand.wanted, ()

    def __reduce__(self) -> tuple[Any, ...]:
        kind, arguments = super().__reduce__()
        return RemoteBatch if kind is RemoteCall else kind, arguments

    def note_if_lost(self, future: Future[Any]) -> None:
        """Record the tasks as lost if their worker has died."""
        if not future.cancelled() and isinstance(error := future.exception(), BrokenExecutor):
            for each in self._tasks:
                lost(self.parent, self.submitted_ns, each.name, error, attributes=each.facts, links=each.links)


class _NotedCall(OpenCall):
    """A task that tells its span when it begins."""

    __slots__ = ("key", "note_span")
    key: object
    note_span: NoteSpan

    def begin(self) -> _NotedCall:
        """Begin, and tell which span it is."""
        super().begin()
        self.note_span(self.key, self.span_id)
        return self


class _BatchErrand(Errand):
    """Where the spans of a batch come home."""

    def __init__(self, scope: Scope | span, tasks: Sequence[Handed], note_span: NoteSpan) -> None:
        super().__init__(scope)
        self._tasks = tasks
        self._note_span = note_span
        scope.recorder.kept(Errands).others.add(self)

    def land(self, place: Place, submitted_ns: int, rows: list[RowTuple]) -> None:
        """Keep the rows of the batch."""
        recorder = self.scope.recorder
        parent_id = first_open(self.scope).span_id

        def add(row: RowTuple) -> None:
            recorder.add(self._completed(Row._make(row), parent_id))

        lane = lane_of(recorder, place)
        adopt(recorder, rows, parent_id=parent_id, lane=lane, submitted_ns=submitted_ns, add=add)
        recorder.kept(Errands).others.discard(self)

    def _completed(self, row: Row, parent_id: int) -> Row:
        """Return the row of a task with all that is known here; one that a task has recorded itself as it is."""
        if row.index < 0 or row.parent_id != parent_id:
            return row
        task = self._tasks[row.index]
        self._note_span(task.key, row.span_id)
        return row._replace(index=-1, name=task.name, attributes=task.facts, links=task.links)


class RemoteBatch(RemoteCall):
    """A batch in another process."""

    def _run(self, scope: Scope, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        (items,) = args
        calls = (OpenCall(scope, "task", index=position) for position in range(len(items)))
        return self.function([_TaskCall(*each).recorded() for each in zip(calls, items, strict=True)])
