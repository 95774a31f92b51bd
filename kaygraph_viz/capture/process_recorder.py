"""What a recording wants of other processes, and what is recorded there.

Belongs here: both, for whoever sends calls there. Does not belong here: how calls go there and spans come home
(``remote``, ``execute``). Worker processes import this module: it must load fast.

Calls that run in another process of this machine: how they go there, and how their spans come home.

Belongs here: what is pickled instead of a function and instead of its result. Does not belong here: which calls go
there (``futures``, ``pools``, ``joblib``), numbering rows anew (``trace.wire``).

The call is wrapped where it is submitted and records itself where it runs, with all that the recording captures: pools
and tasks within it, too. Its rows travel inside the pickle of the result, or of the error: unpickling that hands them
to the recorder and leaves the bare result. So the program never sees anything of ours, whoever carries the pickles. A
worker process imports this module: it must load fast.
"""

from __future__ import annotations

import itertools
import os
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FunctionType
from typing import Any
from weakref import WeakValueDictionary

from kaygraph_viz.capture.calls import OpenCall, call_recorded, mapped_items, name_of, within, without_our_frames
from kaygraph_viz.capture.chunks import Chunk
from kaygraph_viz.capture.kinds import keep_hooked
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.recorder import Recorder, Scope, _scope, first_open, span
from kaygraph_viz.trace.row import RowList, RowTuple
from kaygraph_viz.trace.wire import OWN_LANE, adopt

__all__ = ["MOST_ROWS", "Away", "Page", "Place", "Wanted", "here", "own_lane", "recorder_for", "settle", "wanted_by"]

MOST_ROWS = 100_000  # of one call: what is beyond it is counted

Place = tuple[int, int]  # a process, and an interpreter in it
# Whether CPU time is read, the kinds that are captured, what labels calls, pickled, and where the recording is: short,
# since it goes with each call.
Wanted = tuple[bool, str, bytes, Place]

# What has ended since the last page, what still runs, cut off now, and how many rows more there were.
Page = tuple[list[RowTuple], list[RowTuple], int]

_interpreter = object()


def here() -> Place:
    """Return the number of this process, and one of this interpreter in it, each of which has its own modules."""
    return os.getpid(), id(_interpreter)


def wanted_by(recorder: Recorder) -> Wanted:
    """Return what a recorder wants of other processes."""
    found: Wanted | None = recorder.errands.get(wanted_by)
    if found is None:
        found = recorder.has_cpu_time, " ".join(sorted(recorder.captured)), _packed(recorder.label), here()
        recorder.errands[wanted_by] = found
    return found


def _packed(label: Any) -> bytes:
    """Return what labels calls, by value, or nothing where it cannot be sent: then there are no labels there."""
    if label is not None:
        with suppress(Exception):
            import cloudpickle

            packed: bytes = cloudpickle.dumps(label)
            return packed
    return b""


def recorder_for(wanted: Wanted, storage: RowList) -> Recorder:
    """Return the recorder of a worker process; what is captured there is hooked as long as the process lives."""
    has_cpu_time, kinds, packed, home = wanted
    captured = frozenset(kinds.split())
    if here() != home:
        keep_hooked(captured)
    label = None
    if packed:
        with suppress(Exception):  # what it needs is not to be had here
            label = pickle.loads(packed)  # noqa: S301  (from the process of the recording)
    return Recorder(REAL, cpu_time=has_cpu_time, storage=storage, captured=captured, label=label)


def own_lane(recorder: Recorder) -> Lane:
    """Return the lane of a worker process that runs one call after the other."""
    return Lane(OWN_LANE, REAL.cpu_ns if recorder.has_cpu_time else None)


def settle(recorder: Recorder) -> None:
    """Have the rows of all that has ended made, so that they can be sent home; never raises."""
    recorder.tell_the_rest()
    recorder.late.make_all()


