"""The Gantt chart to move about in: zoom, search, select, and watch it grow while the work runs.

Belongs here: what is shared with the browser, and when, and the picture that stands in for it where no kernel runs.
Does not belong here: what is sent (``packing``, ``scene_data``), when the live view is renewed (``pusher``), and the
drawing (``*.js``).

All that the browser needs is in traits, complete at any time: a view that is opened late shows everything, and one
message more or less does no harm. Messages of the browser are checked; anything but a selection is ignored.

ipywidgets keeps each view until it is closed, and nothing tells when a view has left the notebook, as it does when its
cell runs again. With its trace it would take 10 MB for each 100,000 spans: so only the views used last keep theirs.
"""

from __future__ import annotations

import base64
import io
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from weakref import ref

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imsave

from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.base.errors import OptionError, short, warn
from kaygraph_viz.base.machine import has_threads
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.threads import Lock
from kaygraph_viz.plot.canvas import checked_trace, figure_of
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.diagram.description import HasStructure, checked_view
from kaygraph_viz.plot.diagram.diagram import diagram
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.trace.trace import GraphView, Trace
from kaygraph_viz.widgets.timeline.packing import pack
from kaygraph_viz.widgets.timeline.pusher import Pusher, show_again_when
from kaygraph_viz.widgets.timeline.scene_data import STYLES, scene_data, script, span_facts, stylesheet

DPI = 100
WHITE = 255


def still_png(*charts: Axes) -> bytes:
    """Return charts below each other as one PNG, and close their figures."""
    pixels = list[npt.NDArray[np.uint8]]()
    for ax in charts:
        figure: Any = figure_of(ax)
        try:
            figure.set_dpi(DPI)
            canvas: Any = FigureCanvasAgg(figure)
            canvas.draw()
            pixels.append(np.array(canvas.buffer_rgba()))
        finally:
            plt.close(figure)
    width = max(one.shape[1] for one in pixels)
    padded = [np.pad(one, ((0, 0), (0, width - one.shape[1]), (0, 0)), constant_values=WHITE) for one in pixels]
    target = io.BytesIO()
    imsave(target, np.concatenate(padded), format="png", dpi=DPI, metadata={"Software": "kaygraph-viz"})
    return target.getvalue()


# -- which traces are kept -------------------------------------------------------------------------------------------

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


with needed():
    import anywidget
    import traitlets

# -- the chart -------------------------------------------------------------------------------------------------------

SELECTION = ("selected", "node")


def timeline(trace: Trace, *, graph: GraphView | HasStructure | None = None, title: str | None = None) -> Timeline:
    """Return a Gantt chart to move about in, for a notebook.

    Drag it or use the arrow keys to move, the wheel or ``+`` and ``-`` to zoom, Home to see everything. A click selects
    a bar. More than 200 rows are folded into bands as in `gantt`; a click on a band shows its rows, as does selecting a
    bar in it. A trace that is still being recorded is shown as it grows; work that is watched has to leave the notebook
    alive: ``await`` it, or run it in a thread.

    Parameters
    ----------
    trace
        What was recorded, or is being recorded.
    graph
        The graph that ran, or its `GraphView`: its diagram is shown below, and what is selected in one is selected in
        the other.
    title
        Default: workers, branches, makespan, and how many ran at once on average.

    Returns
    -------
    Timeline
        Put it on the last line of a cell. Where no kernel runs, and in other front ends, it is a picture.

    Raises
    ------
    OptionError
        If an argument is of the wrong type.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> view = timeline(make_trace(bar("a", "thread-1", 0, 1), bar("b", "thread-2", 0, 2)))
    >>> view
    <Timeline of 2 bars>
    >>> view.selected = 2
    >>> dict(view.details)["name"]
    'b'
    """
    return Timeline(checked_trace(trace), checked_view(graph) if graph is not None else None, title)


