"""A trace that was predicted, not recorded, which pictures of it say.

Belongs here: what such a trace knows beside its spans. Does not belong here: how it is predicted (``replayed_trace``).
"""

from __future__ import annotations

from typing import Self

from kaygraph_viz.trace.trace import Trace

__all__ = ["PredictedTrace"]


class PredictedTrace(Trace):
    """The trace that a run would have left.

    Attributes
    ----------
    predicted_from
        The run that it was predicted from, in words.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> PredictedTrace.of(make_trace(bar("a", "t-1", 0, 1)), "the run with 4 workers")
    <Trace: 1 span on 1 lane, 1 s, predicted from the run with 4 workers>
    """

    predicted_from: str

    @classmethod
    def of(cls, trace: Trace, predicted_from: str) -> Self:
        """Return the spans of a trace as a predicted one."""
        found = cls(trace.columns, trace.dropped, machine=trace.machine)
        found.predicted_from = predicted_from
        return found

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, predicted from {self.predicted_from}>"