class Away:
    """The recording of calls in another process, one at a time."""

    def __init__(self, wanted: Wanted) -> None:
        self._rows = RowList(MOST_ROWS)
        self.recorder = recorder_for(wanted, self._rows)
        self.scope = Scope(self.recorder, 0)
        self.lane = own_lane(self.recorder)

    def fetch(self) -> tuple[list[RowTuple], int]:
        """Return the rows of a call that has ended, and how many more there were."""
        recorder = self.recorder
        settle(recorder)
        recorder.errands.clear()  # calls that it sent on to others and did not wait for
        rows, opened, dropped = self.page()
        if opened:
            recorder.is_open = False
        self._rows.dropped = recorder.dropped_elsewhere = 0
        return rows + opened, dropped

    def page(self) -> Page:
        """Return what is known by now; all goes on."""
        recorder = self.recorder
        recorder.late.make_all()
        opened = recorder.open_spans.copy()  # first: what ends meanwhile is a row, too
        with recorder.lock:
            taken = self._rows.take()
        rows: list[RowTuple] = [row if row.__class__ is tuple else tuple(row) for row in taken]  # type: ignore[misc]
        now_ns, known = recorder.now_ns(), {row[0] for row in rows}
        cut = [each.abandoned_row(now_ns) for number, each in opened.items() if number not in known]
        return rows, cut, self._rows.dropped + recorder.dropped_elsewhere


__all__ = ["Errand", "Header", "RemoteCall", "TravellingCall", "away_from", "lane_of"]

Header = tuple[int, int, Wanted, Sequence[str]]  # number of the errand, submission [ns], what is wanted, labels
# number of the errand, place that ran it, submission [ns], rows, and how many more there were
News = tuple[int, Place, int, list[RowTuple], int]


class Errand:
    """The scope to which the spans of calls return that were sent to other processes."""

    def __init__(self, scope: Scope | span) -> None:
        self.scope = scope
        self.wanted = wanted_by(scope.recorder)
        self.number = next(_numbers)
        _open_errands[self.number] = self

    @classmethod
    def of(cls, scope: Scope | span) -> Errand:
        """Return the errand of a scope: one for all calls that are sent from it, kept as long as its recording."""
        errands: dict[Any, Errand] = scope.recorder.errands
        found = errands.get(scope.span_id)
        return errands.setdefault(scope.span_id, cls(scope)) if found is None else found

    def land(self, place: Place, submitted_ns: int, rows: list[RowTuple]) -> None:
        """Keep the rows of a call that has come home."""
        recorder = self.scope.recorder
        parent_id = first_open(self.scope).span_id
        lane = lane_of(recorder, place)
        if len(rows) == 1 and rows[0][5] == OWN_LANE:  # the usual case, without the cost of more
            _, _, index, name, kind, _, _, started_ns, *rest = rows[0]
            recorder.add((  # type: ignore[arg-type]
                recorder.next_id(), parent_id, index, name, kind, lane, min(submitted_ns, started_ns), started_ns, *rest
            ))  # fmt: skip
        else:
            adopt(recorder, rows, parent_id=parent_id, lane=lane, submitted_ns=submitted_ns)


_numbers = itertools.count(1)
_open_errands: WeakValueDictionary[int, Errand] = WeakValueDictionary()


