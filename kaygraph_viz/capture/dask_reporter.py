"""What a Dask cluster tells of its tasks: its scheduler notes them, and its workers label them.

Belongs here: plugins, which run on the machines of a cluster. Does not belong here: who puts them there, and what
becomes of the notes (``dask_clusters``, ``dask_notes``). It loads Dask: only what knows that it is loaded imports it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakValueDictionary

import cloudpickle
from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin
from distributed.metrics import time

from kaygraph_viz.capture.dask_labels import label_of_task
from kaygraph_viz.capture.labels import Label

__all__ = ["Labeller", "Reporter", "install", "reporter_here", "take", "token_of"]

MOST_TASKS = 200_000  # that are kept; what is beyond them is counted
KEPT = ("status", "thread", "startstops", "nbytes", "exception_text")  # of what a worker says of a task
Note = dict[str, Any]  # as in Dask's task stream, and what that does not say


class Reporter(SchedulerPlugin):  # type: ignore[misc]  # not looked at by mypy
    """Notes on the scheduler what was asked for, what each task needed, where and when it ran.

    Parameters
    ----------
    name
        Of the plugin.
    scheduler
        Where it is.
    client
        The client for which it is there.
    """

    def __init__(self, name: str, scheduler: Any, client: str) -> None:
        self._name = name
        self._scheduler: Callable[[], Any] = weakref.ref(scheduler)
        self._clients = {client}
        self._asked: dict[Any, Note] = {}  # by task: who asked for it, and when
        self._sent: dict[Any, tuple[float, str, int]] = {}  # by task: when, to whom, how often workers died of it
        self._labels: dict[tuple[Any, str], str] = {}  # by task and worker
        self._notes: list[Note] = []
        self._dropped = 0

    def update_graph(self, scheduler: Any, *, client: str, keys: Any, tasks: Iterable[Any], **_: Any) -> None:
        """Note who asks for tasks that are new."""
        asked = {"asked": (client, token_of(keys)), "asked_at": time()}
        self._clients.add(client)
        for key in tasks:
            self._asked.setdefault(key, asked)

    def log_event(self, topic: str, msg: Any) -> None:
        """Take in the label of a task that begins."""
        if topic == self._name:
            self._labels[msg["key"], msg["worker"]] = msg["label"]
            self._scheduler()._broker.truncate(topic)

    def transition(self, key: Any, start: str, finish: str, *_: Any, **facts: Any) -> None:
        """Note a task that was sent to a worker, or that has run."""
        scheduler = self._scheduler()
        if start == "processing" and key in self._sent:
            sent_at, worker, deaths = self._sent.pop(key)
            label = self._labels.pop((key, worker), "")
            task = scheduler.tasks[key]
            if facts.get("startstops"):
                noted = {name: facts[name] for name in KEPT if name in facts}
            elif task.suspicious > deaths:
                noted = {"status": "lost", "startstops": ()}
            else:  # it was cancelled, or given to another worker
                return
            noted |= {"key": key, "worker": worker, "sent": sent_at, "got": time(), "label": label}
            self._keep(noted | {"needs": [each.key for each in task.dependencies]} | self._asked.get(key, {}))
        elif finish == "processing":
            task = scheduler.tasks[key]
            self._sent[key] = time(), task.processing_on.address, task.suspicious
        elif finish == "forgotten":
            self._asked.pop(key, None)

    def _keep(self, note: Note) -> None:
        if len(self._notes) < MOST_TASKS:
            self._notes.append(note)
        else:
            self._dropped += 1

    def restart(self, scheduler: Any) -> None:
        """Forget all tasks that have not run."""
        for each in (self._asked, self._sent, self._labels):
            each.clear()

    def remove_client(self, scheduler: Any, client: str) -> None:
        """Leave the scheduler with the last client: nobody would ask for the notes."""
        self._clients.discard(client)
        if not self._clients:
            self.leave()

    def leave(self) -> None:
        """Leave the scheduler as it was."""
        scheduler = self._scheduler()
        if scheduler is not None and scheduler.plugins.get(self._name) is self:
            del scheduler.plugins[self._name]
            scheduler._broker._topics.pop(self._name, None)

    def taken(self) -> tuple[list[Note], int]:
        """Return the notes, and how many were dropped, and leave."""
        self.leave()
        notes, self._notes = self._notes, []
        return notes, self._dropped


_here: WeakValueDictionary[str, Reporter] = WeakValueDictionary()  # of the schedulers in this process, by name


def token_of(keys: Iterable[Any]) -> str:
    """Return what a graph is known by, given the keys of what it was asked for.

    Examples
    --------
    >>> token_of({"sum-2", "load-1"})
    'load-1'
    """
    return min(map(str, keys), default="")


def install(name: str, client: str, *, dask_scheduler: Any) -> float:
    """Put a reporter on the scheduler, and return the time there [s]."""
    reporter = _here[name] = Reporter(name, dask_scheduler, client)
    dask_scheduler.add_plugin(reporter, name=name)
    return float(time())


def take(name: str, *, dask_scheduler: Any) -> tuple[list[Note], int]:
    """Take a reporter off the scheduler, and return its notes, and how many were dropped."""
    reporter = dask_scheduler.plugins.get(name)
    return ([], 0) if reporter is None else reporter.taken()


def reporter_here(name: str) -> Reporter | None:
    """Return a reporter whose scheduler is in this process."""
    return _here.get(name)


class Labeller(WorkerPlugin):  # type: ignore[misc]
    """Labels tasks on the workers, where their arguments are, and tells the reporter.

    Parameters
    ----------
    name
        Of the plugin, and of the events that it sends.
    label
        What labels calls. It is pickled at once: a fault of that is one of the caller.
    """

    def __init__(self, name: str, label: Label) -> None:
        self._name = name
        self._packed = cloudpickle.dumps(label)

    def setup(self, worker: Any) -> None:
        """Begin to label the tasks of a worker."""
        self._worker: Callable[[], Any] = weakref.ref(worker)
        self._label: Label = cloudpickle.loads(self._packed)

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """Label a task that begins."""
        if finish == "executing":
            worker = self._worker()
            label = label_of_task(self._label, worker.state.tasks[key].run_spec, worker.data)
            if label:
                worker.log_event(self._name, {"key": key, "label": label})
