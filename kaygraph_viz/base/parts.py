"""The parts of a span, and the log from which they are read: what a thread or coroutine did when.

Belongs here: the kinds of parts, the log of one thread or coroutine, and the current log of each thread; ``with``
blocks and data of threads, which all code that writes logs needs. Does not belong here: the code that writes logs
(``clock``, ``execute``), and the parts of many spans as columns (``trace.columns``).

A span's parts are read from a log by its start and end, so nothing has to be kept for each span. Who writes it: in
simulated time ``Scheduler.park`` for each thread and ``VirtualLoop`` for each task, so that every nanosecond is known;
under the real clock each lane has a log, into which go `kv.sleep`, `kv.Lock`, limits and pauses (``recorder.held_up``),
and each step of a coroutine (``Lane.begin_step``). What lies between is unknown, with the share of CPU that the clock
of its thread tells. A row without parts means that its sums say it all: tiny branches cost nothing more. Drawing,
analysis and exports read ``trace.columns.stretches``, which fills in the parts of such spans.

With ``record(sample_s=...)`` what is unknown is filled in at the end: in ``trace.sampler`` the module ``clock_reader``
reads the clocks in a process of its own, ``thread_timeline`` says what each thread did, ``parts`` what each span did.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from operator import itemgetter
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar, cast, get_args
from weakref import WeakSet

P = ParamSpec("P")
T = TypeVar("T")


# -- with blocks that leave every error as it is -----------------------------------------------------------------------
# The decorator of ``contextlib`` sets an attribute of each error that passes. An error that refuses this, such as one
# of a frozen dataclass, would be replaced by the refusal, and code of the user's would not get its own error.


def contextmanager(function: Callable[P, Iterator[T]]) -> Callable[P, AbstractContextManager[T]]:
    """Make a function for ``with`` blocks of a generator that yields once, as ``contextlib.contextmanager`` does."""

    @wraps(function)
    def block(*args: P.args, **kwargs: P.kwargs) -> AbstractContextManager[T]:
        return _Block(cast("Generator[T, Any, Any]", function(*args, **kwargs)))

    return block


class _Block(AbstractContextManager[T]):
    __slots__ = ("_steps",)

    def __init__(self, steps: Generator[T, Any, Any]) -> None:
        self._steps = steps

    def __enter__(self) -> T:
        return next(self._steps)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            next(self._steps, None)
            return False
        try:
            self._steps.throw(error)
        except BaseException as raised:
            if raised is error or (isinstance(error, StopIteration) and raised.__cause__ is error):
                BaseException.with_traceback(error, traceback)  # without the lines of the generator
                return False
            if isinstance(raised, StopIteration):  # it has swallowed the error
                return True
            raise
        raise RuntimeError("the generator of a with block yields more than once")


# -- data of threads, which goes with a fiber where several fibers share one thread -----------------------------------


Data = TypeVar("Data", bound=threading.local)
Held = list[tuple[threading.local, dict[str, Any]]]

_known: WeakSet[threading.local] = WeakSet()


def of_fibers(data: Data) -> Data:
    """Return data of threads that from now on goes with a fiber, too."""
    _known.add(data)
    return data


def exchanged(held: Held) -> Held:
    """Put data in the place of that of the calling thread, and return what that one had."""
    had = []
    for data in _known:
        if own := vars(data):
            had.append((data, own.copy()))
            own.clear()
    for data, own in held:
        vars(data).update(own)
    return had


# -- parts ------------------------------------------------------------------------------------------------------------


PartKind = Literal["cpu", "wait", "gil", "core", "blocked", "pause", "unknown"]
PART_KINDS: tuple[PartKind, ...] = get_args(PartKind)
PART_CODE = {kind: code for code, kind in enumerate(PART_KINDS)}
CPU, WAIT, _, _, BLOCKED, PAUSE, UNKNOWN = range(len(PART_KINDS))
NO_SHARE = -1.0  # of a part whose share of CPU has no meaning, or was not measured
ALL_CPU = 0.95  # from which share of CPU on a stretch counts as computing from end to end
SHORT_NS = 20_000  # a stretch without a wait that is shorter counts as computing, as `trace.lanes` counts it
MAX_ENTRIES = 4_096  # kept of one log: spans that are still open need only the last ones

RowParts = tuple[tuple[int, int, float], ...]  # of each part: code of its kind, end [ns], share of CPU or -1
Entry = tuple[int, int, int, float, int]  # code, start and end [ns], share, and the CPU clock at the start [ns] or -1


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a span in which one thing went on."""

    kind: PartKind
    started_ns: int
    ended_ns: int
    cpu_share: float | None = None

    @property
    def lasted_ns(self) -> int:
        """Its duration [ns]."""
        return self.ended_ns - self.started_ns


