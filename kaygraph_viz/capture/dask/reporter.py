"""What a Dask cluster tells of its tasks: its scheduler notes them.

Belongs here: a plugin, which runs on the scheduler, and what it hears there beside what plugins are told. Does not
belong here: what runs on workers (``workers``), who puts it there and what becomes of the notes (``clusters``). It
loads Dask: only what knows that it is loaded imports it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial, update_wrapper
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.metrics import time
from distributed.protocol.pickle import dumps

from kaygraph_viz.capture.dask.workers import end_watch

MOST_TASKS = 200_000  # that are kept; what is beyond them is counted
MOST_INNER = 200_000_000  # bytes of what they have begun; beyond it only is kept that there was something
KEPT = ("status", "thread", "startstops", "nbytes", "exception_text")  # of what a worker says of a task
Note = dict[str, Any]  # as in Dask's task stream, and what that does not say

_submitting: ContextVar[Any] = ContextVar("kaygraph_viz_dask_submitting", default=None)  # the key of a task


class _Run(NamedTuple):
    """A task on its way to a worker or there: how the scheduler numbers this run, and which attempt it is."""

    number: int
    attempt: int
    sent_at: float
    worker: str
    deaths: int  # how often workers have died of the task before


class Reporter(SchedulerPlugin):  # type: ignore[misc]  # not looked at by mypy
    """Notes on the scheduler what was asked for, what each task needed, where and when it ran."""

    def __init__(self, name: str, scheduler: Any, client: str) -> None:
        self._name = name
        self._scheduler: Callable[[], Any] = weakref.ref(scheduler)
        self._clients = {client}
        self._asked: dict[Any, Note] = {}  # by task: who asked for it, and when
        self._sent: dict[Any, _Run] = {}  # by task, while it is on a worker
        self._latest: dict[Any, _Run] = {}  # by task
        self._labels: dict[tuple[Any, str], str] = {}  # by task and worker
        self._inner: dict[tuple[Any, str], bytes] = {}  # by task and worker: what it has begun itself
        self._failed: dict[Any, Note] = {}  # by task: what its worker says, as long as the scheduler looks at it
        self._notes: list[Note] = []
        self._dropped = 0
        self._room = MOST_INNER

    def update_graph(self, scheduler: Any, *, client: str, keys: Any, tasks: Iterable[Any], **_: Any) -> None:
        """Note who asks for tasks that are new."""
        asked = {"asked": (client, token_of(keys)), "asked_at": time()}
        submitting = _submitting.get()
        if submitting is not None:
            run = self._latest.get(submitting)
            asked["by"] = None if run is None else run.number
        self._clients.add(client)
        for key in tasks:
            self._asked.setdefault(key, asked)

    def log_event(self, topic: str, msg: Any) -> None:
        """Take in the label of a task that begins, and what one that ends has begun itself."""
        if topic == self._name:
            for kept, fact in ((self._labels, "label"), (self._inner, "inner")):
                if fact in msg:
                    kept[msg["key"], msg["worker"]] = msg[fact]
            self._scheduler()._broker.truncate(topic)

    def transition(self, key: Any, start: str, finish: str, *_: Any, **facts: Any) -> None:
        """Note a task that was sent to a worker, or that has run."""
        if start == "processing" and key in self._sent:
            self._end(key, self._sent.pop(key), facts if facts.get("startstops") else self._failed.get(key, facts))
        elif finish == "processing":
            task = self._scheduler().tasks[key]
            before = self._latest.get(key)
            attempt = 1 if before is None else before.attempt + 1
            run = _Run(task.run_id, attempt, time(), task.processing_on.address, task.suspicious)
            self._sent[key] = self._latest[key] = run
        elif finish == "forgotten":
            self._asked.pop(key, None)
            self._latest.pop(key, None)

    def hear_failure(self, key: Any, facts: Note, handle: Callable[[], Any]) -> Any:
        """Have the scheduler handle what a worker says of a failed task: plugins are told only the last time."""
        self._failed[key] = facts
        try:
            return handle()
        finally:
            del self._failed[key]

    def _end(self, key: Any, run: _Run, facts: Note) -> None:
        if facts.get("startstops"):
            ended = {name: facts[name] for name in KEPT if name in facts} | {"worker": facts.get("worker", run.worker)}
        elif self._scheduler().tasks[key].suspicious > run.deaths or "restart" in str(facts.get("stimulus_id")):
            ended = {"status": "lost"}  # with its worker
        else:  # it was cancelled, or given to another worker
            ended = {"status": "released"}
        self._keep(self._note(key, run) | ended | {"got": time()})

    def _note(self, key: Any, run: _Run) -> Note:
        """Return what is known of a task that is on a worker, or was; it may have been moved to another one."""
        task = self._scheduler().tasks[key]
        note = {
            "key": key,
            "run": run.number,
            "attempt": run.attempt,
            "status": "sent",
            "startstops": (),
            "worker": getattr(task.processing_on, "address", run.worker),
            "sent": run.sent_at,
            "sent_as": task.run_id,
            "needs": [each.key for each in task.dependencies],
            "is_coroutine": bool(getattr(task.run_spec, "is_coro", False)),
        }
        return note | self._asked.get(key, {})

    def _keep(self, note: Note) -> None:
        place = note["key"], note["worker"]
        note["label"] = self._labels.pop(place, "")
        if (inner := self._inner.pop(place, None)) is not None:
            self._room -= len(inner)
            note["inner"] = inner if self._room >= 0 else b""
        if len(self._notes) < MOST_TASKS:
            self._notes.append(note)
        else:
            self._dropped += 1

    def restart(self, scheduler: Any) -> None:
        """Forget all tasks that have not run."""
        for each in (self._asked, self._sent, self._latest, self._labels, self._inner):
            each.clear()

    def remove_client(self, scheduler: Any, client: str) -> None:
        """Leave the scheduler with the last client, and the workers, too: nobody would ask for the notes."""
        self._clients.discard(client)
        if not self._clients:
            self.leave()
            if scheduler.worker_plugins.pop(self._name, None) is not None:
                scheduler.loop.add_callback(_leave_workers, scheduler, self._name)

    def leave(self) -> None:
        """Leave the scheduler as it was."""
        scheduler = self._scheduler()
        if scheduler is not None and scheduler.plugins.get(self._name) is self:
            del scheduler.plugins[self._name]
            scheduler._broker._topics.pop(self._name, None)
            if not any(isinstance(each, Reporter) for each in scheduler.plugins.values()):
                for operation in _LISTENING:
                    ours = scheduler.stream_handlers[operation]
                    scheduler.stream_handlers[operation] = getattr(ours, "kaygraph_viz_original", ours)

    def taken(self) -> tuple[list[Note], int]:
        """Return the notes, and how many were dropped, and leave; last come the tasks that still run."""
        self.leave()
        scheduler = self._scheduler()
        if scheduler is not None:
            for key, run in self._sent.items():
                self._keep(self._note(key, run))
        notes, self._notes = self._notes, []
        self._sent.clear()
        there = () if scheduler is None else scheduler.workers  # the others cannot be asked
        return [each for each in notes if each["status"] != "released" or each["worker"] in there], self._dropped


_here: WeakValueDictionary[str, Reporter] = WeakValueDictionary()  # of the schedulers in this process, by name


def token_of(keys: Iterable[Any]) -> str:
    """Return what a graph is known by, given the keys of what it was asked for."""
    return min(map(str, keys), default="")


def install(name: str, client: str, *, dask_scheduler: Any) -> float:
    """Put a reporter on the scheduler, and return the time there [s]."""
    reporter = _here[name] = Reporter(name, dask_scheduler, client)
    dask_scheduler.add_plugin(reporter, name=name)
    # Hear which task hands over a graph, and which attempts have failed, as long as there is a reporter.
    handlers = dask_scheduler.stream_handlers
    for operation, make in _LISTENING.items():
        if not hasattr(handlers[operation], "kaygraph_viz_original"):
            original = handlers[operation]
            handlers[operation] = update_wrapper(make(dask_scheduler, original), original)
            handlers[operation].kaygraph_viz_original = original
    return float(time())


def take(name: str, *, dask_scheduler: Any) -> tuple[list[Note], int]:
    """Take a reporter off the scheduler, and return its notes, and how many were dropped."""
    reporter = dask_scheduler.plugins.get(name)
    return ([], 0) if reporter is None else reporter.taken()


def reporter_here(name: str) -> Reporter | None:
    """Return a reporter whose scheduler is in this process."""
    return _here.get(name)


def keep_watcher(name: str, packed: bytes | None, *, dask_scheduler: Any) -> list[str]:
    """Keep a plugin for workers that are still to come, or none; return the addresses of those that are there."""
    dask_scheduler.worker_plugins.pop(name, None)
    if packed is not None:
        dask_scheduler.worker_plugins[name] = packed
    return list(dask_scheduler.workers)


async def _leave_workers(scheduler: Any, name: str) -> None:
    """Take the watchers of a program that is gone off the workers."""
    message = {"op": "run", "function": dumps(end_watch), "args": dumps((name,))}
    with suppress(Exception):  # workers that are gone have none
        await scheduler.broadcast(msg=message, on_error="ignore")


# -- what plugins are not told -------------------------------------------------------------------------------------


def _hearing_submitter(scheduler: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    async def update_graph(**message: Any) -> Any:
        token = _submitting.set(message.get("submitting_task"))
        try:
            return await original(**message)
        finally:
            _submitting.reset(token)

    return update_graph


def _hearing_failure(scheduler: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    plugins = scheduler.plugins

    def task_erred(**message: Any) -> Any:
        def handle() -> Any:
            return original(**message)

        for each in list(plugins.values()):
            if isinstance(each, Reporter):
                handle = partial(each.hear_failure, message["key"], message, handle)
        return handle()

    return task_erred


_LISTENING = {"update-graph": _hearing_submitter, "task-erred": _hearing_failure}
