"""Clocks of other machines: how far they are off, and times moved to that of the trace.

Belongs here: the arithmetic. Does not belong here: asking a worker what time it has (``execute``).

A clock is asked what time it is between two looks at our own: ``a``, then the worker says ``w``, then ``b``. Whatever
way the messages took, ``offset = worker's time - our time`` lies in ``[w - b, w - a]``. Many such intervals have a
narrow intersection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offset:
    """The offset of another clock from ours, with its bound."""

    offset_ns: int
    bound_ns: int
    probes: int = 0

    @property
    def attributes(self) -> dict[str, int]:
        """The attributes that a trace keeps of it."""
        return {
            "clock_offset_ns": self.offset_ns,
            "clock_bound_ns": self.bound_ns,
            "clock_probes": self.probes,
        }


NO_OFFSET = Offset(0, 0)


def offset_from(probes: Iterable[tuple[int, int, int]], *, is_same_clock: bool = False) -> Offset:
    """Return the offset that all probes agree on."""
    intervals = [(theirs - after, theirs - before) for before, theirs, after in probes]
    low, high = max(low for low, _ in intervals), min(high for _, high in intervals)
    if low > high:
        low, high = min(intervals, key=lambda interval: interval[1] - interval[0])
    if is_same_clock and low <= 0 <= high:
        return Offset(0, max(-low, high), len(intervals))
    middle = (low + high) // 2
    return Offset(middle, high - middle, len(intervals))


@dataclass(frozen=True, slots=True)
class Move:
    """A function that converts times of one branch from the clock of its worker to that of the trace."""

    offset: Offset
    submitted_ns: int
    received_ns: int

    def __call__(self, worker_ns: int) -> int:
        """Return a time of the worker as one of the trace [ns]."""
        moved, bound = worker_ns - self.offset.offset_ns, self.offset.bound_ns
        if self.submitted_ns - bound <= moved < self.submitted_ns:
            return self.submitted_ns
        if self.received_ns < moved <= self.received_ns + bound:
            return self.received_ns
        return moved
