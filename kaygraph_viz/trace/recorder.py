"""The recorder, which collects spans, `span`, which makes them, and the waits that this package itself imposes.

Belongs here: stamping, nesting (which span is the parent), lanes, the cap on the number of spans.
Does not belong here: beginning and ending a recording (``recording``), storage (``columns``), the finished trace
(``trace``), running branches (``execute``).

A fault of the recorder never changes a result: it warns once, switches itself off, and the program goes on.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from kaygraph_viz.base.errors import OptionError, short, warn
from kaygraph_viz.base.parts import PART_CODE, PartKind, contextmanager
from kaygraph_viz.base.threads import RLock
from kaygraph_viz.clock.clock import REAL, Clock, current_clock
from kaygraph_viz.trace.gauges import GaugeLog
from kaygraph_viz.trace.lanes import CPU_RESOLUTION_NS, Lanes, Measured, NoLanes
from kaygraph_viz.trace.options import DEFAULT_MAX_SPANS
from kaygraph_viz.trace.row import LateRows, OpenSpan, RowList, RowTuple, describe_error, safe_attributes
from kaygraph_viz.trace.shared_access import SharedWatch
from kaygraph_viz.trace.span import KINDS, Kind, Status

if TYPE_CHECKING:  # a worker process keeps plain rows: it must not have to load NumPy, which doubles its start
    from kaygraph_viz.trace.columns import Relation, SpanColumns


COMPACT_FIRST_AT = 8_192  # rows: those of a short recording become columns when it ends, so no thread is held up
COMPACT_AT = 2_048  # rows from then on: they stay in the cache (0.6 MB) and are turned over in 0.5 ms


class Scope:
    """The recorder and the enclosing span of the spans that are opened next."""

    __slots__ = ("is_over", "parent", "recorder", "span_id")

    def __init__(self, recorder: Recorder, span_id: int, parent: Scope | span | None = None) -> None:
        self.recorder = recorder
        self.span_id = span_id
        self.parent = parent
        self.is_over = False  # set before the end is stamped: who finds it False later has ended earlier


def first_open(scope: Scope | span) -> Scope | span:
    """Return the scope, or the nearest one around it that is not over: what outlives its parent belongs to that one."""
    while scope.is_over and scope.parent is not None:
        scope = scope.parent
    return scope


class RecordScope(Scope):
    """The scope of a `record` block itself."""

    __slots__ = ("_token",)

    def enter(self) -> None:
        """Make this the scope in force."""
        self.parent = _scope.get()
        _active.append(self)
        self._token = _scope.set(self)

    def leave(self) -> None:
        """Put the scope around it back in force; called again where an interrupt has cut this, or `enter`, short."""
        if self in _active:
            _active.remove(self)
        try:
            _scope.reset(self._token)
        except ValueError:  # in another context, such as of an async fixture: see `_around`
            self.recorder = NO_RECORDER
        except (AttributeError, RuntimeError):  # an interrupt came before the token was kept, or after it was used
            if _scope.get() is self:
                _scope.set(self.parent)


_scope: ContextVar[Scope | span | None] = ContextVar("kaygraph_viz_scope", default=None)
T = TypeVar("T")


def current_scope() -> Scope | span:
    """Return the scope in force; `NO_SCOPE` when nothing is being recorded."""
    scope = _scope.get() or _active[-1]
    return scope if scope.recorder.is_open else _around(scope)


def _around(scope: Scope | span) -> Scope | span:
    """Return the scope in force where that of a block is found that was left in another context, or has ended."""
    while isinstance(scope, (RecordScope, span)) and scope.recorder is NO_RECORDER:
        before = scope._token.old_value
        scope = before if isinstance(before, (Scope, span)) else _active[-1]
    return scope if scope.recorder.is_open else NO_SCOPE


def set_scope(scope: Scope) -> None:
    """Make `scope` the one in force in this context, such as a worker's copy of one."""
    _scope.set(scope)


def swap_scope(scope: Scope | span | None) -> Scope | span | None:
    """Make `scope` the one in force in this context and return the one before; None where there is none."""
    before = _scope.get()
    _scope.set(scope)
    return before


class Storage(Protocol):
    """The interface of a storage of rows: `Spans`, or `RowList` in a process that only sends them on."""

    buffer: list[RowTuple]
    dropped: int

    @property
    def append(self) -> Callable[[RowTuple], None]:
        """The function that keeps a row."""

    def compact(self) -> None:
        """Make room in the buffer."""

    def columns(self) -> SpanColumns:
        """Return all rows so far."""

    def sealed(self, last: Mapping[int, RowTuple]) -> SpanColumns:
        """Return the rows compacted so far and those of `last` that are not among them."""


