"""A panel to play with: set the number of workers and more, run, see the chart change, and compare what was tried.

Belongs here: the panel, its layout, and what its controls do. Does not belong here: which controls there are
(``options``), the log (``state``), threads (``background``), and pictures (``pictures``).

Long work runs in a thread of its own, so that the controls stay alive; one other thread sets traits of widgets for it,
which is the one thing ipywidgets allows from a thread. Errors, which JupyterLab would hide, are shown in the status
line.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.base.checks import MAX_WORKERS as LIMIT, checked_function, checked_whole, checked_workers
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.base.threads import RLock
from kaygraph_viz.trace.row import describe_error
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.widgets.guarded import Say, guarded, parts_of
from kaygraph_viz.widgets.playground.background import Ending, Newest, branches_of
from kaygraph_viz.widgets.playground.options import WORKERS, Given, Option, Run, call_with, options_of
from kaygraph_viz.widgets.playground.pictures import STYLE, Album, Picture, Preview, forecast, image, lines_of
from kaygraph_viz.widgets.playground.state import BEST, Log, Tried, rounded

with needed():
    import ipywidgets
    from traitlets import link

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_WORKERS = 16
MAX_LINES = 8  # of the log that are seen at once
LABEL_WIDTH = "9.4em"
PALE = "kv-pale"
LOG_TITLE = (
    f"<div>Runs so far: choose one to see it again. {BEST} is the fastest.</div>"
    "<div class='kv-columns' aria-hidden='true'>{}</div>"
)


def playground(
    run: Run,
    *,
    recorded: Mapping[int, Trace] | None = None,
    workers: int | None = None,
    max_workers: int = MAX_WORKERS,
    controls: Given | None = None,
    only: str | None = None,
) -> Playground:
    """Return a panel for a run function; the arguments are those of ``kaygraph_viz.playground``."""
    if isinstance(run, str):
        raise OptionError("run", run, "a function of the number of workers", f'kv.playground("{run[:20]}")')
    checked_function("run", run, "a function of the number of workers that returns a trace", "playground(run)")
    checked_whole("max_workers", max_workers, 1, LIMIT, "max_workers=16")
    options = options_of(run, controls)
    first, others = options[0], options[1:]
    workers = min(first.value, max_workers) if workers is None else workers
    checked_workers(workers, "workers", limit=max_workers)
    if not controls or WORKERS not in controls:
        first = replace(first, low=1, high=max_workers, step=1, value=workers)
    if only is not None and not isinstance(only, str):
        raise OptionError("only", only, "the name of a node, a stage or branches, or None", 'only="enrich"')
    if recorded is None:
        recorded = {}
    if not isinstance(recorded, Mapping) or not all(isinstance(trace, Trace) for trace in recorded.values()):
        raise OptionError("recorded", recorded, "traces by number of workers", "recorded={4: trace}")
    return Playground(run, Log([first, *others], only), recorded)


class Control:
    """The label and the input widgets of one option."""

    def __init__(self, option: Option, changed: Callable[[], object], say: Say) -> None:
        self.option = option
        common: dict[str, Any] = {"description": option.label, "tooltip": option.tip, "value": option.value}
        wide = {"style": {"description_width": LABEL_WIDTH}, "layout": {"flex": "1 1 0", "width": "auto"}}
        self.box: Any = None
        if option.choices is not None:
            self.main = guarded(ipywidgets.Dropdown, say, options=list(option.choices.items()), **common, **wide)
        else:
            common |= {"min": option.low, "max": option.high, "step": option.step, "continuous_update": False}
            kinds = (ipywidgets.IntSlider, ipywidgets.BoundedIntText)
            if not option.is_whole:
                kinds = (ipywidgets.FloatSlider, ipywidgets.BoundedFloatText)
            self.main = guarded(kinds[0], say, **common, **wide, readout=False)
            self.box = guarded(kinds[1], say, **common, layout={"width": "5em"})
            self.box.add_class("kv-number")
            link((self.main, "value"), (self.box, "value"))
        self.main.add_class(f"kv-{option.name.replace('_', '-')}")
        self.main.observe(lambda _change: changed(), names="value")
        self.widget = ipywidgets.HBox([self.main] if self.box is None else [self.main, self.box])
        self.widget.add_class("kv-control")

    @property
    def value(self) -> Any:
        """The value that the control is set to."""
        return rounded(self.main.value)

    @value.setter
    def value(self, value: Any) -> None:
        if not self.option.allows(value):
            raise OptionError(self.option.name, value, "a value that its control allows")
        self.main.value = value


class Playground(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The panel that `playground` returns.

    Attributes
    ----------
    controls
        A `Control` by the name of its option.
    run_button, stop_button, status, chart, log_list
        The other widgets, for tests and for changing their looks.
    tried
        What has been tried.
    picture
        The chart that is shown, as the bytes of a PNG.
    alt
        The same in words.
    """

    def __init__(self, run: Run, log: Log, recorded: Mapping[int, Trace]) -> None:
        self.tried = log
        self.picture, self.alt = b"", ""
        self._run = run
        self._runs, self._previews = Newest(), Newest()  # predictions are made while a run goes on, too
        self._running: dict[str, Any] | None = None  # the settings of the run that the button started
        self._shown: dict[str, Any] | None = None  # the settings of the chart
        self._is_predicted = False  # the chart
        self._drawing = RLock()  # the controls and a run that ends may both want to draw
        self._is_setting = False  # several widgets at once, which is one change
        self._listed: list[Tried] = []
        self.controls = {option.name: Control(option, self._changed, self._say) for option in log.options}
        self._album = Album(log, min(int(self.controls[WORKERS].option.high or MAX_WORKERS), MAX_WORKERS))
        for count, trace in sorted(recorded.items()):
            log.add({**self.settings, WORKERS: count}, trace)
        self._make_widgets()
        super().__init__(self._parts())
        self.add_class("kv-playground")
        self._changed()

    def _make_widgets(self) -> None:
        self.run_button = guarded(
            ipywidgets.Button,
            self._say,
            (),
            description="Run",
            button_style="primary",
            icon="play",
            tooltip="Run with these settings and record the run",
        )
        self.stop_button = guarded(
            ipywidgets.Button,
            self._say,
            (),
            description="Stop",
            icon="stop",
            disabled=True,
            tooltip="Start no more branches of this run and stop those that are running",
        )
        self.counter, self.status, self.chart, self.log_title = (
            guarded(ipywidgets.HTML, self._say, ()) for _ in range(4)
        )
        self.log_list = guarded(
            ipywidgets.Select,
            self._say,
            options=[],
            rows=2,
            description="Runs so far",
            tooltip="Choose a run to see its chart again and to set the controls to its settings",
        )
        names = {
            "kv-run": self.run_button,
            "kv-stop": self.stop_button,
            "kv-counter": self.counter,
            "kv-status": self.status,
            "kv-chart": self.chart,
            "kv-log-title": self.log_title,
            "kv-log": self.log_list,
        }
        for name, widget in names.items():
            widget.add_class(name)
        self.run_button.on_click(self._on_run)
        self.stop_button.on_click(self._on_stop)
        self.log_list.observe(self._on_log, names="index")

    def _parts(self) -> list[Any]:
        """Return the widgets of the panel in the order in which the tab key reaches them."""
        style = ipywidgets.HTML(STYLE, layout={"display": "none"})
        controls = ipywidgets.Box([control.widget for control in self.controls.values()])
        controls.add_class("kv-controls")
        buttons = ipywidgets.HBox([self.run_button, self.stop_button, self.counter])
        self._log_box = ipywidgets.VBox([self.log_title, self.log_list], layout={"display": "none"})
        return [style, controls, buttons, self.status, self.chart, self._log_box]

    # -- what it is set to --------------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """The values of the controls, by the name of the argument."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def traces(self) -> dict[int, Trace]:
        """The last recorded trace for each number of workers."""
        return {entry.workers: entry.trace for entry in self.tried.entries if entry.is_whole}

    @property
    def slider(self) -> Any:
        """The slider for the number of workers."""
        return self.controls[WORKERS].main

    # -- what the controls do -----------------------------------------------------------------------------------

    def _changed(self) -> None:
        with self._saying("The chart could not be drawn"), self._drawing:
            if not self._is_setting:  # asked with the lock: another thread may be writing the log
                self._look()

    def _look(self) -> None:
        """Show what belongs to the settings of the controls: their run, or one in simulated time, or a prediction."""
        settings, is_running = self.settings, self._running is not None
        self._previews.drop()
        if not is_running:
            self._runs.drop(stops=True)
        if (tried := self.tried.find(settings)) is not None:
            self._show(tried)
        elif not is_running and any(
            entry.is_simulated and entry.settings.get("clock") == settings.get("clock") for entry in self.tried.entries
        ):  # a run with these settings costs no waiting
            self._simulate(settings)
        else:
            self._predict(settings)
        if settings == self._running:
            self._say_running()

    def _simulate(self, settings: dict[str, Any]) -> None:
        self._write_log(None)
        self._compare_chart()
        self._say(f"Running in simulated time with {self._in_words()} ..." + self._what_is_seen())
        self._runs.ask(
            lambda: _checked_trace(call_with(self._run, settings)),
            lambda _branches: self._on_waiting(settings),
            lambda ending: self._on_simulated(settings, ending),
            stops=True,
        )

    def _predict(self, settings: dict[str, Any], *, is_coming: bool = False) -> None:
        """Show a prediction, now if it was made before, else as soon as it is made; the run may be on its way."""
        if (found := self._album.known_preview(settings)) is not None:
            self._show_preview(found)
            return
        self._write_log(None)
        self._compare_chart()
        if not is_coming:
            self._say(f"No run with {self._in_words()} yet: press Run." + self._what_is_seen())
        if self.tried.entries:
            self._previews.ask(lambda: self._album.new_preview(settings), lambda _branches: None, self._on_preview)

    def _on_log(self, change: Mapping[str, Any]) -> None:
        with self._saying("The chart could not be drawn"), self._drawing:
            if self._is_setting or change["new"] is None:
                return
            tried = self._listed[change["new"]]
            self._previews.drop()
            with self._setting():
                for name, value in tried.settings.items():
                    self.controls[name].value = value
            self._show(tried)

    def _on_run(self, _button: object) -> None:
        with self._drawing:
            if self._running is not None:
                return
            settings = self._running = self.settings
            self.run_button.disabled, self.stop_button.disabled = True, False
            self._say_running()

            def count(branches: int) -> None:
                self.counter.value = f"{counted(branches, 'branch', 'branches')} done" if branches else ""

            self._runs.ask(
                lambda: _checked_trace(call_with(self._run, settings)),
                count,
                lambda ending: self._on_end(settings, ending),
                stops=True,
            )

    def _on_stop(self, _button: object) -> None:
        if self._running is not None:
            self._say("Stopping ...")
            self._runs.stop()

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until what the panel does in the background has ended; for tests and for cells after the panel.

        Parameters
        ----------
        timeout_s
            How long at most, each time that something ends and something else begins [s].
        """
        while self._runs.is_going_on or self._previews.is_going_on:
            for newest in (self._runs, self._previews):
                if not newest.wait(timeout_s):
                    return

    def close(self) -> None:
        """Remove the panel with all that it consists of, and stop its run: ipywidgets keeps each part until then."""
        if self.comm is not None:
            self._runs.drop(stops=True)
            self._previews.drop()
            for part in list(parts_of(self)):
                part.close()
        super().close()

    # -- called by the run in the background, from one thread only -------------------------------------------------

    def _on_end(self, settings: Mapping[str, Any], ending: Ending) -> None:
        with self._saying("The chart could not be drawn"), self._drawing:
            self._running, self.counter.value = None, ""
            self.run_button.disabled, self.stop_button.disabled = False, True
            self._compare_chart()
            if ending.was_stopped:
                self._show_stopped(settings, ending)
            elif ending.error is not None:
                self._say(f"The run failed: {describe_error(ending.error)}" + self._what_is_seen(), is_error=True)
            elif isinstance(ending.returned, Trace):
                self._add(settings, ending.returned)
                self._look()

    def _on_simulated(self, settings: Mapping[str, Any], ending: Ending) -> None:
        with self._saying("The chart could not be drawn"), self._drawing:
            if isinstance(ending.returned, Trace):
                self._add(settings, ending.returned)
                self._look()
            elif ending.error is not None and not ending.was_stopped:
                self._say(f"The run failed: {describe_error(ending.error)}" + self._what_is_seen(), is_error=True)

    def _on_waiting(self, settings: dict[str, Any]) -> None:
        """Show a prediction where a run in simulated time takes longer than a moment."""
        with self._saying("The chart could not be drawn"), self._drawing:
            if settings == self.settings != self._shown:
                self._predict(settings, is_coming=True)

    def _on_preview(self, ending: Ending) -> None:
        with self._saying("The chart could not be drawn"), self._drawing:
            if ending.error is not None:
                raise ending.error
            if self.tried.find(self.settings) is None and (found := self._album.known_preview(self.settings)):
                self._show_preview(found)
                if self.settings == self._running:
                    self._say_running()

    def _show_stopped(self, settings: Mapping[str, Any], ending: Ending) -> None:
        """Report how far a stopped run came, and show its trace if these settings have no complete run."""
        trace = ending.trace
        done = 0 if trace is None else sum(span.ok for span in trace if span.kind == "branch")
        said = f"Stopped after {counted(done, 'branch', 'branches')}: no more branches are started."
        if ending.is_going_on:
            said = "Stopped: your function cannot be interrupted; it continues unseen and its result is ignored."
        known = self.tried.find(settings)
        is_better = known is not None and known.is_whole
        if trace is not None and branches_of(trace) and not is_better and not ending.is_going_on:
            self._add(settings, trace, is_whole=False)
            self._look()
        self._say(said + self._what_is_seen())

    # -- what is shown ------------------------------------------------------------------------------------------

    def _show(self, tried: Tried) -> None:
        self._draw(tried.settings, self._album.chart(tried), self._album.sketch(tried))
        best = "This is the fastest run so far." if self.tried.is_best(tried) else ""
        self._say(" ".join(filter(None, [self.tried.result(tried), self.tried.again(tried), best])))
        self._write_log(tried)

    def _show_preview(self, found: Preview) -> None:
        self._draw(found.forecast.settings, found.chart, found.sketch, is_predicted=True)
        self._say(found.forecast.sentence + ("" if self._runs.is_going_on else " Press Run to measure it."))
        self._write_log(None)

    def _draw(
        self, settings: Mapping[str, Any], chart: Picture, sketch: Picture | None, *, is_predicted: bool = False
    ) -> None:
        self.picture, self.alt = chart.png, chart.alt
        pictures = "".join(image(picture) for picture in (chart, sketch) if picture is not None)
        words = html.escape(chart.alt if sketch is None else sketch.alt)
        self.chart.value = f"<div class='kv-pictures'>{pictures}</div><p class='kv-words'>{words}</p>"
        self._shown, self._is_predicted = dict(settings), is_predicted
        self._compare_chart()

    @property
    def _is_out_of_date(self) -> bool:
        """Whether the chart is another one than that of the controls, or a new one is on its way."""
        return self.settings != self._shown or (self._shown == self._running and not self._is_predicted)

    def _compare_chart(self) -> None:
        """Make the chart pale while it is out of date."""
        self.chart.add_class(PALE) if self._is_out_of_date else self.chart.remove_class(PALE)

    def _add(self, settings: Mapping[str, Any], trace: Trace, *, is_whole: bool = True) -> Tried:
        """Add a run to the log, with what had been predicted if it is the first with its settings."""
        expected = forecast(self.tried, settings) if is_whole and self.tried.find(settings) is None else None
        predicted_s = None if expected is None else expected.trace.makespan_s
        return self.tried.add(settings, trace, is_whole=is_whole, predicted_s=predicted_s)

    def _in_words(self) -> str:
        """Return the settings in words, or only those whose controls were not there from the beginning."""
        others = [
            control.option.named(control.value)
            for name, control in self.controls.items()
            if name != WORKERS and control.value != control.option.value
        ]
        return ", ".join([counted(self.controls[WORKERS].value, "worker"), *others])

    def _what_is_seen(self) -> str:
        return " The pale chart is the one before." if self.picture and self._is_out_of_date else ""

    def _say_running(self) -> None:
        self._compare_chart()
        self._say(f"Running with {self._in_words()} ..." + self._what_is_seen())

    def _write_log(self, shown: Tried | None) -> None:
        self._listed = self.tried.lines(shown)
        title, *lines = lines_of(self.tried.table(shown))
        with self._setting():
            if lines != [line for line, _ in self.log_list.options]:
                self.log_list.options = [(line, at) for at, line in enumerate(lines)]
                self.log_list.rows = max(2, min(len(lines), MAX_LINES))
                self.log_title.value = LOG_TITLE.format(html.escape(title))
            self.log_list.index = self._listed.index(shown) if shown in self._listed else None
            self._log_box.layout.display = None if lines else "none"

    def _say(self, text: str, *, is_error: bool = False) -> None:
        colour = " style='color:#b00020'" if is_error else ""
        self.status.value = f"<span role='status'{colour}>{html.escape(text)}</span>"

    @contextmanager
    def _saying(self, what: str) -> Iterator[None]:
        """Show an error of a callback in the status line: JupyterLab hides it otherwise."""
        try:
            yield
        except Exception as error:
            self._say(f"{what}: {describe_error(error)}", is_error=True)

    @contextmanager
    def _setting(self) -> Iterator[None]:
        before, self._is_setting = self._is_setting, True
        try:
            yield
        finally:
            self._is_setting = before

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the widget with a picture and a text, which are shown where no kernel runs."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        if isinstance(data, dict):
            data["text/plain"] = repr(self)
            if self.picture:
                data["image/png"] = base64.b64encode(self.picture).decode()
                metadata = {**metadata, "image/png": {"alt": self.alt}}
        return data, metadata

    def __repr__(self) -> str:
        return f"<Playground for 1 to {self.slider.max} workers>"


def _checked_trace(returned: object) -> Trace:
    if not isinstance(returned, Trace):
        raise OptionError("what run(workers) returns", returned, "a trace", "with record() as trace: ... return trace")
    return returned
