"""Checks of the arguments that several drawing functions share.

Belongs here: returning an argument if it can be used, and else an error that says what to write. Does not belong here:
arguments of one function only.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from kaygraph_viz.errors import OptionError
from kaygraph_viz.trace.trace import Trace

__all__ = ["checked_axes", "checked_trace", "checked_traces"]


def checked_axes(ax: object) -> Axes | None:
    """Return `ax` if it is an Axes or None."""
    if ax is not None and not isinstance(ax, Axes):
        raise OptionError("ax", ax, "a matplotlib Axes, or None to make one", "ax=plt.subplots()[1]")
    return ax


def checked_trace(trace: object) -> Trace:
    """Return `trace` if it is one."""
    if not isinstance(trace, Trace):
        raise OptionError("trace", trace, "a Trace, as record() yields it", "with record() as trace: ...")
    return trace


def checked_traces(trace: object) -> list[Trace]:
    """Return the traces of a mapping from names, at least one, or the one that is given."""
    given = list(trace.values()) if isinstance(trace, Mapping) else [trace]
    traces = [each for each in given if isinstance(each, Trace)]
    if not traces or len(traces) < len(given):
        expected = "a Trace, as record() yields it, or several by name"
        raise OptionError("trace", trace, expected, "with record() as trace: ...")
    return traces