class Recorder:
    """A collector of the spans of one run."""

    def __init__(
        self,
        clock: Clock,
        *,
        cpu_time: bool = True,
        max_spans: int = DEFAULT_MAX_SPANS,
        storage: Storage | None = None,
        shared_watch: SharedWatch | None = None,
        captured: frozenset[str] = frozenset(),
        label: Any = None,
    ) -> None:
        self.clock = clock
        self.shared_watch = shared_watch
        self.captured = captured
        self.label = label
        self.at_end: list[Callable[[], object]] = []  # called before the recording ends, by what has more to tell
        self._kept: dict[Callable[[Recorder], Any], Any] = {}  # by what has made it
        self.gauges = GaugeLog()
        self.dropped_elsewhere = 0  # spans that were not kept in other processes
        self.process_lanes: dict[tuple[int, int], str] = {}  # by number of the process and of its interpreter
        is_real = clock is REAL  # the real clock cannot fail, so it is read without a guard
        self.now_ns = clock.now_ns if is_real else self._guarded(clock.now_ns)
        cpu_ns = clock.cpu_ns if is_real else self._guarded(clock.cpu_ns)
        self.is_open = True
        self.next_id: Callable[[], int] = itertools.count(1).__next__
        self.lanes = Lanes(cpu_ns if cpu_time else None, CPU_RESOLUTION_NS if is_real else 0, is_exact=clock.is_exact)
        self.open_spans: dict[int, OpenSpan] = {}
        self._has_failed = False
        self._told: set[str] = set()
        self._relations: list[Relation] = []
        self.has_cpu_time = cpu_time
        self._spans = _columns(max_spans) if storage is None else storage
        self._compact_at = COMPACT_FIRST_AT
        self.lock = RLock()  # of what takes rows out of the storage
        self.late = LateRows(self.add, self.give_up)

    def add(self, row: RowTuple) -> None:
        """Keep one finished span, given as a tuple in the order of `Row`; never raises."""
        try:
            self._spans.append(row)
            if len(self._spans.buffer) < self._compact_at or not self.lock.acquire(blocking=False):
                return  # where another thread compacts already, there is no need to wait
            try:
                self._spans.compact()
                self._compact_at = COMPACT_AT
            finally:
                self.lock.release()
        except Exception as error:  # a recorder fault must never change a result
            self.give_up(error)

    def keep_open(self, opened: OpenSpan) -> None:
        """Record a span as abandoned if the recording ends before `forget` is called."""
        self.open_spans[opened.span_id] = opened

    def forget(self, span_id: int) -> None:
        """Note that a span has ended; call it after its row was added, so that it is never in neither place."""
        self.open_spans.pop(span_id, None)

    def give_up(self, error: BaseException) -> None:
        """Switch this recorder off after a fault of its own, with one warning; never raises."""
        self.is_open = False
        with self.lock:
            is_first, self._has_failed = not self._has_failed, True
        if is_first:
            with suppress(Warning):  # where warnings are errors
                warn(f"recording stopped, results are not affected: {describe_error(error)}", stacklevel=4)

    def tell_once(self, text: str) -> None:
        """Warn of what this recording cannot hold; never raises, also where warnings are errors."""
        with self.lock:
            is_first = text not in self._told
            self._told.add(text)
        if is_first:
            with suppress(Warning):
                warn(text, stacklevel=3)

    def stop_in_child(self) -> None:
        """Record nothing more in a forked child, whose copy of a lock may be held for ever."""
        self.is_open = False
        self.lock = RLock()
        self.late = LateRows(self.add, self.give_up)

    def _guarded(self, read: Callable[[], int]) -> Callable[[], int]:
        """Return a clock that stands still when reading it fails: results do not depend on it."""
        last = 0

        def now() -> int:
            nonlocal last
            try:
                last = read()
            except Exception as error:
                self.give_up(error)
            return last

        return now

    @property
    def dropped(self) -> int:
        """The number of spans that were not kept because there were more than `max_spans`."""
        self.late.make_all()
        with suppress(Exception), self.lock:  # `add` has warned of a fault of the storage
            self._spans.compact()
        return self._spans.dropped + self.dropped_elsewhere

    def kept(self, make: Callable[[Recorder], T]) -> T:
        """Return what `make` returns for this recording: made when it is first asked for, and kept as long as it."""
        found: T | None = self._kept.get(make)
        return self._kept.setdefault(make, make(self)) if found is None else found

    def let_go(self) -> None:
        """Keep nothing any more of what `kept` has made."""
        self._kept.clear()

    def tell_the_rest(self) -> None:
        """Call what waits for the end of the recording; a fault of one of them is one warning."""
        while self.at_end:
            try:
                self.at_end.pop(0)()
            except Exception as error:
                self.give_up(error)

    def snapshot(self) -> SpanColumns:
        """Return all finished spans so far, ordered by start."""
        self.late.make_all()
        with self.lock:
            return self._linked(self._spans.columns())

    def relate(self, consumers: int, producers: int, needs: Callable[[int], Iterable[int]]) -> None:
        """Note that branches of one phase needed the results of branches of another; see `Relation`."""
        from kaygraph_viz.trace.columns import Relation

        self._relations.append(Relation(consumers, producers, needs))

    def _linked(self, columns: SpanColumns) -> SpanColumns:
        if not self._relations:
            return columns
        from kaygraph_viz.trace.columns import with_links

        return with_links(columns, list(self._relations))

    def finish(self) -> SpanColumns:
        """End the recording: what is still open ends now, as ``abandoned``; never raises."""
        self.is_open = False
        try:
            with self.lock:
                open_spans = self.open_spans.copy()
                self.late.make_all()
                self._spans.compact()  # rows that are added later are not part of the trace
                now = self.now_ns()  # now, so that no child has ended later than its parent
                last = {span_id: held.abandoned_row(now) for span_id, held in open_spans.items()}
                return self._linked(self._spans.sealed(last))
        except Exception as error:  # the block must end as without a recording
            self.give_up(error)
            return _columns(0).columns()


