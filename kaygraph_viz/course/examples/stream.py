"""Real-time processing: a stream of sales with a rush in it, by one worker and by several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.analysis.wording import counted, duration
from kaygraph_viz.course.examples.example import ExampleRun, Fact, Setup, measured
from kaygraph_viz.course.patterns.stream import EventStream, StreamResult, Window, stream_graph
from kaygraph_viz.execute.pipeline.stages import SOURCE, STAGE_KINDS

PER_SECOND, WIDTH_S, WINDOWS, WORKERS = 40.0, 0.25, 6, 4
MAX_WORKERS = 64  # there are never more events at once
RUSH = (0.5, 1.0, 3.0)  # from, to [s], and how many times as many events
CAPTIONS = {
    "serial": "no event is read before the one before it has been handled",
    "one-worker": "after the rush begins, the handler is never idle, and backpressure blocks the source",
    "parallel": "several events are handled at once, and the source never has to wait",
}
Run = tuple[StreamResult, kv.Graph, kv.Trace]


def run(setup: Setup) -> ExampleRun:
    """Process the same stream one event at a time, with one worker for each stage, and with several."""
    kind = setup.kind("thread", STAGE_KINDS)
    windows = WINDOWS if setup.items is None else max(1, round(setup.items / (PER_SECOND * WIDTH_S)))
    _, _, serial = _processed(windows, setup, "serial", 1)
    late, _, alone = _processed(windows, setup, kind, 1)
    workers = min(setup.workers_for(kind, WORKERS), MAX_WORKERS)
    result, graph, parallel = _processed(windows, setup, kind, workers)
    events = sum(window.events for window in result.windows)
    return ExampleRun(
        name="stream",
        title=f"Real-time processing: sales of {duration(windows * WIDTH_S)}, counted in {counted(windows, 'window')}",
        graph=graph,
        traces={"serial": serial, "one-worker": alone, "parallel": parallel},
        captions=CAPTIONS,
        facts=[
            Fact("events", f"{events:,}", f"and {result.failed:,} broken"),
            Fact("sold", f"{sum(window.cents for window in result.windows) / 100:,.2f}"),
            Fact("longest lag", _longest_lag(result), _at_the_end(result)),
            Fact("with one worker", _longest_lag(late), _at_the_end(late)),
        ],
        notes=setup.not_used("thread", STAGE_KINDS),
        measured=measured(
            events + result.failed, result.failed, parallel, serial, unit="events", bottleneck=_bottleneck(result)
        ),
        details=("Lag of each window:", _lags(late.windows, result.windows)),
        is_simulated=setup.is_simulated,
    )


def _processed(windows: int, setup: Setup, kind: str, workers: int) -> Run:
    events = EventStream(PER_SECOND, rush=RUSH, seed=setup.seed)
    with setup.record() as trace:
        graph = stream_graph(windows, WIDTH_S, max_workers=workers, executor=kind, progress=setup.progress)
        graph.run(shared := dict[str, Any](events=events))
    return shared["stream_result"], graph, trace


def _longest_lag(result: StreamResult) -> str:
    return duration(max((window.lag_s for window in result.windows), default=0.0))


def _at_the_end(result: StreamResult) -> str:
    return "no backlog at the end" if result.is_keeping_up else "a backlog at the end"


def _bottleneck(result: StreamResult) -> tuple[str, str]:
    busy = next((facts.busy for facts in result.stages if facts.name == result.bottleneck), 0.0)
    if result.bottleneck == SOURCE:
        return SOURCE, "all stages wait for events: more workers would not make it faster"
    return result.bottleneck, f"busy for {busy:.0%} of the time"


def _lags(late: Sequence[Window], found: Sequence[Window]) -> list[tuple[str, ...]]:
    headings = ("window", "events", "sold", "lag with one worker", "lag with several")
    return [
        headings,
        *(
            (
                f"{window.start_s:g} to {window.end_s:g} s",
                f"{window.events:,}",
                f"{window.cents / 100:,.2f}",
                duration(alone.lag_s),
                duration(window.lag_s),
            )
            for alone, window in zip(late, found, strict=True)
        ),
    ]
