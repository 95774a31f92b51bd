"""What a recording wants of other processes, and the recorder of such a process.

Belongs here: both, for whoever sends calls there. Does not belong here: how calls go there and spans come home
(``remote``, ``execute``). Worker processes import this module: it must load fast.
"""

from __future__ import annotations

import pickle
from contextlib import suppress
from typing import Any

from kaygraph_viz.capture.kinds import keep_hooked
from kaygraph_viz.clock import REAL
from kaygraph_viz.trace.recorder import Recorder
from kaygraph_viz.trace.storage import RowList

__all__ = ["Wanted", "recorder_for", "settle", "wanted_by"]

# Whether CPU time is read, the kinds that are captured, and what labels calls, pickled: short, since it goes with each
# call.
Wanted = tuple[bool, str, bytes]


def wanted_by(recorder: Recorder) -> Wanted:
    """Return what a recorder wants of other processes.

    Examples
    --------
    >>> wanted_by(Recorder(REAL, captured=frozenset({"futures", "asyncio"})))
    (True, 'asyncio futures', b'')
    """
    found: Wanted | None = recorder.errands.get(wanted_by)
    if found is None:
        found = recorder.has_cpu_time, " ".join(sorted(recorder.captured)), _packed(recorder.label)
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
    """Return the recorder of a worker process; what is captured there is hooked as long as the process lives.

    Examples
    --------
    >>> recorder_for((False, "", b""), RowList(10)).has_cpu_time
    False
    """
    has_cpu_time, kinds, packed = wanted
    captured = frozenset(kinds.split())
    keep_hooked(captured)
    label = None
    if packed:
        with suppress(Exception):  # what it needs is not to be had here
            label = pickle.loads(packed)  # noqa: S301  (from the process of the recording)
    return Recorder(REAL, cpu_time=has_cpu_time, storage=storage, captured=captured, label=label)


def settle(recorder: Recorder) -> None:
    """Have the rows of all that has ended made, so that they can be sent home; never raises."""
    recorder.tell_the_rest()
    recorder.late.make_all()