class TravellingCall:
    """What is submitted instead of a function: here it records its call here, pickled it becomes a `RemoteCall`."""

    def __init__(
        self, function: Callable[..., Any], parent: Scope | span, submitted_ns: int, labels: Sequence[str] = ()
    ) -> None:
        self.function = function
        self.parent = parent
        self.submitted_ns = submitted_ns
        self.labels = labels

    @property
    def captured_function(self) -> Callable[..., Any]:
        """The function that is called in the end."""
        return self.function

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function here, recorded."""
        if mapped_items(self.function, args) is not None and self.parent.recorder.is_open:
            with Chunk(self.parent, self.submitted_ns, self.labels) as chunk:
                mapper, args = chunk.recording(self.function, args)
                return mapper(*args)
        return call_recorded(self.parent, self.submitted_ns, self.function, *args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        recorder = self.parent.recorder
        if recorder.is_open and recorder.clock is not REAL:  # in which no other process can take part
            recorder.tell_once(
                "calls in other processes are not recorded in simulated time; record with the real clock"
            )
        if not recorder.is_open or recorder.clock is not REAL:
            return _same, (self.function,)
        return RemoteCall, (self.function, self.header())

    def header(self) -> Header:
        """Return what the other process has to know."""
        errand = Errand.of(self.parent)
        return errand.number, self.submitted_ns, errand.wanted, self.labels


def _same(value: Any) -> Any:
    return value


class RemoteCall:
    """A call in another process: it records itself, and its rows travel in the pickle of the result."""

    def __init__(self, function: Callable[..., Any], header: Header) -> None:
        self.function = function
        self.header = header

    @property
    def captured_function(self) -> Callable[..., Any]:
        """The function that is called in the end."""
        return self.function

    def __reduce__(self) -> tuple[Any, ...]:  # sent on, as batches are
        return type(self), (self.function, self.header)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function there, and return what brings the record home."""
        number, submitted_ns, wanted, _ = self.header
        if here() == wanted[-1]:  # it came back unused
            errand = _open_errands.get(number)
            if errand is None:
                return self.function(*args, **kwargs)
            return call_recorded(errand.scope, submitted_ns, self.function, *args, **kwargs)
        away = away_from(wanted)
        outer = _scope.set(away.scope)
        try:
            result = self._run(away.scope, args, kwargs)
        except BaseException as error:
            without_our_frames(error)
            kind, news = type(error), _news(away, self.header)
            names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
            carrier: BaseException = type(kind.__name__, (_CarriedError,), names)(error, news)
            try:
                raise carrier
            except BaseException:
                # All of the error that is printed before it is sent; only now, since a raise changes that.
                carrier.__traceback__ = error.__traceback__
                carrier.__cause__, carrier.__context__ = error.__cause__, error.__context__
                carrier.__suppress_context__ = error.__suppress_context__
                if hasattr(error, "__notes__"):
                    carrier.__notes__ = error.__notes__
                raise  # which adds no frame
        finally:
            _scope.reset(outer)
        return Carried(result, _news(away, self.header))

    def _run(self, scope: Scope, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        function, (_, submitted_ns, _, labels) = self.function, self.header
        if mapped_items(function, args) is not None:
            with Chunk(scope, submitted_ns, labels) as chunk:
                function, args = chunk.recording(function, args)
                return function(*args)
        facts = {"label": labels[0]} if labels and labels[0] else None
        call = OpenCall(scope, name_of(function, args), submitted_ns=submitted_ns, attributes=facts)
        if function.__class__ is not FunctionType:
            function, args = within(call, function, args)
        with call:
            return function(*args, **kwargs)


def away_from(wanted: Wanted) -> Away:
    """Return what this process records for the calls of another one."""
    key = os.getpid(), wanted  # this process, too: it may have been forked from another worker
    away = _away.get(key)
    if away is None or not away.recorder.is_open:
        _away.clear()
        away = _away[key] = Away(wanted)
    if not away.recorder.open_spans:  # each time: an interpreter of a pool runs each call in another of its threads
        away.recorder.lanes.enter(away.lane)
    return away


_away: dict[tuple[int, Wanted], Away] = {}


def _stop_in_child() -> None:
    """Record nothing for the calls of a worker process in the children that they fork."""
    for away in _away.values():
        away.recorder.stop_in_child()


os.register_at_fork(after_in_child=_stop_in_child)


def _news(away: Away, header: Header) -> News:
    return header[0], here(), header[1], *away.fetch()


class Carried:
    """A result with the news of its call: unpickling it hands over the news and leaves the bare result."""

    def __init__(self, result: Any, news: News) -> None:
        self.result = result
        self.news = news

    def __reduce__(self) -> tuple[Any, ...]:
        return _landed, (self.news, self.result)

    def __repr__(self) -> str:  # in messages about results that cannot be pickled
        return repr(self.result)


class _CarriedError(Exception):
    """An error with the news of its call, which unpickles to that error; subclasses have the name of its class."""

    def __init__(self, error: BaseException, news: News) -> None:
        super().__init__()
        self.error = error
        self.news = news

    def __str__(self) -> str:
        return str(self.error)

    def __repr__(self) -> str:
        return repr(self.error)

    def __reduce__(self) -> tuple[Any, ...]:
        BaseException.with_traceback(self.error, self.__traceback__)  # which pools take off before they send it
        return _landed, (self.news, self.error)


def _landed(news: News, result: Any) -> Any:
    number, place, submitted_ns, rows, dropped = news
    errand = _open_errands.get(number)
    if errand is not None and errand.scope.recorder.is_open:
        errand.land(place, submitted_ns, rows)
        errand.scope.recorder.dropped_elsewhere += dropped
    return result


def lane_of(recorder: Recorder, place: Place) -> str:
    """Return the lane of another process."""
    lanes = recorder.process_lanes
    if place not in lanes:
        lane = recorder.lanes.take("process")
        recorder.lanes.enter_process(lane, place[0])
        lanes[place] = lane.name
    return lanes[place]
