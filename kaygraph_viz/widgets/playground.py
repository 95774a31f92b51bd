"""A panel to play with the number of workers: move the slider, run, and see the chart change.

Belongs here: controls, when they do what, and what they show. Does not belong here: the picture itself
(``plot.gantt``).

Long work runs in a thread of its own, so that the controls stay alive; that thread only sets traits of widgets, which
is the one thing ipywidgets allows from a thread. Errors, which JupyterLab would hide, are shown in the status line.
"""

from __future__ import annotations

import base64
import html
import io
import threading
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kaygraph_viz.analysis.metrics import Summary, summarize
from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.gantt import describe_gantt, gantt
from kaygraph_viz.trace.attributes import describe_error
from kaygraph_viz.trace.trace import Trace

__all__ = ["Playground", "playground"]

MAX_WORKERS = 16
MAX_MAX_WORKERS = 4096
WIDTH_IN, HEIGHT_IN, DPI = 9.0, 4.2, 96


def playground(
    run: Callable[[int], Trace],
    *,
    recorded: Mapping[int, Trace] | None = None,
    workers: int = 4,
    max_workers: int = MAX_WORKERS,
) -> Playground:
    """Return a panel with a slider for the number of workers and a Run button.

    Moving the slider shows the chart of that number at once where one was recorded; Run records anew.

    Parameters
    ----------
    run
        Called with the number of workers; records a run and returns its trace.
    recorded
        Traces that exist already, by number of workers.
    workers
        Where the slider stands at first, 1 to `max_workers`.
    max_workers
        Where the slider ends, 1 to 4096.

    Returns
    -------
    Playground
        Put it on the last line of a cell.

    Raises
    ------
    OptionError
        If `run` is not a function, `recorded` holds something else than traces, or a number is out of range.
    """
    return Playground(run, recorded or {}, workers, max_workers)


