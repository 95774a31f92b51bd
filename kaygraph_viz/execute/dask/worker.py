"""The program of a Dask worker: runs a few items one after the other, and keeps a journal of them.

Belongs here: what is imported there. Does not belong here: cutting the input into chunks, what happens when a worker
is lost (``executor``).

The journal is a small file on the worker's machine. It says which item was started and keeps the outcomes of those
before it, so that a worker that dies takes with it only the item that it was running.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kaygraph_viz.base.threads import Lock
from kaygraph_viz.capture.process_recorder import Wanted, own_lane, recorder_for, settle
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pickling import PackedError, not_sent, pack_error, pack_result
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.trace.lanes import NO_LANE
from kaygraph_viz.trace.row import Row, RowList, describe_error
from kaygraph_viz.trace.span import Status

GO = "setup"  # the file in the folder of the journals that says what to call; without it nothing more is started
BUDGET_NS = 60_000_000  # the rest of a chunk whose items turn out to be long is given back after this time
JOURNALED_BYTES = 65_536  # a larger outcome ends its chunk instead of being written down
KEPT_CALLS = 8


class WorkerThread(NamedTuple):
    """A thread of a worker: where an item ran."""

    address: str
    pid: int
    thread: int


@dataclass(frozen=True, slots=True)
class Setup:
    """The settings that all items of one `imap` call share, as they are sent to workers."""

    function: Callable[[Any], Any]
    name: str
    label: Callable[[Any], str] | None
    owner: str
    retry: RetryPolicy
    fallback: Callable[[Any, Exception], Any] | None
    timeout_s: float | None
    context: list[bytes]
    max_spans: int  # 0 where nothing is recorded
    wanted: Wanted


class Finished(NamedTuple):
    """An outcome as a worker sends it: all but the value or error is plain data; times are the worker's [ns]."""

    position: int
    status: Status
    attempts: int
    started_ns: int
    ended_ns: int
    name: str
    failure: PackedError | None
    packed: Any
    rows: list[tuple[Any, ...]]  # plain: they take fewer bytes than a `Row`


class Answer(NamedTuple):
    """The answer of a worker to a chunk."""

    worker: WorkerThread | None
    finished: list[bytes]
    is_rerun: bool = False
    fault: str | None = None


def dask_setup(_worker: Any) -> None:
    """Ignore interrupts, since the caller stops this process, and lead a group, so that what it starts ends with it."""
    if os.name == "posix":
        with suppress(OSError):  # it leads a session already
            os.setpgid(0, 0)
    with suppress(ValueError):  # not the main thread: then the signal is not ours either
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def now_ns() -> int:
    """Return the time of this worker [ns]; imported by name, so that a probe of its clock is quick."""
    return time.perf_counter_ns()


def introduce(folder: str) -> tuple[str, int, bool]:
    """Return the name of this machine, the worker's process, and whether it sees a folder of the caller's."""
    return socket.gethostname(), os.getpid(), Path(folder).is_dir()


class Journal:
    """A file with the items that were started and their outcomes; without a folder it does nothing."""

    _HEAD = struct.Struct("<cqq")

    def __init__(self, folder: str | None, number: int, worker: WorkerThread) -> None:
        self._folder = folder
        self._file = -1
        if folder is not None:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY  # exclusive: a chunk that Dask runs again is noticed
            flags |= getattr(os, "O_BINARY", 0)  # else Windows writes two bytes where there is a line feed
            self._file = os.open(os.path.join(folder, str(number)), flags, 0o600)  # noqa: PTH118  (each chunk does it)
            head = pickle.dumps(tuple(worker))
            self._start = self._HEAD.pack(b"P", len(head), 0) + head

    def start(self, position: int, finished: bytes | None) -> bool:
        """Write that an item starts now, and the outcome of the one before; return False where nothing may start."""
        if self._folder is None:
            return True
        kept = b"" if finished is None else self._HEAD.pack(b"F", len(finished), 0) + finished
        os.write(self._file, self._start + kept + self._HEAD.pack(b"S", position, now_ns()))
        self._start = b""
        if not os.path.exists(os.path.join(self._folder, GO)):  # noqa: PTH110, PTH118  (each item does it)
            os.write(self._file, self._HEAD.pack(b"U", 0, 0))
            return False  # asked last: a caller that saw no start after it said stop knows that there is none
        return True

    def finish(self, finished: bytes | None) -> None:
        """Keep the last outcome: the worker may still die before it was fetched."""
        if self._file >= 0:
            if finished is not None and len(finished) <= JOURNALED_BYTES:
                end = self._HEAD.pack(b"E", 0, 0)
                os.write(self._file, self._HEAD.pack(b"F", len(finished), 0) + finished + end)
            os.close(self._file)


