"""Gauges: numbers that rise and fall during a run, each beside the most that it may be, such as calls in flight.

Belongs here: keeping them while they are recorded, and as lists in a file. Worker processes load this module: it does
without NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kaygraph_viz.base.threads import Lock
from kaygraph_viz.trace.row import LARGEST

MAX_SAMPLES = 2_048  # of one gauge; when there are more, every second one is kept, and half as many from then on
MAX_GAUGES = 16


class GaugeSamples(NamedTuple):
    """A gauge at the times at which it changed, in the order of time."""

    times_ns: tuple[int, ...]
    used: tuple[int, ...]
    most: tuple[int, ...]


NOTHING = GaugeSamples((), (), ())


class _Gauge:
    def __init__(self) -> None:
        self.samples: list[tuple[int, int, int]] = []
        self.every = 1  # how many changes there are for each one that is kept
        self.seen = 0


class GaugeLog:
    """The gauges of a run; any number of threads may write."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._names: dict[object, str] = {}
        self._gauges: dict[str, _Gauge] = {}

    def note(self, owner: object, name: str, now_ns: int, used: int, most: int) -> None:
        """Note a number of `owner` as it is now, if it has changed; two owners of one name are numbered."""
        with self._lock:
            if owner not in self._names and len(self._gauges) < MAX_GAUGES:
                count = sum(known.partition(" #")[0] == name for known in self._gauges)
                self._names[owner] = name if not count else f"{name} #{count + 1}"
                self._gauges[self._names[owner]] = _Gauge()
            gauge = self._gauges.get(self._names.get(owner, ""))  # None where there are too many
            if gauge is None or (gauge.samples and gauge.samples[-1][1:] == (used, most)):
                return
            gauge.seen += 1
            if gauge.samples and gauge.samples[-1][0] >= now_ns:  # at one instant, the last is true
                gauge.samples[-1] = gauge.samples[-1][0], used, most
            elif gauge.seen % gauge.every == 0:
                gauge.samples.append((now_ns, used, most))
            if len(gauge.samples) > MAX_SAMPLES:
                gauge.samples, gauge.every = gauge.samples[::2], 2 * gauge.every

    def samples(self) -> dict[str, GaugeSamples]:
        """Return the gauges so far, by name."""
        with self._lock:
            logs = {name: gauge.samples for name, gauge in self._gauges.items()}
            return {name: GaugeSamples(*zip(*log, strict=True)) if log else NOTHING for name, log in logs.items()}


def gauges_as_fields(gauges: Mapping[str, GaugeSamples]) -> dict[str, Any]:
    """Return gauges as fields of the last line of a file; none where there are none."""
    return (
        {"gauges": {name: [list(column) for column in samples] for name, samples in gauges.items()}} if gauges else {}
    )


def gauges_from(fields: Mapping[str, Any]) -> dict[str, GaugeSamples]:
    """Return the gauges that the last line of a file holds, or raise `ValueError` if they are none."""
    noted = fields.get("gauges", {})
    if not isinstance(noted, dict) or len(noted) > MAX_GAUGES or not all(map(_is_gauge, noted.values())):
        raise ValueError(
            "gauges are not lists of three lists of whole numbers of the same length, in the order of time"
        )
    return {name: GaugeSamples(*map(tuple, columns)) for name, columns in noted.items()}


def _is_gauge(columns: Any) -> bool:
    is_shaped = isinstance(columns, list) and len(columns) == 3 and all(isinstance(each, list) for each in columns)
    if not is_shaped or len({len(each) for each in columns}) != 1:
        return False
    numbers = all(type(each) is int and abs(each) < LARGEST for column in columns for each in column)
    return numbers and columns[0] == sorted(columns[0])
