"""Capturing Dask: tasks of its clusters.

Belongs here: the hooks in clients, asking the scheduler to note what runs, and asking for its notes at the end. Does
not belong here: what notes (``dask_reporter``), how notes become branches (``dask_notes``), files of a task stream
(``export.task_stream_reader``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary, ref

from kaygraph_viz.capture.calls import scope_for, without_our_frames
from kaygraph_viz.capture.dask_notes import OF_WORKERS, OURS, SECOND_NS, Call, WorkerLanes, record_notes
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.clock import REAL
from kaygraph_viz.real_threads import RLock
from kaygraph_viz.trace.attributes import describe_error
from kaygraph_viz.trace.recorder import Recorder, Scope, span

__all__ = ["hooks"]


def hooks() -> Iterator[Hook]:
    """Yield the hooks of clients, once the program has loaded them."""
    yield OnImport("distributed.client", _client_hooks)


def _client_hooks(module: ModuleType) -> Iterator[Hook]:
    watches = _Watches()
    yield watches
    yield Patch(module.Client, "_graph_to_futures", lambda original: _handing_over(watches, original))
    for name in ("close", "shutdown"):
        yield Patch(module.Client, name, lambda original: _closing(watches, original))


class _Watch:
    """What one recording knows of one scheduler: a reporter there, and what the program has handed over."""

    def __init__(self, client: Any, recorder: Recorder, lanes: WorkerLanes) -> None:
        self.recorder = recorder
        self._lanes = lanes
        self._name = f"{OURS}{uuid4().hex}"
        self._clients: dict[str, ref[Any]] = {}
        self._calls: dict[tuple[str, str], list[Call]] = {}
        self._offset_ns = time.time_ns() - REAL.now_ns()
        self._reporter: Any = None  # where the scheduler is in this process
        self._has_labels = self._is_read = False
        self._is_reported = self._ask(client)

    def _ask(self, client: Any) -> bool:
        """Ask the scheduler to note what runs; return whether it does so in full."""
        try:
            from kaygraph_viz.capture import dask_reporter

            before_s = time.time()
            there_s = client.run_on_scheduler(dask_reporter.install, self._name, client.id)
            after_s = time.time()
            self._reporter = dask_reporter.reporter_here(self._name)
        except Exception as error:
            self.recorder.tell_once(
                "what tasks of the Dask cluster needed, and their labels, are not recorded, since its scheduler cannot "
                f"load this package ({describe_error(error)}); install kaygraph-viz there"
            )
            self._stream_before = _seen(client.get_task_stream(count=1))  # from here on the scheduler keeps it
            return False
        if not before_s <= there_s <= after_s:  # on a machine with another clock
            self._offset_ns += round((there_s - (before_s + after_s) / 2) * SECOND_NS)
        if self.recorder.label is not None:
            self._label(client)
        return True

    def _label(self, client: Any) -> None:
        """Have the workers label what they run."""
        from kaygraph_viz.capture.dask_reporter import Labeller

        try:
            labeller = Labeller(self._name, self.recorder.label)
        except Exception as error:
            self._tell_of_labels("its function cannot be pickled", error)
            return
        self._has_labels = True
        try:
            client.register_plugin(labeller, name=self._name)
        except Exception as error:
            self._tell_of_labels("its function, or this package, cannot be loaded by the workers", error)
            self._unlabel(client)

    def _tell_of_labels(self, why: str, error: Exception) -> None:
        self.recorder.tell_once(
            f"tasks of the Dask cluster have no labels: {why} ({describe_error(error)}); "
            'define it where workers can import it, or use label="arguments"'
        )

    def _unlabel(self, client: Any) -> None:
        if self._has_labels:
            self._has_labels = False
            with suppress(Exception):  # workers that are gone have none
                client.unregister_worker_plugin(self._name)

    def note(self, client: Any, keys: Any, scope: Scope | span) -> None:
        """Note that a graph is handed over in a scope."""
        from kaygraph_viz.capture.dask_reporter import token_of

        self._clients.setdefault(client.id, ref(client))
        self._calls.setdefault((client.id, token_of(keys)), []).append(Call(self.recorder.now_ns(), scope))

    def close(self, client: Any) -> bool:
        """Read what has run if this is the last client; return whether it is."""
        if list(self._clients) == [client.id]:
            self.read()
        else:
            self._clients.pop(client.id, None)
        return self._is_read

    def read(self) -> None:
        """Record what has run, once."""
        if self._is_read:
            return
        self._is_read = True
        try:
            notes = self._fetched()
        except Exception as error:
            self.recorder.tell_once(f"tasks of a Dask cluster are not recorded, since it is gone: {error}")
            return
        if self._calls:
            record_notes(self.recorder, notes, self._calls, self._offset_ns, self._lanes)

    def _fetched(self) -> list[dict[str, Any]]:
        found = (each() for each in self._clients.values())
        client = next((each for each in found if each is not None and each.status == "running"), None)
        if client is not None:
            self._unlabel(client)
        if self._reporter is not None:
            notes, dropped = self._reporter.taken()
        elif client is None:
            raise ConnectionError("it ended before it could be asked what it ran")
        elif self._is_reported:
            from kaygraph_viz.capture.dask_reporter import take

            notes, dropped = client.run_on_scheduler(take, self._name)
        else:
            stream = list(client.get_task_stream())
            before = [at for at, each in enumerate(stream, 1) if _seen([each]) == self._stream_before]
            return stream[before[-1] if before else 0 :]
        if dropped:
            self.recorder.tell_once(
                f"{dropped:,} tasks of the Dask cluster are not recorded: too many for its scheduler"
            )
        return list(notes)


def _seen(messages: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return by what the messages of a task stream are known again: their times may be earlier than they are said."""
    return [(each["key"], each["startstops"]) for each in messages]