class NoRecorder(Recorder):
    """The recorder in force where nothing is recorded: it takes everything and keeps nothing."""

    def __init__(self) -> None:
        super().__init__(REAL, cpu_time=False, storage=RowList(0))
        self.lanes = NoLanes()
        self.is_open = False
        self.next_id = int

    @property
    def clock(self) -> Clock:
        """The clock in force."""
        return current_clock()

    @clock.setter
    def clock(self, clock: Clock) -> None: ...

    @property
    def now_ns(self) -> Callable[[], int]:
        """The reading of the clock in force."""
        return current_clock().now_ns

    @now_ns.setter
    def now_ns(self, now_ns: Callable[[], int]) -> None: ...

    def add(self, row: RowTuple) -> None:
        """Do nothing."""

    def keep_open(self, opened: OpenSpan) -> None:
        """Do nothing."""

    def relate(self, consumers: int, producers: int, needs: Callable[[int], Iterable[int]]) -> None:
        """Do nothing."""


NO_RECORDER = NoRecorder()
NO_SCOPE = Scope(NO_RECORDER, 0)
_active = [NO_SCOPE]  # and those of the `record` blocks in force: for threads without a copy of the context


def _stop_in_child() -> None:
    """Stop recording in a forked child: nobody would read its copy, and its locks may be held."""
    for scope in _active:
        scope.recorder.stop_in_child()


os.register_at_fork(after_in_child=_stop_in_child)


def _columns(max_spans: int) -> Storage:
    from kaygraph_viz.trace.columns import Spans

    return Spans(max_spans)


