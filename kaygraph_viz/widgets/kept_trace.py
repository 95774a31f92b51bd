"""The traces of views: those of the views that were used last are kept, others as long as somebody else has them.

Belongs here: what keeps a trace in memory. Does not belong here: views.

ipywidgets keeps each view until it is closed, and nothing tells when a view has left the notebook, as it does when its
cell runs again. With its trace it would take 10 MB for each 100,000 spans.
"""

from __future__ import annotations

from collections import OrderedDict
from weakref import ref

from kaygraph_viz.real_threads import Lock
from kaygraph_viz.trace.trace import Trace

__all__ = ["MAX_KEPT", "KeptTrace"]

MAX_KEPT = 10  # more charts than these are hardly looked at in turns
_used: OrderedDict[int, Trace] = OrderedDict()  # by the number of the view; the one that was used last comes last
_lock = Lock()


class KeptTrace:
    """The trace of a view: it is there while the view is one of the last `MAX_KEPT`, or somebody else has the trace."""

    def __init__(self, trace: Trace) -> None:
        self._trace = ref(trace)
        self.get()

    def get(self) -> Trace | None:
        """Return the trace if it is still there, and note that it was used."""
        trace = self._trace()
        if trace is not None:
            with _lock:
                _used[id(self)] = trace
                _used.move_to_end(id(self))
                while len(_used) > MAX_KEPT:
                    _used.popitem(last=False)
        return trace

    def drop(self) -> None:
        """Stop keeping the trace: its view was closed."""
        with _lock:
            _used.pop(id(self), None)
