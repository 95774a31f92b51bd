"""What a recording wants of other processes, and what is recorded there.

Belongs here: both, for whoever sends calls there. Does not belong here: how calls go there and spans come home
(``remote``, ``execute``). Worker processes import this module: it must load fast.
"""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from typing import Any

from kaygraph_viz.capture.kinds import keep_hooked
from kaygraph_viz.clock import REAL
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.recorder import Recorder, Scope
from kaygraph_viz.trace.span import RowTuple
from kaygraph_viz.trace.storage import RowList
from kaygraph_viz.trace.wire import OWN_LANE

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
