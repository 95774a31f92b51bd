"""Panels of a notebook: the time from a slider step to its picture, and the overhead of a progress bar.

Belongs here: widgets without a front end. Does not belong here: charts of many bars (``pictures``).

A step draws the Gantt chart, the speedups and their prediction, and writes the status and the log. The peer draws plain
rectangles for the same bars and nothing else; both end with the bytes of a PNG of the same size.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.harness import Measured, Scale, alternate, benchmark, per_call
from benchmarks.pictures import broken_bars
from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.execute.progress import counter
from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.recording import record
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.widgets.playground.pictures import DPI, GANTT_IN
from kaygraph_viz.widgets.playground.playground import playground
from kaygraph_viz.widgets.progress import progress

HIGH_IN = 3.9
BARS = "ax.broken_barh for each lane"
BUDGET, BUDGET_S = "a budget of 0.3 s", 0.3
NOTE = "ours also predicts, describes and writes the log"


@benchmark("slider step to a picture", peer=BUDGET, target=1.0, note="64 branches, drawn for the first time")
def step_in_time(scale: Scale) -> Measured:
    """Measure a step against its budget."""
    return alternate(_first_step, lambda: BUDGET_S, scale.pick(7, 1))


@benchmark("slider step to a prediction / broken_barh", peer=BARS, target=4.0, note=NOTE)
def step_to_a_prediction(scale: Scale) -> Measured:
    """Measure a step to a number of workers that was not run."""
    return alternate(lambda: _first_step(6, _as_if_measured), _plain_bars, scale.pick(7, 1))


@benchmark("slider step to a simulated run / broken_barh", peer=BARS, target=5.0, note="ours also runs, and all that")
def step_to_a_simulated_run(scale: Scale) -> Measured:
    """Measure a step to a number of workers that is run for it."""
    return alternate(lambda: _first_step(6), _plain_bars, scale.pick(7, 1))


@benchmark("slider step to a picture / broken_barh", peer=BARS, target=4.0, note=NOTE)
def step_against_plain_bars(scale: Scale) -> Measured:
    """Measure a step against the plainest chart of the same bars."""
    return alternate(_first_step, _plain_bars, scale.pick(7, 1))


@benchmark("slider step back / broken_barh", peer=BARS, target=1.5, note="the chart is kept")
def step_back(scale: Scale) -> Measured:
    """Measure a step to a run whose chart was drawn before."""
    panel = _panel()
    panel.slider.value = 8

    def step() -> float:
        panel.slider.value = 4
        began = time.perf_counter()
        panel.slider.value = 8
        return time.perf_counter() - began

    return alternate(step, _plain_bars, scale.pick(7, 1))


@benchmark("progress of an item / tqdm", peer="tqdm in a kernel's place: a file", note="counts ok and failed, too")
def progress_of_an_item(scale: Scale) -> Measured:
    """Measure the overhead of counting an item, with an update of the bar now and then, against tqdm."""
    from tqdm import tqdm

    count = scale.pick(200_000, 500)

    def ours() -> None:
        with counter(progress(), count, "items") as tally:
            for _ in range(count):
                tally(True)

    def theirs() -> None:
        with tqdm(total=count, file=io.StringIO()) as bar:
            for _ in range(count):
                bar.update()

    return alternate(lambda: per_call(ours, count), lambda: per_call(theirs, count), scale.pick(5, 1))


class _Ask(ParallelBatchNode):
    """Wait between 10 and 70 ms, 64 times."""

    def prep(self, shared: Any) -> range:
        return range(64)

    def exec(self, prep_res: int) -> None:
        sleep(0.01 + prep_res % 7 / 100)


def _run(workers: int) -> Trace:
    with record(clock="virtual") as trace:
        _Ask(max_workers=workers).run({})
    return trace


@cache
def _recorded(workers: int) -> Trace:
    return _run(workers)


@cache
def _as_if_measured(workers: int) -> Trace:
    """Return the same spans without a word about the machine, so that the panel takes them for a run in real time."""
    return Trace(_recorded(workers).columns)


def _panel(recorded: Callable[[int], Trace] = _recorded) -> Any:
    return playground(_run, recorded={workers: recorded(workers) for workers in (1, 2, 4, 8)}, workers=4)


def _first_step(workers: int = 8, recorded: Callable[[int], Trace] = _recorded) -> float:
    panel = _panel(recorded)
    before, began = panel.chart.value, time.perf_counter()
    panel.slider.value = workers
    panel.wait()
    ended = time.perf_counter()
    if panel.chart.value == before:
        raise RuntimeError(panel.status.value)  # a chart that could not be drawn would count as a quick one
    return ended - began


def _plain_bars() -> float:
    trace = _recorded(8)
    began = time.perf_counter()
    figure = Figure(figsize=(GANTT_IN, HIGH_IN))
    FigureCanvasAgg(figure)
    broken_bars(figure.add_subplot(), trace)
    figure.savefig(io.BytesIO(), format="png", dpi=DPI)
    return time.perf_counter() - began