class Timeline(anywidget.AnyWidget):
    """The chart that `timeline` returns.

    Attributes
    ----------
    selected
        Number of the span whose bar is selected, or None; can be set.
    node
        Id of the node whose bars are highlighted, or None; can be set.
    details
        What is known of the selected span, as pairs of texts; nothing where its trace is gone, which the chart keeps
        only as long as it is one of the ten that were used last.
    """

    _esm = script()
    _css = stylesheet()  # not its path: anywidget then keeps each view for ever
    styles = traitlets.Dict(STYLES).tag(sync=True)
    packed = traitlets.Dict().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    selected = traitlets.Any(None, allow_none=True).tag(sync=True)
    node = traitlets.Any(None, allow_none=True).tag(sync=True)
    details: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __init__(self, trace: Trace, view: GraphView | None = None, title: str | None = None) -> None:
        self._kept, self._graph = KeptTrace(trace), view
        self._title = title
        self._ids: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._is_complete = False  # what is shown
        self._pushing = Lock()
        self._still, self._alt = b"", ""
        self._has_warned = False
        self._pusher = Pusher(self.refresh, self._is_live)
        super().__init__()
        self.refresh()
        if trace.is_live and has_threads():  # in a browser tab `refresh` shows what was recorded meanwhile
            self._pusher.start()

    def refresh(self) -> None:
        """Send the spans recorded so far to the browser; a live chart does so by itself."""
        with self._pushing:
            trace = self._kept.get()
            if self._is_complete or trace is None:
                return
            packed = pack(trace)
            self._ids = np.union1d(self._ids, packed.ids)  # what was a bar once may still be selected in the browser
            self._is_complete = not packed.head["is_live"]
            if self._graph is not None:
                self.scene = scene_data(self._graph, trace if self._is_complete else None)
            title = packed.head["title"] if self._title is None else clean(self._title, 200)
            self.packed = {**packed.head, "title": title, "data": packed.data}

    def close(self) -> None:
        """Remove the chart and stop following the run."""
        self._kept.drop()
        self._pusher.stop()
        self.layout.close()  # a widget of its own, which ipywidgets keeps as long as the program runs
        super().close()

    def _is_live(self) -> bool:
        trace = self._kept.get()
        return trace is not None and trace.is_live

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until the run is over and all of it is shown; for tests and scripts."""
        self._pusher.join(timeout_s)

    # -- what is selected ----------------------------------------------------------------------------------------

    @traitlets.validate("selected")
    def _checked_selected(self, proposal: Mapping[str, Any]) -> int | None:
        value = proposal["value"]
        if value is None or (type(value) is int and 0 < value < 1 << 63 and value in self._ids):
            return value
        raise OptionError("selected", value, "the number of a span that is a bar of the chart, or None", "selected=7")

    @traitlets.validate("node")
    def _checked_node(self, proposal: Mapping[str, Any]) -> str | None:
        value = proposal["value"]
        if value is None or (type(value) is str and value in self._known_nodes()):
            return value
        known = ", ".join(sorted(self._known_nodes())[:5]) or "none here"
        raise OptionError("node", value, f"the id of a node ({short(known)}), or None", 'node="check"')

    def _known_nodes(self) -> set[str]:
        drawn = {box["node"] for box in self.scene.get("boxes", ()) if box["node"]}
        return drawn | set(self.packed.get("nodes", ()))

    @traitlets.observe("selected")
    def _on_selected(self, change: Mapping[str, Any]) -> None:
        trace = self._kept.get()  # without it the browser shows what it knows
        self.details = [] if trace is None or change["new"] is None else span_facts(trace.columns, change["new"])

    # -- messages of the browser ---------------------------------------------------------------------------------

    def _handle_msg(self, msg: object) -> None:
        """Handle selections and requests for the state; ignore other messages with one warning."""
        problem = self._problem_of(msg)
        if problem is None:
            super()._handle_msg(msg)
        elif not self._has_warned:
            self._has_warned = True
            warn(f"a message from the browser was ignored: {problem}", stacklevel=2)

    def _problem_of(self, msg: Any) -> str | None:
        try:
            data = msg["content"]["data"]
            if data["method"] == "request_state":
                return None
            if data["method"] != "update":
                return f"method {short(data['method'])}"
            unknown = [name for name in data["state"] if name not in SELECTION]
            if unknown or data.get("buffer_paths"):
                return f"it sets {short(unknown)}"
            for name, value in data["state"].items():
                getattr(self, f"_checked_{name}")({"value": value})
        except Exception as error:
            return short(error)
        return None

    # -- where no kernel runs ------------------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        """Display a live chart; when the run is over, its picture takes its place."""
        if not self._is_live():
            raise NotImplementedError  # IPython then asks for the mime bundle
        show_again_when(self, lambda: not self._is_live())

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the widget with a picture and a text, which are shown where no kernel runs."""
        is_live = self._is_live()
        self.refresh()
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        data["text/plain"] = repr(self)
        if not is_live and (picture := self._picture()):
            data["image/png"] = base64.b64encode(picture).decode()
            metadata = {**metadata, "image/png": {"alt": self._alt}}
        return data, metadata

    def _picture(self) -> bytes:
        trace = self._kept.get()
        if not self._still and trace is not None:
            below = [diagram(self._graph, trace=trace)] if self._graph is not None else []
            charts = [gantt(trace, title=self._title), *below]
            self._alt = " ".join(describe(chart).sentence for chart in charts)
            self._still = still_png(*charts)
        return self._still

    def __repr__(self) -> str:
        if self._is_live():
            return "<Timeline, live>"
        return f"<Timeline of {counted(self.packed.get('bars', 0), 'bar')}>"
