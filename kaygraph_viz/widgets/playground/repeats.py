"""How runs with the same settings compare, and a run with its prediction, in words.

Belongs here: words about several durations. Does not belong here: which runs those are (``state``).
"""

from __future__ import annotations

from collections.abc import Sequence

from kaygraph_viz.analysis.wording import duration

__all__ = ["duration_range", "missed_by", "repeats_took"]


def duration_range(seconds: Sequence[float]) -> str:
    """Return the shortest and the longest of some durations [s], in two digits; in three where two are the same."""
    low, high = (duration(each, 2) for each in (min(seconds), max(seconds)))
    if low == high:
        low, high = (duration(each) for each in (min(seconds), max(seconds)))
    if low == high:
        return low
    (number, unit), (_, other) = low.rsplit(" ", 1), high.rsplit(" ", 1)
    return f"{number}-{high}" if unit == other else f"{low} - {high}"


def repeats_took(seconds: Sequence[float]) -> str:
    """Return how long runs with the same settings took, in a few words."""
    return duration(seconds[0]) if len(seconds) == 1 else f"{len(seconds)} runs: {duration_range(seconds)}"


def missed_by(predicted_s: float, measured_s: float) -> str:
    """Return how far off a prediction was, in a sentence; both in seconds."""
    said = f"Predicted {duration(predicted_s)}, measured {duration(measured_s)}"
    off = round(100 * (predicted_s / measured_s - 1)) if measured_s else 0
    return f"{said}: {abs(off)}% too {'long' if off > 0 else 'short'}." if off else f"{said}: right."