class _Watches:
    """The schedulers that are watched."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, int], _Watch] = {}  # by address and recording
        self._lanes: WeakKeyDictionary[Recorder, WorkerLanes] = WeakKeyDictionary()
        self._lock = RLock()

    def note(self, client: Any, keys: Any, scope: Scope | span) -> None:
        """Note that a client hands over tasks in a scope."""
        recorder = scope.recorder
        if client.id.startswith(OF_WORKERS):
            return  # a task hands it over, of which the scheduler tells
        if client.asynchronous:
            recorder.tell_once("tasks of an asynchronous client of Dask are not recorded; use a synchronous one")
        elif recorder.clock is not REAL:
            recorder.tell_once("tasks of a Dask cluster are not recorded in simulated time; record with the real clock")
        else:
            self._watch(client, recorder).note(client, keys, scope)

    def _watch(self, client: Any, recorder: Recorder) -> _Watch:
        key = str(client.scheduler.address), id(recorder)
        with self._lock:
            watch = self._of.get(key)
            if watch is None:
                lanes = self._lanes.setdefault(recorder, WorkerLanes(recorder))
                watch = self._of[key] = _Watch(client, recorder, lanes)
                recorder.at_end.append(watch.read)
            return watch

    def close(self, client: Any) -> None:
        """Read what the scheduler of a client has noted, before its last client is closed."""
        with self._lock:
            for key, watch in list(self._of.items()):
                try:
                    is_last = watch.close(client)
                except Exception as error:  # a client is closed as without a recording
                    watch.recorder.give_up(error)
                    is_last = True
                if is_last:
                    del self._of[key]

    def remove(self) -> None:
        """Let go of the schedulers; recordings that end ask them once more."""
        self._of.clear()


def _handing_over(watches: _Watches, original: Callable[..., Any]) -> Callable[..., Any]:
    def _graph_to_futures(self: Any, *args: Any, **kwargs: Any) -> Any:
        scope = scope_for("dask")
        if scope is not None:
            keys = kwargs["keys"] if "keys" in kwargs else args[1]
            if not str(next(iter(keys), "")).startswith(OURS):
                try:
                    watches.note(self, keys, scope)
                except Exception as error:
                    scope.recorder.give_up(error)
        try:
            return original(self, *args, **kwargs)
        except BaseException as error:
            without_our_frames(error)
            raise

    return _graph_to_futures


def _closing(watches: _Watches, original: Callable[..., Any]) -> Callable[..., Any]:
    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.asynchronous and self.status == "running":
            watches.close(self)
        try:
            return original(self, *args, **kwargs)
        except BaseException as error:
            without_our_frames(error)
            raise

    return close
