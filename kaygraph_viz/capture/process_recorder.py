"""Calls in other processes of this machine: what is recorded there, how they go there and how their spans come home.

Belongs here: what is pickled instead of a function and instead of its result, and the recorder of a worker process,
also for ``execute``. Does not belong here: which calls go there (``futures``, ``joblib``), numbering rows anew
(``trace.wire``). A worker process imports this module: it must load fast.

The call is wrapped where it is submitted and records itself where it runs, with all that the recording captures: pools
and tasks within it, too. Its rows travel inside the pickle of the result, or of the error: unpickling that hands them
to the recorder and leaves the bare result. So the program never sees anything of ours, whoever carries the pickles.
"""

from __future__ import annotations

import itertools
import os
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import FunctionType
from typing import Any, Self
from weakref import WeakValueDictionary

from kaygraph_viz.capture.calls import (
    OpenCall,
    call_recorded,
    mapped_items,
    mapping,
    name_of,
    within,
    without_our_frames,
)
from kaygraph_viz.capture.kinds import keep_hooked
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.recorder import Recorder, Scope, _scope, first_open, span
from kaygraph_viz.trace.row import RowList, RowTuple, lane_name_of, span_id_of
from kaygraph_viz.trace.wire import OWN_LANE, adopt

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
    return recorder.kept(_wanted)


def _wanted(recorder: Recorder) -> Wanted:
    packed = b""
    if recorder.label is not None:
        with suppress(Exception):  # it cannot be sent: then there are no labels there
            import cloudpickle

            packed = cloudpickle.dumps(recorder.label)
    return recorder.has_cpu_time, " ".join(sorted(recorder.captured)), packed, here()


def recorder_for(wanted: Wanted, storage: RowList) -> Recorder:
    """Return the recorder of a worker process; what is captured there is hooked as long as the process lives."""
    has_cpu_time, kinds, packed, home = wanted
    captured = frozenset(kinds.split())
    if here() != home:
        keep_hooked(captured)
    label = None
    if packed:
        with suppress(Exception):  # what it needs is not to be had here
            label = pickle.loads(packed)  # from the process of the recording
    return Recorder(REAL, cpu_time=has_cpu_time, storage=storage, captured=captured, label=label)


def own_lane(recorder: Recorder) -> Lane:
    """Return the lane of a worker process that runs one call after the other."""
    return Lane(OWN_LANE, REAL.cpu_ns if recorder.has_cpu_time else None)


def settle(recorder: Recorder) -> None:
    """Have the rows of all that has ended made, so that they can be sent home; never raises."""
    recorder.tell_the_rest()
    recorder.late.make_all()


class ProcessRecorder:
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
        recorder.let_go()  # of calls that it sent on to others and did not wait for
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
        rows = [row if row.__class__ is tuple else row[:] for row in taken]  # plain tuples, no `Row`
        now_ns, known = recorder.now_ns(), set(map(span_id_of, rows))
        cut = [each.abandoned_row(now_ns) for number, each in opened.items() if number not in known]
        return rows, cut, self._rows.dropped + recorder.dropped_elsewhere


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
        errands = scope.recorder.kept(Errands).by_scope
        found = errands.get(scope.span_id)
        return errands.setdefault(scope.span_id, cls(scope)) if found is None else found

    def land(self, place: Place, submitted_ns: int, rows: list[RowTuple]) -> None:
        """Keep the rows of a call that has come home."""
        recorder = self.scope.recorder
        parent_id = first_open(self.scope).span_id
        lane = lane_of(recorder, place)
        if len(rows) == 1 and lane_name_of(rows[0]) == OWN_LANE:  # the usual case, without the cost of more
            (_, _, index, name, kind, _, _, started_ns, ended_ns, cpu_ns, blocked_ns, status, attempt, error,
             attributes, links, parts) = rows[0]  # fmt: skip
            recorder.add((
                recorder.next_id(), parent_id, index, name, kind, lane, min(submitted_ns, started_ns), started_ns,
                ended_ns, cpu_ns, blocked_ns, status, attempt, error, attributes, links, parts,
            ))  # fmt: skip
        else:
            adopt(recorder, rows, parent_id=parent_id, lane=lane, submitted_ns=submitted_ns)


class Errands:
    """The errands that are kept as long as their recording."""

    def __init__(self, _: Recorder) -> None:
        self.by_scope: dict[int, Errand] = {}  # by the number of its span
        self.others: set[Errand] = set()  # each until it has landed


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
        recording = process_recorder_for(wanted)
        outer = _scope.set(recording.scope)
        try:
            result = self._run(recording.scope, args, kwargs)
        except BaseException as error:
            without_our_frames(error)
            kind, news = type(error), _news(recording, self.header)
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
        return Carried(result, _news(recording, self.header))

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


