"""The program of a worker process: waits for chunks of items, runs them one after the other, answers.

Belongs here: what happens inside the process. Does not belong here: starting, watching and ending it
(``process_starter``). It loads little before user code does, so that a process is up in some 50 ms.
"""

from __future__ import annotations

import errno
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from contextvars import copy_context
from multiprocessing.connection import Connection
from time import perf_counter_ns
from typing import Any

from kaygraph_viz.base.errors import BranchError
from kaygraph_viz.capture.process_recorder import own_lane, recorder_for, settle
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.local.answers import AnswerWriter, SharedProgress, record_of
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pickling import ATOMS, not_sent, pack_error, pack_result, unpack
from kaygraph_viz.trace.lanes import NO_LANE
from kaygraph_viz.trace.recorder import NO_RECORDER, Recorder, Scope, set_scope
from kaygraph_viz.trace.row import Row, RowList, describe_error

__all__ = ["main"]

SLICE_NS = 5_000_000  # after this time the rest of a chunk is given back: another worker may be free
POLL_PARENT_S = 0.5


def main(arguments: list[str]) -> None:
    """Serve until the parent closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the parent, which then ends us
    parent, place, progress = arguments
    threading.Thread(target=_end_with, args=(int(parent),), name="parent watch", daemon=True).start()
    shared = _shared_progress(progress)  # first: where it has a name, the parent removes that once we are connected
    if place.isdecimal():
        pipe = Connection(int(place))
    else:
        from multiprocessing.connection import Client

        pipe = Client(place, authkey=bytes.fromhex(os.environ.pop("KAYGRAPH_VIZ_KEY")))
    _keep_from_forks(pipe, shared)
    try:
        _Server(pipe, shared).serve()
    except (EOFError, OSError):  # the parent is gone: it says so when it needs us no more
        _end_all()


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, also in the middle of an item."""
    while _is_there(parent):
        time.sleep(POLL_PARENT_S)
    _end_all()


def _is_there(parent: int) -> bool:
    if os.name == "posix":
        return os.getppid() == parent
    import psutil  # elsewhere a process keeps the number of a parent that has ended

    return bool(psutil.pid_exists(parent))


def _end_all() -> None:
    """End this process at once, and what it has started: nobody else would."""
    if os.name == "posix" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _keep_from_forks(pipe: Connection, shared: SharedProgress) -> None:
    """Leave copies of this process neither pipe nor memory: what a branch forks must not go on as a worker."""

    def close() -> None:
        pipe.close()
        shared.close()

    shared.keep_from_forks()
    if hasattr(os, "register_at_fork"):
        os.set_inheritable(pipe.fileno(), False)
        os.register_at_fork(after_in_child=close)


