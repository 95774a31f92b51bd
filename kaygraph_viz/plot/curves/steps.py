"""Step functions of time: the number of open intervals at each moment.

Belongs here: arithmetic on them, so that they can be drawn with as many points as a screen shows. Does not belong here:
what is counted (``concurrency``, ``queues``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Ints, concurrency

__all__ = ["MAX_POINTS", "Steps"]

MAX_POINTS = 3_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Steps:
    """A step function: the number of open intervals over time, from 0 to an end."""

    times_ns: Ints
    counts: Ints
    end_ns: int

    @classmethod
    def of(cls, starts: Ints, ends: Ints, end_ns: int) -> Steps:
        """Count intervals [ns] that lie between 0 and `end_ns`."""
        times, counts = concurrency(starts, ends)
        if not len(times) or times[0] > 0:
            times, counts = np.insert(times, 0, 0), np.insert(counts, 0, 0)
        return cls(times, counts, end_ns)

    @property
    def peak(self) -> int:
        """The highest number."""
        return int(self.counts.max())

    @property
    def mean(self) -> float:
        """The mean over the whole time."""
        return float((self.counts * self._lengths_ns()).sum()) / self.end_ns if self.end_ns else 0.0

    def lasted_ns(self) -> dict[int, int]:
        """Return by number for how long there were so many [ns], the smallest number first."""
        known, place = np.unique(self.counts, return_inverse=True)
        lasted = np.zeros(len(known), np.int64)
        np.add.at(lasted, place, self._lengths_ns())
        return {count: spent for count, spent in zip(known.tolist(), lasted.tolist(), strict=True) if spent}

    def _lengths_ns(self) -> Ints:
        return np.diff(np.append(self.times_ns, max(self.end_ns, int(self.times_ns[-1]))))

    def drawn(self, most: int = MAX_POINTS) -> tuple[Floats, Floats, Floats]:
        """Return the points of a curve: times [s], and the mean and the highest number from each time to the next."""
        if len(self.times_ns) <= most:
            counts = np.append(self.counts, self.counts[-1]).astype(np.float64)
            return np.append(self.times_ns, self.end_ns) / 1e9, counts, counts
        edges = np.linspace(0, self.end_ns, most + 1).round().astype(np.int64)
        before = np.append(0, np.cumsum(self.counts * self._lengths_ns()))
        last = np.searchsorted(self.times_ns, edges, side="right") - 1
        until = before[last] + (edges - self.times_ns[last]) * self.counts[last]
        mean = np.diff(until) / np.diff(edges)
        stops = np.searchsorted(self.times_ns, edges[1:], side="left")
        places = np.stack([last[:-1], np.maximum(stops, last[:-1] + 1)], axis=1).ravel()
        highest = np.maximum.reduceat(np.append(self.counts, 0), places)[::2].astype(np.float64)
        return edges / 1e9, np.append(mean, mean[-1]), np.append(highest, highest[-1])
