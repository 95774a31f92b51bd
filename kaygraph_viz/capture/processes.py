"""Capturing `multiprocessing.Process`: each process that the program starts itself.

Belongs here: the hooks in `start` and `join`, the `run` that records itself, and the file that it writes. Does not
belong here: pools of processes (``futures``).

Such a process has no result that could carry anything, and one that is killed has no last word. So it writes a page
whenever something begins or ends there, as long as that takes no more than a twentieth of its time. What it has written
is read when the program joins it, or when the recording ends.
"""

from __future__ import annotations

import itertools
import os
import pickle
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from struct import Struct
from types import ModuleType
from typing import Any
from weakref import ref

from kaygraph_viz.base.parts import NO_SHARE, PART_CODE
from kaygraph_viz.base.threads import Lock
from kaygraph_viz.capture.calls import (
    OpenCall,
    belongs_to,
    is_machinery_function,
    labels_of,
    name_of,
    scope_for,
    without_our_frame,
    without_our_frames,
)
from kaygraph_viz.capture.patches import Hook, OnImport, Patch
from kaygraph_viz.capture.process_recorder import (
    MOST_ROWS,
    Page,
    ProcessRecorder,
    Wanted,
    process_recorder_for,
    wanted_by,
)
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.recorder import Recorder, Scope, _scope, first_open, span
from kaygraph_viz.trace.row import OpenSpan, Row, RowTuple, describe_error, kind_of, span_id_of
from kaygraph_viz.trace.span import Status
from kaygraph_viz.trace.wire import OWN_LANE, adopt

UNKNOWN = PART_CODE["unknown"]
_POOLS_OF_LOOPS = frozenset({"mpire"})  # their processes take items from queues, whose waits tell one from the next


def hooks() -> Iterator[Hook]:
    """Yield the hooks of processes, also of those of `multiprocess`, which is `multiprocessing` with another pickle."""
    for name in ("multiprocessing.process", "multiprocess.process"):
        yield OnImport(name, _hooks_in)


def _hooks_in(module: ModuleType) -> Iterator[Hook]:
    yield Patch(module.BaseProcess, "start", _start)
    yield Patch(module.BaseProcess, "join", _join)