class Written(NamedTuple):
    """The contents of a journal."""

    worker: WorkerThread | None
    finished: list[bytes]
    started: int | None  # the position of the item that was started last, and when
    started_ns: int
    is_ended: bool  # the chunk is over, and all that came of it is here


def read_journal(folder: str | None, number: int) -> Written:
    """Return the contents of the journal of a chunk so far; empty where there is none."""
    worker, finished, started, started_ns = None, [], None, 0
    data, is_ended = b"", False
    if folder is not None:
        with suppress(OSError):
            data = Path(folder, str(number)).read_bytes()
    at, head = 0, Journal._HEAD
    while at + head.size <= len(data):
        what, size, stamp = head.unpack_from(data, at)
        at += head.size
        if what == b"S":
            started, started_ns = size, stamp
            continue
        if what == b"E":
            is_ended = True
            continue
        if what == b"U":
            started = None
            continue
        if at + size > len(data):
            break  # cut off in the middle of writing
        body, at = data[at : at + size], at + size
        if what == b"F":
            finished.append(body)
        else:
            worker = WorkerThread(*pickle.loads(body))
    return Written(worker, finished, started, started_ns, is_ended)


_setups: OrderedDict[str, Setup] = OrderedDict()
_lock = Lock()


def _setup_of(call: str, packed: bytes | None, folder: str | None) -> Setup:
    """Return the setup of a call; it is unpacked once in each process."""
    with _lock:
        setup = _setups.get(call)
        if setup is None:
            data = packed if packed is not None else Path(folder or "", GO).read_bytes()
            setup = _setups[call] = pickle.loads(data)
            while len(_setups) > KEPT_CALLS:
                _setups.popitem(last=False)
        return setup


def run_chunk(call: str, number: int, packed: bytes | None, folder: str | None, items: bytes) -> Answer:
    """Run some items one after the other on this worker and return the answer; an error of user code is an outcome."""
    worker = WorkerThread(_address(), os.getpid(), threading.get_ident())
    try:
        journal = Journal(folder, number, worker)
    except FileExistsError:
        return Answer(worker, [], is_rerun=True)
    except FileNotFoundError:  # the call is over and has taken its folder away
        return Answer(worker, [])
    finished: list[bytes] = []
    last: bytes | None = None
    try:
        setup = _setup_of(call, packed, folder)
        pairs = pickle.loads(items)
    except BaseException as error:
        journal.finish(None)
        return Answer(worker, [], fault=describe_error(error))
    run = _Chunk(setup)
    until = now_ns() + BUDGET_NS
    for position, (index, item) in enumerate(pairs):
        if position and (now_ns() > until or len(finished[-1]) > JOURNALED_BYTES):
            break
        if not journal.start(position, last):
            break
        last = run.item(position, index, item)
        finished.append(last)
    journal.finish(last)
    return Answer(worker, finished)


def _address() -> str:
    from distributed import get_worker

    return str(get_worker().address)


class _Chunk:
    """Runs items in a copy of the caller's context, as far as that could be pickled."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        context = copy_context()
        for packed in setup.context:
            with suppress(Exception):  # a value that does not load is of no use here
                variable, value = pickle.loads(packed)
                context.run(variable.set, value)
        self._branches = context.run(
            Branches,
            setup.function,
            name=setup.name,
            label=setup.label,
            owner=setup.owner,
            retry=setup.retry,
            fallback=setup.fallback,
            timeout_s=setup.timeout_s,
        )

    def item(self, position: int, index: int, item: Any) -> bytes:
        """Run one item and return its outcome, packed."""
        rows: list[Row] = []
        if self._setup.max_spans:
            outcome, rows = self._recorded(index, item)
        else:
            outcome = self._branches.run(index, item, 0, NO_LANE)
        packed: Any = None
        try:
            packed = pack_result(outcome.value)
        except Exception as error:
            outcome.status, outcome.error = "error", not_sent(self._branches.where(index), error)
            text = describe_error(outcome.error)
            rows = [row._replace(status="error", error=text) if row.span_id == 1 else row for row in rows]
        finished = Finished(
            position,
            outcome.status,
            outcome.attempts,
            outcome.started_ns,
            outcome.ended_ns,
            outcome.name,
            None if outcome.error is None else pack_error(outcome.error),
            packed,
            [tuple(row) for row in rows],
        )
        return pickle.dumps(tuple(finished))

    def _recorded(self, index: int, item: Any) -> tuple[Outcome, list[Row]]:
        kept = RowList(self._setup.max_spans)
        recorder = recorder_for(self._setup.wanted, kept)
        branches = self._branches
        branches.record_with(recorder)
        lane = own_lane(recorder)
        recorder.lanes.enter(lane)
        outcome = branches.run(index, item, 0, lane)
        settle(recorder)
        recorder.is_open = False  # what user code left open in threads of its own is not waited for
        return outcome, kept.fetch()
