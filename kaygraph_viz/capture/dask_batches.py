"""Tasks of Dask's local schedulers: they run in batches, here or in a process, from which their spans come home.

Belongs here: the record of a task and of its batch. Does not belong here: the hooks (``dask_tasks``), how any call
travels (``remote``). A worker process imports this module: it must load fast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future
from typing import Any, NamedTuple

from kaygraph_viz.capture.away import Place
from kaygraph_viz.capture.calls import OpenCall, lost, without_our_frame, without_our_frames
from kaygraph_viz.capture.remote import Errand, Header, RemoteCall, TravellingCall, lane_of
from kaygraph_viz.trace.dask_stream import function_of_key
from kaygraph_viz.trace.recorder import Scope, first_open, span
from kaygraph_viz.trace.span import Row, RowTuple
from kaygraph_viz.trace.wire import adopt

__all__ = ["LONGEST_KEY", "Batch", "Handed"]

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
        scope.recorder.errands[self] = self  # which keeps it as long as its recording, or until it is done

    def land(self, place: Place, submitted_ns: int, rows: list[RowTuple]) -> None:
        """Keep the rows of the batch."""
        recorder = self.scope.recorder
        parent_id = first_open(self.scope).span_id

        def add(row: RowTuple) -> None:
            recorder.add(self._completed(Row._make(row), parent_id))

        lane = lane_of(recorder, place)
        adopt(recorder, rows, parent_id=parent_id, lane=lane, submitted_ns=submitted_ns, add=add)
        recorder.errands.pop(self, None)

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
