"""The bounds of predictions, found when they are first read: each takes several replays, and many callers need none.

Belongs here: when they are found. Does not belong here: how (``predictions``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kaygraph_viz.analysis.what_if.predictions import Predictions

__all__ = ["Bands", "Bounds"]


class Bands:
    """The bands of predicted makespans, by number of workers."""

    def __init__(self, predictions: Predictions, makespans_ns: Mapping[int, int], others_ns: Mapping[int, int]) -> None:
        self.makespans_ns = makespans_ns
        self._predictions = predictions
        self._others_ns = others_ns
        self._found: dict[int, tuple[float, float]] = {}

    def band_ns(self, workers: int) -> tuple[float, float]:
        """Return the bounds of one prediction [ns]."""
        if workers not in self._found:
            makespan_ns, other_ns = self.makespans_ns[workers], self._others_ns[workers]
            self._found[workers] = self._predictions.band_ns(workers, makespan_ns, other_ns)
        return self._found[workers]


class Bounds(Mapping[int, float]):
    """The lower bounds (`side` 0) or the upper ones (1) of all predictions [s], by number of workers."""

    def __init__(self, bands: Bands, side: int) -> None:
        self._bands, self._side = bands, side

    def __getitem__(self, workers: int) -> float:
        return self._bands.band_ns(workers)[self._side] / 1e9

    def __iter__(self) -> Iterator[int]:
        return iter(self._bands.makespans_ns)

    def __len__(self) -> int:
        return len(self._bands.makespans_ns)

    def __repr__(self) -> str:
        return repr(dict(self))