def _shared_progress(place: str) -> SharedProgress:
    descriptor = int(place) if place.isdecimal() else os.open(place, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        return SharedProgress(descriptor)
    finally:
        os.close(descriptor)


class _LoadedCall:
    """The function and the settings of one call of `imap`."""

    def __init__(self, header: dict[str, Any]) -> None:
        sys.path[:] = header["path"]
        with suppress(OSError):  # a folder that is gone since
            os.chdir(header["folder"])
        self.rows: RowList | None = None
        self.recorder: Recorder = NO_RECORDER
        self.lane = NO_LANE
        self.branches: Branches = copy_context().run(self._made, header)
        self.is_bare = self.rows is None and self.branches.label is None

    def _made(self, header: dict[str, Any]) -> Branches:
        for packed in header["context"]:
            with suppress(Exception):  # what it needs is not to be had here
                variable, value = pickle.loads(packed)
                variable.set(value)
        if header["max_spans"]:
            self.rows = RowList(header["max_spans"])
            self.recorder = recorder = recorder_for(header["wanted"], self.rows)
            set_scope(Scope(recorder, 0))
            self.lane = own_lane(recorder)
            recorder.lanes.enter(self.lane)
        function, label, retry, fallback = pickle.loads(header["call"])
        return Branches(
            function,
            name=header["name"],
            label=label,
            owner=header["owner"],
            retry=retry,
            fallback=fallback,
            timeout_s=header["timeout_s"],
        )


class _Server:
    """Answers the messages of the parent, one at a time."""

    def __init__(self, pipe: Connection, progress: SharedProgress) -> None:
        self.pipe = pipe
        self.answers = AnswerWriter(pipe)
        self.progress = progress
        self.call: _LoadedCall | None = None
        self.fault = ""

    def serve(self) -> None:
        """Answer until the parent says that it is enough, or a branch has closed the pipe; raise if it is gone."""
        try:
            while message := self.pipe.recv_bytes():
                asked = pickle.loads(message)
                if isinstance(asked, dict):
                    self._prepare(asked)
                else:
                    number, indices, items = asked
                    self.answers.write(number, self._answer(indices, items))
        except OSError as error:
            if error.errno != errno.EBADF and not self.pipe.closed:
                raise
            setattr(self.pipe, "_handle", None)  # noqa: B010  (not to be closed at the end: another file may be there)

    def _prepare(self, header: dict[str, Any]) -> None:
        try:
            self.call, self.fault = _LoadedCall(header), ""
        except BaseException as error:
            self.call, self.fault = None, describe_error(error)
        self.progress.say_ready()

    def _answer(self, indices: Iterable[int], items: list[Any]) -> bytes:
        """Run a chunk, as far as its time goes, and return a result for which the shared memory has no room, if any."""
        if self.call is None:
            return b"!" + self.fault.encode("utf-8", "replace")
        pairs = zip(indices, items, strict=True)
        return self._run_bare(self.call, pairs) if self.call.is_bare else self._run(self.call, pairs)

    def _run(self, call: _LoadedCall, pairs: Iterable[tuple[int, Any]]) -> bytes:
        until = perf_counter_ns() + SLICE_NS
        for position, (index, packed) in enumerate(pairs):
            now = perf_counter_ns()
            if now > until and position:
                break
            self.progress.begin(position, now)
            record = _run(call, index, packed)
            if not self.progress.put(position, record):
                return record
        return b""

    def _run_bare(self, call: _LoadedCall, pairs: Iterable[tuple[int, Any]]) -> bytes:
        """Run a chunk of which nothing is recorded; for numbers and texts, one stamp is both an end and a start."""
        branches, begin, put, stamp = call.branches, self.progress.begin, self.progress.put, perf_counter_ns
        run, has_timeout = branches.run_bare, branches.timeout_s is not None
        started = stamp()
        until = started + SLICE_NS
        for position, (index, packed) in enumerate(pairs):
            if started > until and position:
                break
            begin(position, started)
            if type(packed) is tuple:
                record, ended = _run(call, index, packed), stamp()
            else:
                value, error, attempts = run(index, packed)
                ended = stamp()
                if type(value) in ATOMS and error is None and attempts == 1 and not has_timeout:
                    record = record_of(value, started, ended, -1)
                else:
                    outcome = branches.outcome_of(index, (value, error, attempts), started, ended)
                    record, ended = _record(call, outcome, None), stamp()
            if not put(position, record):
                return record
            started = ended
        return b""


def _run(call: _LoadedCall, index: int, packed: Any) -> bytes:
    """Run one item and return its record."""
    try:
        item = unpack(packed)
    except BaseException as error:
        where, now = call.branches.where(index), perf_counter_ns()
        made = BranchError(f"{where} could not be loaded in the worker process: {describe_error(error)}")
        made.__cause__ = error
        return _long(Outcome(index, None, made, "error", 1, now, now, now, call.branches.name), None)
    outcome = call.branches.run(index, item, 0, call.lane)
    if call.recorder.captured:
        settle(call.recorder)
    rows = call.rows.fetch() if call.rows is not None else None
    return _record(call, outcome, rows)


def _record(call: _LoadedCall, outcome: Outcome, rows: list[Row] | None) -> bytes:
    """Return the record of one item: a short one where there is little to say."""
    branches = call.branches
    is_plain = outcome.status == "ok" and outcome.attempts == 1 and branches.label is None
    if is_plain and (rows is None or (len(rows) == 1 and rows[0].parts is None)):  # one bar of which the sums say all
        cpu = rows[0].cpu_ns if rows is not None else -1
        try:
            return record_of(pack_result(outcome.value), outcome.started_ns, outcome.ended_ns, cpu)
        except Exception as error:
            return _long(_not_sent(branches, outcome, error, rows or []), rows)
    return _long(outcome, rows, branches)


def _not_sent(branches: Branches, outcome: Outcome, error: Exception, rows: list[Row]) -> Outcome:
    """Return the outcome of a branch whose value cannot be sent back; its bar says the same."""
    made = not_sent(branches.where(outcome.index), error)
    outcome.value, outcome.error, outcome.status = None, made, "error"
    rows[:] = [
        row._replace(status="error", error=describe_error(made))
        if row.kind == "branch" and row.index == outcome.index and row.parent_id == branches.parent_id
        else row
        for row in rows
    ]
    return outcome


def _long(outcome: Outcome, rows: list[Row] | None, branches: Branches | None = None) -> bytes:
    value = None
    if outcome.error is None:
        try:
            value = pack_result(outcome.value)
        except Exception as error:
            assert branches is not None
            outcome = _not_sent(branches, outcome, error, rows or [])
    failure = None if outcome.error is None else pack_error(outcome.error)
    plain = [tuple(row) for row in rows or ()]  # which take fewer bytes than rows with names
    record = (
        value,
        outcome.started_ns,
        outcome.ended_ns,
        failure,
        outcome.status,
        outcome.attempts,
        outcome.name,
        plain,
    )
    return record_of(pickle.dumps(record, pickle.HIGHEST_PROTOCOL), outcome.started_ns)