class span:  # noqa: N801  (used like a function)
    """Record what runs inside the ``with`` block as one span; it costs next to nothing when nothing is recorded.

    Parameters
    ----------
    name
        What it is called in charts.
    kind
        One of ``graph node phase branch attempt wait``; default: one parallel unit of work, a branch.
    **attributes
        Anything worth keeping; values are made short and plain, and secret-looking names are masked.

    Examples
    --------
    >>> from kaygraph_viz.recording import record
    >>> with record() as trace:
    ...     with span("load", path="orders.csv") as s:
    ...         s.set(rows=3)
    >>> dict(trace.spans[0].attributes)
    {'path': 'orders.csv', 'rows': 3}
    """

    __slots__ = (
        "_attributes",
        "_cpu_ns",
        "_lane",
        "_links",
        "_started_ns",
        "_token",
        "is_over",
        "kind",
        "name",
        "parent",
        "recorder",
        "span_id",
    )

    def __init__(self, name: str, /, *, kind: Kind = "branch", **attributes: Any) -> None:
        if kind != "branch" and kind not in KINDS:
            raise OptionError("kind", kind, f"one of {', '.join(KINDS)}", 'span("load", kind="branch")')
        self.name = name if name.__class__ is str else short(name)
        self.kind = kind
        self._attributes = attributes
        self._links: tuple[int, ...] = ()
        self.recorder: Recorder = NO_RECORDER
        self.span_id = 0
        self.parent: Scope | span | None = None
        self.is_over = False

    def __enter__(self) -> Self:
        scope = _scope.get() or _active[-1]  # current_scope() without the cost of a call
        recorder = scope.recorder
        if not recorder.is_open:
            if scope is NO_SCOPE or (scope := _around(scope)) is NO_SCOPE:
                self.recorder = NO_RECORDER  # which it may not have if it was entered before
                return self
            recorder = scope.recorder
        self.recorder = recorder
        self.parent = scope
        self.is_over = False
        self.span_id = recorder.next_id()
        self._token = _scope.set(self)  # what is opened inside belongs to this span
        self._lane = recorder.lanes.mine()
        self._started_ns = now = recorder.now_ns()
        recorder.open_spans[self.span_id] = self
        self._cpu_ns = self._lane.cpu_at(now)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        recorder = self.recorder
        if recorder is NO_RECORDER:
            return
        self.is_over = True
        ended = recorder.now_ns()
        status: Status = "ok" if error is None else status_of(error)
        try:
            _scope.reset(self._token)
        except ValueError:
            # Left in another context than it began in; if the span around it has ended, it was given up.
            around, self.recorder = self._token.old_value, NO_RECORDER
            if isinstance(around, span) and around.span_id not in recorder.open_spans:
                status = "abandoned"
        recorder.add(self._row(ended, status, None if error is None else describe_error(error)))
        recorder.open_spans.pop(self.span_id, None)

    @property
    def parent_id(self) -> int:
        """The number of the span that encloses this one, as far as that has not ended before it; 0 for none."""
        parent = self.parent
        if parent is not None and parent.is_over:
            self.parent = parent = first_open(parent)  # kept, so that no chain of ended ones grows
        return 0 if parent is None else parent.span_id

    def abandoned_row(self, now_ns: int) -> RowTuple:
        """Return the row of this span if it is cut off now."""
        return self._row_of(now_ns, (-1, 0, None), "abandoned", None)

    def _row(self, ended_ns: int, status: Status, error: str | None) -> RowTuple:
        return self._row_of(ended_ns, self._lane.measured(self._cpu_ns, self._started_ns, ended_ns), status, error)

    def _row_of(self, ended_ns: int, measured: Measured, status: Status, error: str | None) -> RowTuple:
        started, (cpu_ns, blocked_ns, parts) = self._started_ns, measured
        return (
            self.span_id, self.parent_id, -1, self.name, self.kind, self._lane.name, started, started, ended_ns,
            cpu_ns, blocked_ns, status, 1, error,
            safe_attributes(self._attributes) if self._attributes else None, self._links, parts,
        )  # fmt: skip

    def set(self, /, **attributes: Any) -> None:
        """Add attributes to the span."""
        self._attributes.update(attributes)

    def link_branches(self, other: span, needs: Callable[[int], Iterable[int]]) -> None:
        """Note which branches inside this span needed the results of which branches inside `other`.

        Parameters
        ----------
        other
            A span that encloses branches, itself or through its phases, as this one does.
        needs
            Returns the positions of the items in `other` that the item at a position in this one needed.
        """
        self.recorder.relate(self.span_id, other.span_id, needs)

    def link(self, *spans: span) -> None:
        """Note that this span needed the results of `spans` (fan-in)."""
        self._links += tuple(other.span_id for other in spans if other.span_id)


def status_of(error: BaseException) -> Status:
    """Return the status of a span that ended with an error."""
    return "error" if isinstance(error, Exception) else "cancelled"


# -- waits that this package imposes on a branch: for a limit, or before another attempt -------------------------------


LOOP_BLOCKED = "loop blocked"  # the wait span of a coroutine that did not let others go on for long


@contextmanager
def held_up(
    kind: PartKind, name: str, *, attempt: int = 1, least_ns: int = 0, attributes: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Record the time in the block as a wait in the span around it, and as a part of that span."""
    scope = current_scope()
    recorder = scope.recorder
    if not recorder.is_open:  # a lock must cost no more than it did
        yield
        return
    started = recorder.now_ns()
    cpu_ns = recorder.lanes.mine().cpu_at(started)
    try:
        yield
    finally:
        ended = recorder.now_ns()
        if ended - started >= least_ns:
            note_wait(scope, kind, name, started, ended, cpu_at_start_ns=cpu_ns, attempt=attempt, attributes=attributes)


def note_wait(
    scope: Scope | span,
    kind: PartKind,
    name: str,
    started_ns: int,
    ended_ns: int,
    *,
    cpu_at_start_ns: int,
    attempt: int = 1,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Record a wait of the calling thread or task that has just ended [ns]."""
    if ended_ns <= started_ns:
        return
    recorder = scope.recorder
    lane = recorder.lanes.mine()
    log = lane.noting()
    if log is not None:
        log.cover(kind, started_ns, ended_ns, cpu_at_start_ns=cpu_at_start_ns)
    blocked_ns = ended_ns - started_ns if kind == "blocked" else 0
    kept = dict(attributes) if attributes else None
    recorder.add((
        recorder.next_id(), scope.span_id, -1, name, "wait", lane.name, started_ns, started_ns, ended_ns, -1,
        blocked_ns, "ok", attempt, None, kept, None, ((PART_CODE[kind], ended_ns, -1.0),),
    ))  # fmt: skip