class Playground(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The panel that `playground` returns.

    Attributes
    ----------
    slider, button, status, chart, tried
        The controls, for tests and for changing their looks.
    picture
        The chart that is shown, as the bytes of a PNG.
    traces
        The last trace for each number of workers.
    """

    def __init__(
        self, run: Callable[[int], Trace], recorded: Mapping[int, Trace], workers: int, max_workers: int
    ) -> None:
        if not callable(run):
            raise OptionError("run", run, "a function of the number of workers that returns a trace", "playground(run)")
        _check_whole("max_workers", max_workers, MAX_MAX_WORKERS)
        _check_whole("workers", workers, max_workers)
        if not isinstance(recorded, Mapping) or not all(isinstance(trace, Trace) for trace in recorded.values()):
            raise OptionError("recorded", recorded, "traces by number of workers", "recorded={4: trace}")
        self._run = run
        self.traces: dict[int, Trace] = dict(recorded)
        self._thread: threading.Thread | None = None
        self._drawing = threading.RLock()  # the slider and a run that ends may both want to draw
        self._make_controls(workers, max_workers)
        super().__init__([self._controls, self.status, self.chart, self.tried])
        self._show(workers)

    def _make_controls(self, workers: int, max_workers: int) -> None:
        self.slider = ipywidgets.IntSlider(
            value=workers, min=1, max=max_workers, description="Workers", continuous_update=False,
            tooltip="How many branches may run at once",
        )  # fmt: skip
        self.button = ipywidgets.Button(
            description="Run", button_style="primary", tooltip="Record a new run", icon="play"
        )
        self.status = ipywidgets.HTML()
        self.chart = ipywidgets.HTML()  # an Image widget could not carry the text for screen readers
        self.picture = b""
        self.tried = ipywidgets.HTML()
        self._controls = ipywidgets.HBox([self.slider, self.button])
        self.slider.observe(self._on_slider, names="value")
        self.button.on_click(self._on_click)

    # -- what the controls do -----------------------------------------------------------------------------------

    def _on_slider(self, change: Mapping[str, Any]) -> None:
        try:
            self._show(int(change["new"]))
        except Exception as error:
            self._say(f"The chart could not be drawn: {describe_error(error)}", is_error=True)

    def _on_click(self, _button: object) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        workers = int(self.slider.value)
        self.button.disabled = True
        self._say(f"Running with {_count(workers)} ...")
        self._thread = threading.Thread(target=self._record, args=(workers,), name="playground", daemon=True)
        self._thread.start()

    def _record(self, workers: int) -> None:
        try:
            trace = _checked_trace(self._run(workers))
            with self._drawing:
                self.traces[workers] = trace
                if int(self.slider.value) == workers:
                    self._show(workers)
                else:
                    self._write_log()
        except BaseException as error:  # whatever happens in a reader's function must become visible
            self._say(f"The run failed: {describe_error(error)}", is_error=True)
        finally:
            self.button.disabled = False

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until a run that the button started has ended; for tests and for cells after the panel."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    # -- what they show -----------------------------------------------------------------------------------------

    def _show(self, workers: int) -> None:
        trace = self.traces.get(workers)
        if trace is None:
            self._say(f"Nothing recorded with {_count(workers)} yet: press Run. The chart is still the one before.")
            return
        with self._drawing:
            longest_s = max(known.makespan_s for known in self.traces.values())
            self.picture = _png(trace, longest_s)
            self.chart.value = _image(self.picture, describe_gantt(trace))
            self._say(summarize(trace).describe())
            self._write_log()

    def _say(self, text: str, *, is_error: bool = False) -> None:
        colour = " style='color:#b00020'" if is_error else ""
        self.status.value = f"<span role='status'{colour}>{html.escape(text)}</span>"

    def _write_log(self) -> None:
        tried = {workers: summarize(trace) for workers, trace in sorted(self.traces.items())}
        rows = "".join(_log_row(workers, summary) for workers, summary in tried.items())
        words = ("Workers", "Most at once", "Speedup", "Efficiency")
        heads = "".join(f"<th scope='col' style='padding:0 1em'>{head}</th>" for head in words)
        self.tried.value = f"<table><caption>Tried so far</caption><tr>{heads}</tr>{rows}</table>" if rows else ""

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Add a picture and a text, which are all that is left where no kernel runs."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        if isinstance(data, dict):
            data["text/plain"] = repr(self)
            if self.picture:
                data["image/png"] = base64.b64encode(self.picture).decode()
        return data, metadata

    def __repr__(self) -> str:
        return f"<Playground for 1 to {self.slider.max} workers>"


def _check_whole(name: str, value: object, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise OptionError(name, value, f"a whole number from 1 to {most}", f"{name}={min(4, most)}")


def _checked_trace(returned: object) -> Trace:
    if not isinstance(returned, Trace):
        raise OptionError("what run(workers) returns", returned, "a trace", "with record() as trace: ... return trace")
    return returned


def _image(png: bytes, alt: str) -> str:
    source = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(alt)}" style="max-width:100%" src="data:image/png;base64,{source}">'


def _png(trace: Trace, longest_s: float) -> bytes:
    """Draw a trace on a time axis that has room for the longest one, so that charts can be compared.

    The figure is one of its own: pyplot's state may not be touched from a thread.
    """
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
    FigureCanvasAgg(figure)
    gantt(trace, ax=figure.add_subplot(), until_s=longest_s)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=DPI)
    return target.getvalue()


def _count(workers: int) -> str:
    return f"{workers} worker{'s' if workers > 1 else ''}"


def _log_row(workers: int, summary: Summary) -> str:
    cells = (workers, summary.peak_concurrency, f"{summary.speedup:.1f}", f"{summary.efficiency:.0%}")
    return "<tr>" + "".join(f"<td style='padding:0 1em; text-align:right'>{cell}</td>" for cell in cells) + "</tr>"