def process_recorder_for(wanted: Wanted) -> ProcessRecorder:
    """Return what this process records for the calls of another one."""
    key = os.getpid(), wanted  # this process, too: it may have been forked from another worker
    recording = _recordings.get(key)
    if recording is None or not recording.recorder.is_open:
        _recordings.clear()
        recording = _recordings[key] = ProcessRecorder(wanted)
    # Each time, since an interpreter of a pool runs each call in another of its threads.
    if not recording.recorder.open_spans:
        recording.recorder.lanes.enter(recording.lane)
    return recording


_recordings: dict[tuple[int, Wanted], ProcessRecorder] = {}


def _stop_in_child() -> None:
    """Record nothing for the calls of a worker process in the children that they fork."""
    for recording in _recordings.values():
        recording.recorder.stop_in_child()


os.register_at_fork(after_in_child=_stop_in_child)


def _news(recording: ProcessRecorder, header: Header) -> News:
    return header[0], here(), header[1], *recording.fetch()


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


# -- items that a pool hands over at once ----------------------------------------------------------------------------


SHORT_NS = 50_000  # what is shorter shares a bar with its neighbours: a bar each would cost more than they do


class Chunk:
    """The items of a chunk, recorded while the mapper of a pool calls the program's function with each."""

    def __init__(self, scope: Scope | span, submitted_ns: int, labels: Sequence[str] = ()) -> None:
        self._scope = scope
        self._submitted_ns = submitted_ns
        self._labels = labels
        self._bundle: _Bundle | None = None
        self._called: object = None  # by the bundle
        self._done = self._count = 0  # items, in all and in the bundle
        self._ended_ns = 0  # the last item

    def recording(self, mapper: Any, arguments: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Return the mapper and its arguments so that it records each item."""
        mapped = mapped_items(mapper, arguments)
        return (mapper, arguments) if mapped is None else mapping(mapper, arguments, partial(self.call, mapped[0]))

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns for one item."""
        if self._bundle is None or function is not self._called:
            self._end()
            self._bundle = self._begun(function, args)
        started_ns = self._ended_ns
        self._count += 1
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            self._end_last(started_ns, error)
            without_our_frames(error)
            raise
        self._done += 1
        self._ended_ns = self._scope.recorder.now_ns()
        if self._ended_ns - started_ns >= SHORT_NS or self._bundle.is_parent:
            self._end_last(started_ns)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._end()
        if error is not None:
            without_our_frames(error)

    def _begun(self, function: Callable[..., Any], args: tuple[Any, ...]) -> _Bundle:
        self._called, self._count = function, 0
        bundle = _Bundle(self._scope, name_of(function, args), self._submitted_ns).begin()
        self._ended_ns = bundle.started_ns
        bundle.is_parent = False
        return bundle

    def _end_last(self, started_ns: int, error: BaseException | None = None) -> None:
        """End the last item, which began at `started_ns` [ns], after a bar of their own for those before it."""
        bundle, self._bundle = self._bundle, None
        assert bundle is not None
        if self._count > 1:
            bundle.cut(started_ns, items=self._count - 1)
        if label := self._label(self._done - (error is None)):
            bundle.set(label=label)
        bundle.end(error)

    def _end(self) -> None:
        """End the bundle under way, if there is one."""
        bundle, self._bundle = self._bundle, None
        if bundle is None:
            return
        if self._count > 1:
            bundle.set(items=self._count)
        elif label := self._label(self._done - 1):
            bundle.set(label=label)
        bundle.end()

    def _label(self, place: int) -> str:
        return self._labels[place] if place < len(self._labels) else ""


class _Bundle(OpenCall):
    """The bar under way: it knows whether the item under way records something itself, so that it is a parent."""

    __slots__ = ("is_parent",)
    is_parent: bool

    @property
    def recorder(self) -> Recorder:
        """The recorder: only what opens a span inside asks for it, beside this class."""
        self.is_parent = True
        recorder: Recorder = _recorder_of(self)
        return recorder

    @recorder.setter
    def recorder(self, recorder: Recorder) -> None:
        _keep_recorder(self, recorder)


_recorder_of, _keep_recorder = vars(span)["recorder"].__get__, vars(span)["recorder"].__set__  # the slot