class PartLog:
    """The log of one thread or coroutine: what is known of its time, in order; gaps are not known."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(
        self, kind: PartKind, started_ns: int, ended_ns: int, *, share: float = NO_SHARE, cpu_at_start_ns: int = -1
    ) -> None:
        """Append a part from `started_ns` to `ended_ns` [ns], which must not begin before the end of the last one."""
        self._put(PART_CODE[kind], started_ns, ended_ns, share, cpu_at_start_ns)

    def _put(self, code: int, started_ns: int, ended_ns: int, share: float, cpu_at_start_ns: int) -> None:
        if ended_ns <= started_ns:
            return
        entries = self.entries
        if entries and (last := entries[-1])[2] == started_ns and last[0] == code and code != UNKNOWN:
            entries[-1] = (code, last[1], ended_ns, share, last[4])
            return
        entries.append((code, started_ns, ended_ns, share, cpu_at_start_ns))
        if len(entries) > 2 * MAX_ENTRIES:
            del entries[:MAX_ENTRIES]

    def cover(self, kind: PartKind, started_ns: int, ended_ns: int, *, cpu_at_start_ns: int = -1) -> None:
        """Turn all waits and gaps from `started_ns` until now, `ended_ns` [ns], into parts of a kind."""
        code = PART_CODE[kind]
        for part, until_ns, share in self._taken_back(started_ns, ended_ns):
            is_wait = part in (WAIT, UNKNOWN)
            self._put(code if is_wait else part, started_ns, until_ns, NO_SHARE if is_wait else share, cpu_at_start_ns)
            started_ns = until_ns

    def settle(self, started_ns: int, ended_ns: int, cpu_at_start_ns: int, cpu_at_end_ns: int) -> None:
        """Fill the gaps from `started_ns` until now, `ended_ns` [ns], by what the CPU clock said at both ends [ns]."""
        for part, until_ns, share in self._taken_back(started_ns, ended_ns, cpu_at_start_ns, cpu_at_end_ns):
            self._put(part, started_ns, until_ns, share, -1)
            started_ns = until_ns

    def copy_from(self, other: PartLog, started_ns: int, ended_ns: int) -> None:
        """Append the parts that another log has of a stretch of time [ns]."""
        for part, until_ns, share in other.between(started_ns, ended_ns) or ():
            self._put(part, started_ns, until_ns, share, -1)
            started_ns = until_ns

    def blocked_by(self, other: PartLog, started_ns: int, ended_ns: int, *, cpu_at_start_ns: int = -1) -> None:
        """Take over the blocked times and pauses of another log, for which this one waited since `started_ns` [ns]."""
        held_up = [entry for entry in other.entries if entry[0] in (BLOCKED, PAUSE) and entry[2] > started_ns]
        if not held_up:
            return
        for part, until_ns, share in self._taken_back(started_ns, ended_ns):
            for code, began_ns, over_ns, *_ in held_up if part in (WAIT, UNKNOWN) else ():
                began, over = max(began_ns, started_ns), min(over_ns, until_ns)
                if began < over:
                    self._put(WAIT, started_ns, began, NO_SHARE, cpu_at_start_ns)
                    self._put(code, began, over, NO_SHARE, cpu_at_start_ns)
                    started_ns = over
            self._put(WAIT if part == UNKNOWN else part, started_ns, until_ns, share, cpu_at_start_ns)
            started_ns = until_ns

    def _taken_back(self, started_ns: int, ended_ns: int, *cpu_ns: int) -> RowParts:
        """Remove all entries after `started_ns` [ns] and return the parts they stood for, to be appended anew."""
        entries = self.entries
        has_noted = bool(entries) and entries[-1][2] > started_ns
        found = self.between(started_ns, ended_ns, *cpu_ns) if has_noted else None
        found = found or _gap(started_ns, ended_ns, *cpu_ns) or ((UNKNOWN, ended_ns, NO_SHARE),)
        while entries and entries[-1][2] > started_ns:
            code, began_ns, _, share, cpu = entries.pop()
            if began_ns < started_ns:
                self._put(code, began_ns, started_ns, share, cpu)
                break
        return found

    def between(
        self, started_ns: int, ended_ns: int, cpu_at_start_ns: int = -1, cpu_at_end_ns: int = -1
    ) -> RowParts | None:
        """Return the parts of a stretch of time, or None if nothing of it was noted."""
        entries = self.entries
        place, cpu, at = bisect_right(entries, started_ns, key=itemgetter(2)), cpu_at_start_ns, started_ns
        found: list[tuple[int, int, float]] = []
        for position in range(place, len(entries)):
            code, began, until, share, reading = entries[position]
            if began >= ended_ns or ended_ns <= started_ns:
                break
            found += _gap(at, began, cpu, reading)
            at = min(until, ended_ns)
            found.append((code, at, share))
            cpu = reading if reading >= 0 else cpu
        if not found:
            return None
        found += _gap(at, ended_ns, cpu, cpu_at_end_ns)
        if found[-1][1] < ended_ns:
            found[-1] = (found[-1][0], ended_ns, found[-1][2])
        return tuple(found)


def _gap(started_ns: int, ended_ns: int, cpu_at_start_ns: int = -1, cpu_at_end_ns: int = -1) -> RowParts:
    """Return the parts of a gap in the log, by the readings of the CPU clock at both ends."""
    lasted_ns = ended_ns - started_ns
    if lasted_ns <= 0:
        return ()
    if cpu_at_start_ns < 0 or cpu_at_end_ns < 0:  # a shorter gap is the cost of stamping: it goes to its neighbour
        return ((UNKNOWN, ended_ns, NO_SHARE),) if lasted_ns >= SHORT_NS else ()
    share = min(1.0, max(0, cpu_at_end_ns - cpu_at_start_ns) / lasted_ns)
    is_cpu = share >= ALL_CPU or lasted_ns < SHORT_NS
    return ((CPU, ended_ns, NO_SHARE),) if is_cpu else ((UNKNOWN, ended_ns, share),)


def derived_parts(started_ns: int, ended_ns: int, cpu_ns: int, blocked_ns: int) -> RowParts:
    """Return the parts of a span of which only sums are known [ns]; `cpu_ns` is -1 where it was not measured."""
    blocked_from = max(started_ns, ended_ns - blocked_ns)
    found: list[tuple[int, int, float]] = []
    if started_ns < blocked_from:
        lasted_ns = blocked_from - started_ns
        code = CPU if cpu_ns >= lasted_ns else WAIT if cpu_ns == 0 else UNKNOWN
        share = cpu_ns / lasted_ns if code == UNKNOWN and cpu_ns > 0 else NO_SHARE
        found.append((code, blocked_from, share))
    if blocked_from < ended_ns:
        found.append((BLOCKED, ended_ns, NO_SHARE))
    return tuple(found)


def shifted(parts: RowParts | None, shift: Callable[[int], int], started_ns: int, ended_ns: int) -> RowParts | None:
    """Return parts with times converted to another clock and clipped to the new times of their span [ns]."""
    if parts is None:
        return None
    found: list[tuple[int, int, float]] = []
    at = started_ns
    for place, (code, until_ns, share) in enumerate(parts, 1):
        until = ended_ns if place == len(parts) else min(max(shift(until_ns), at), ended_ns)
        if until > at:
            found.append((code, until, share))
            at = until
    return tuple(found)


# -- the log of the calling thread ---------------------------------------------------------------------------------


Writing = tuple[PartLog | None, Callable[[], int] | None]


class _Here(threading.local):
    log: PartLog | None = None
    cpu_ns: Callable[[], int] | None = None


_here = of_fibers(_Here())


def log_here() -> PartLog | None:
    """Return the log that the calling thread, or the coroutine that it runs, writes; None where none is kept."""
    return _here.log


def write_here(log: PartLog | None, cpu_ns: Callable[[], int] | None = None) -> Writing:
    """Set the log that the calling thread writes, and return the arguments that set the one before."""
    before = _here.log, _here.cpu_ns
    _here.log, _here.cpu_ns = log, cpu_ns
    return before


@contextmanager
def log_kept() -> Iterator[None]:
    """Restore the log of the calling thread at the end of the block, unless another thread leaves it."""
    before, thread = (_here.log, _here.cpu_ns), threading.get_ident()
    try:
        yield
    finally:
        if threading.get_ident() == thread:
            write_here(*before)


@contextmanager
def noted(kind: PartKind, now_ns: Callable[[], int]) -> Iterator[None]:
    """Note that the calling thread, or coroutine, waits for something of a kind inside the block."""
    log, cpu_ns = _here.log, _here.cpu_ns
    if log is None:
        yield
        return
    started_ns, cpu = now_ns(), -1 if cpu_ns is None else cpu_ns()
    try:
        yield
    finally:
        log.cover(kind, started_ns, now_ns(), cpu_at_start_ns=cpu)