def _start(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def start(self: Any) -> None:
        scope = scope_for("multiprocessing")
        watched = None
        if scope is not None and "run" not in vars(self):
            function = _function_of(self)
            if belongs_to(function, _POOLS_OF_LOOPS) or not is_machinery_function(function):
                watched = _expected(self, scope)
        try:
            original(self)
        except BaseException as error:
            if watched is not None:
                watched.forget()
            without_our_frames(error)
            raise
        finally:
            if watched is not None:
                vars(self).pop("run", None)
        if watched is not None:
            watched.note_start(self)

    return start


def _join(original: Callable[..., None]) -> Callable[..., None]:
    def join(self: Any, timeout: float | None = None) -> None:
        with without_our_frame:
            original(self, timeout)
        has_ended = self._popen.returncode is not None
        found = _watched.get(id(self))
        if has_ended and found is not None and found.process() is self:
            found.tell()

    return join


def _expected(process: Any, scope: Scope | span) -> _Watched | None:
    recorder = scope.recorder
    if recorder.clock is not REAL:
        recorder.tell_once("processes are not recorded in simulated time; record with the real clock")
        return None
    try:
        return recorder.kept(_Watch).expect(process, scope)
    except OSError as error:  # there is no room for their files
        recorder.tell_once(f"processes are not recorded: {describe_error(error)}")
        return None


def _function_of(process: Any) -> Any:
    """Return what a process runs: its target, or else the class whose `run` it is."""
    return getattr(process, "_target", None) or type(process)


class _Watch:
    """The processes that one recording waits for, and the folder in which they write."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.folder = tempfile.mkdtemp(prefix="kaygraph-viz-")
        self.lanes: set[str] = set()
        self.numbers = itertools.count(1)
        recorder.at_end.append(self.end)

    def expect(self, process: Any, scope: Scope | span) -> _Watched:
        """Make a process that is about to start record itself."""
        recorder = self.recorder
        function, now_ns = _function_of(process), recorder.now_ns()
        name = name_of(function)
        labels = labels_of(recorder, function, getattr(process, "_args", ()), getattr(process, "_kwargs", {}))
        library = next(each.__module__ for each in type(process).__mro__ if each.__name__ == "BaseProcess")
        watched = _Watched(self, process, scope, name, now_ns)
        process.run = RecordedRun(library, watched.file, name, labels[0] if labels else "", now_ns, wanted_by(recorder))
        return watched

    def lane_for(self, process: Any) -> str:
        """Return the name of the row of a process: the one that the program gave it, if it did."""
        name = str(process.name)
        if re.fullmatch(rf"{re.escape(type(process).__name__)}-[\d:]+", name):  # which Python has made
            return self.recorder.lanes.take("process").name
        number, lane = 1, name
        while lane in self.lanes:
            number += 1
            lane = f"{name} #{number}"
        self.lanes.add(lane)
        return lane

    def end(self) -> None:
        """Keep what is known of all processes, which may still run."""
        for each in list(_watched.values()):
            if each.watch is self:
                each.tell()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Watched:
    """A process of the program, from the recording's side."""

    def __init__(self, watch: _Watch, process: Any, scope: Scope | span, name: str, submitted_ns: int) -> None:
        self.watch = watch
        self.process = ref(process)  # which is not kept alive by us
        self.scope = scope
        self.name = name
        self.submitted_ns = submitted_ns
        self.lane = watch.lane_for(process)
        self.number = id(process)
        self.file = str(Path(watch.folder, str(next(watch.numbers))))

    def note_start(self, process: Any) -> None:
        """Note that it runs."""
        before = _watched.get(self.number)
        if before is not None:  # one that the program let go of, when it had ended
            before.tell()
        _watched[self.number] = self
        self.watch.recorder.lanes.enter_process(Lane(self.lane, None), process.pid)

    def forget(self) -> bool:
        """Expect nothing more of it; return whether anything was expected."""
        is_known = _watched.get(self.number) is self
        if is_known:
            del _watched[self.number]
        return is_known

    def tell(self) -> None:
        """Keep its rows, and what is known of what it has not ended."""
        recorder = self.watch.recorder
        if not self.forget() or not recorder.is_open:
            return
        rows, opened, dropped = told(self.file) or ([], [], 0)
        if opened or not rows:
            rows += self._without_end(opened)
        recorder.dropped_elsewhere += dropped
        parent_id = first_open(self.scope).span_id
        adopt(recorder, rows, parent_id=parent_id, lane=self.lane, submitted_ns=self.submitted_ns)

    def _without_end(self, opened: list[RowTuple]) -> list[RowTuple]:
        """Return the row of a process that has not ended, and those of what it had begun, given as its last page."""
        now_ns = self.watch.recorder.now_ns()
        status: Status = "abandoned"
        error: str | None = None
        process = self.process()
        popen = None if process is None else process._popen  # None, too, of one that was closed
        if popen is None or popen.returncode is not None or wait([popen.sentinel], 0):
            status, error = "lost", "the process ended before its function did"
            if popen is not None and popen.returncode is not None:
                error += f", exit code {popen.returncode}"
        rows = [Row._make(row) for row in opened]
        if not rows:
            rows = [Row(1, 0, -1, self.name, "branch", OWN_LANE, self.submitted_ns, now_ns, now_ns)]
        return [
            row._replace(
                ended_ns=max(row.ended_ns, now_ns),
                cpu_ns=-1,
                status=status,
                error=error,
                parts=(*row.parts, (UNKNOWN, now_ns, NO_SHARE)) if row.parts else None,
            )
            for row in rows
        ]


_watched: dict[int, _Watched] = {}  # those that are waited for, by the identity of the process


# -- in such a process -----------------------------------------------------------------------------------------------


FREE_NS = 5_000_000  # what pages may take in any case: some 50 of them [ns]
SHARE = 0.05  # and the share of the time since it began: other threads wait for a page, too
_LENGTH = Struct("<Q")  # comes before each page, of which the last one may be cut short


class Diary:
    """The file of this process."""

    def __init__(self, file: str, recording: ProcessRecorder) -> None:
        self._file, self._recording = file, recording
        self._process = os.getpid()
        self._lock = Lock()
        self.now_ns = recording.recorder.now_ns
        self.next_ns = 0  # when there may be another page
        self._began_ns = self.now_ns()
        self._spent_ns = self._count = 0
        self._has_news = False  # that no page has yet
        self._is_over = False  # since it could not be written

    def begin(self) -> None:
        """Write the first page, and another one whenever a span begins or ends, or a wait has ended."""
        recorder = self._recording.recorder
        self._write_page()
        recorder.open_spans = _OpenSpans(self, recorder.open_spans)
        recorder.add = partial(self._add, recorder.add)  # type: ignore[method-assign]

    def _add(self, add: Callable[[RowTuple], None], row: RowTuple) -> None:
        add(row)
        if kind_of(row) == "wait" and self.now_ns() >= self.next_ns:
            self.note()

    def note(self) -> None:
        """Write what has happened since the last page; never raises."""
        recorder = self._recording.recorder
        self._has_news = True
        while self._has_news and recorder.is_open and self._lock.acquire(blocking=False):  # else its holder sees it
            try:
                self._has_news = False
                self._write_page()
            except Exception as error:
                recorder.give_up(error)
            finally:
                self._lock.release()

    def _write_page(self) -> None:
        started_ns, page = self.now_ns(), self._recording.page()
        self._write(page)
        self._spent_ns += self.now_ns() - started_ns
        self._count += len(page[0])
        is_enough = self._count >= MOST_ROWS
        self.next_ns = sys.maxsize if is_enough else self._began_ns + int((self._spent_ns - FREE_NS) / SHARE)

    def end(self) -> None:
        """Write the last page: nothing is open any more. A child that this process has forked writes nothing."""
        if os.getpid() != self._process:
            return
        with self._lock:
            rows, dropped = self._recording.fetch()
            self._write((rows, [], dropped))
            self._is_over = True

    def _write(self, page: Page) -> None:
        if self._is_over:
            return
        text = pickle.dumps(page)
        content, written = _LENGTH.pack(len(text)) + text, 0
        with suppress(OSError), Path(self._file).open("ab", buffering=0) as stream:
            written = stream.write(content)
        if written != len(content):  # nobody waits for it any more, or the disk is full
            self._is_over, self._recording.recorder.is_open = True, False


class _OpenSpans(dict[int, OpenSpan]):
    """The open spans of a recorder, with a diary that is told when one begins or ends."""

    def __init__(self, diary: Diary, opened: dict[int, OpenSpan]) -> None:
        super().__init__(opened)
        self._diary = diary

    def __setitem__(self, number: int, opened: OpenSpan) -> None:
        super().__setitem__(number, opened)
        if self._diary.now_ns() >= self._diary.next_ns:
            self._diary.note()

    def pop(self, number: int, default: Any = None) -> Any:
        found = super().pop(number, default)
        if self._diary.now_ns() >= self._diary.next_ns:
            self._diary.note()
        return found


def told(file: str) -> Page | None:
    """Return all that a process has written as one page; None where it has written nothing."""
    content = b""
    with suppress(OSError):
        content = Path(file).read_bytes()
    pages: list[Page] = []
    first = _LENGTH.size
    while len(content) >= first:
        (length,) = _LENGTH.unpack_from(content, first - _LENGTH.size)
        if len(content) < first + length:
            break
        pages.append(pickle.loads(content[first : first + length]))  # only this user can write there
        first += length + _LENGTH.size
    if not pages:
        return None
    rows = [row for page in pages for row in page[0]]
    ended = set(map(span_id_of, rows))
    _, opened, dropped = pages[-1]
    return rows, [row for row in opened if span_id_of(row) not in ended], dropped


@dataclass(frozen=True)
class RecordedRun:
    """The `run` of a process: it records itself there."""

    library: str
    file: str
    name: str
    label: str
    submitted_ns: int
    wanted: Wanted

    def __call__(self) -> None:
        """Run what the process is there for."""
        process = sys.modules[self.library].current_process()
        vars(process).pop("run", None)  # the program finds its process as it made it
        recording = process_recorder_for(self.wanted)
        facts = {"label": self.label} if self.label else None
        call = OpenCall(recording.scope, self.name, self.submitted_ns, attributes=facts)
        diary = Diary(self.file, recording)
        outer = _scope.set(recording.scope)
        call.begin()
        diary.begin()
        try:
            process.run()
        except BaseException as error:
            is_usual_end = isinstance(error, SystemExit) and not error.code
            call.end(None if is_usual_end else error)
            without_our_frames(error)
            raise
        else:
            call.end()
        finally:
            _scope.reset(outer)
            diary.end()
