"""How runs with the same settings compare, and a run with its prediction, in words.

Belongs here: words about several durations. Does not belong here: which runs those are (``state``).
"""

from __future__ import annotations

from collections.abc import Sequence

from kaygraph_viz.analysis.wording import duration

__all__ = ["duration_range", "missed_by", "repeats_took"]


def duration_range(seconds: Sequence[float]) -> str:
    """Return the shortest and the longest of some durations [s], in two digits; in three where two are the same.

    Examples
    --------
    >>> duration_range([1.214, 1.44, 1.3]), duration_range([0.98, 0.0123, 1.5]), duration_range([18.5, 18.5])
    ('1.2-1.4 s', '12 ms - 1.5 s', '18.5 s')
    """
    low, high = (duration(each, 2) for each in (min(seconds), max(seconds)))
    if low == high:
        low, high = (duration(each) for each in (min(seconds), max(seconds)))
    if low == high:
        return low
    (number, unit), (_, other) = low.rsplit(" ", 1), high.rsplit(" ", 1)
    return f"{number}-{high}" if unit == other else f"{low} - {high}"


def repeats_took(seconds: Sequence[float]) -> str:
    """Return how long runs with the same settings took, in a few words.

    Examples
    --------
    >>> repeats_took([1.214]), repeats_took([1.214, 1.44])
    ('1.21 s', '2 runs: 1.2-1.4 s')
    """
    return duration(seconds[0]) if len(seconds) == 1 else f"{len(seconds)} runs: {duration_range(seconds)}"


def missed_by(predicted_s: float, measured_s: float) -> str:
    """Return how far off a prediction was, in a sentence; both in seconds.

    Examples
    --------
    >>> missed_by(4.1, 3.8), missed_by(1.0, 1.001)
    ('Predicted 4.10 s, measured 3.80 s: 8% too long.', 'Predicted 1.00 s, measured 1.00 s: right.')
    """
    said = f"Predicted {duration(predicted_s)}, measured {duration(measured_s)}"
    off = round(100 * (predicted_s / measured_s - 1)) if measured_s else 0
    return f"{said}: {abs(off)}% too {'long' if off > 0 else 'short'}." if off else f"{said}: right."
