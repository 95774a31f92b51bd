"""Panels for the shipped patterns, by name: ``playground("batch")``.

Belongs here: one run function for each pattern, on a sample of the shipped data, whose keywords become controls. Does
not belong here: the panel (``widgets.playground``), the patterns (``patterns``), and choosing data for the command line
(``examples``).

All of them run in simulated time by default, so that a run ends at once and is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.course.examples.example import Setup
from kaygraph_viz.course.patterns.batch import batch_graph
from kaygraph_viz.course.patterns.coordination import SemaphoreNode
from kaygraph_viz.course.patterns.map_reduce import word_count_graph
from kaygraph_viz.course.patterns.pipeline import OrderStore
from kaygraph_viz.course.services.datasets import load_customers, load_orders, load_speeches
from kaygraph_viz.course.services.endpoints import DEFAULT_SETTINGS, ServiceSettings
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.graph.graph import AsyncGraph
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.widgets.playground.options import Given, Run
from kaygraph_viz.widgets.playground.playground import MAX_WORKERS, Playground, playground as panel

__all__ = ["PATTERNS", "playground"]

FIRST_ORDER = 5940  # from here on orders differ much in what they cost
SWEEP = (1, 2, 4, 8)  # numbers of workers that are recorded before the panel is shown
ONLY = {"pipeline": "enrich"}  # the other stages have one worker each
Clock = Literal["virtual"] | None
Waiting = Literal["thread", "async", "serial"]
Computing = Literal["process", "thread", "serial"]


def playground(
    run: Run | str,
    *,
    recorded: Mapping[int, Trace] | None = None,
    workers: int | None = None,
    max_workers: int = MAX_WORKERS,
    controls: Given | None = None,
    only: str | None = None,
) -> Playground:
    """Return a panel with controls for a run, buttons to run and stop it, its chart, and a log of its runs.

    Each number of workers has a chart at once: the last run with it; if the runs are in simulated time, a new run; else
    the predicted schedule, hatched, from the run with the nearest number of workers. Run records anew and says how far
    off the prediction was. The log keeps every run. A chart that does not belong to the settings is pale.

    Parameters
    ----------
    run
        Called with the number of workers; records a run and returns its trace. It gets a control for each keyword that
        it takes out of ``executor schedule items latency_s failure_rate seed clock``, and for those whose annotation is
        a ``Literal``; defaults in its signature are where the controls stand at first. Or the name of a shipped
        pattern: ``"validation"``, ``"enrichment"``, ``"batch"``, ``"mapreduce"``, ``"pipeline"`` or
        ``"coordination"``; it is run in simulated time until you choose real time.
    recorded
        Traces that exist already, by number of workers, run with the defaults of the signature; of a shipped pattern,
        1, 2, 4 and 8 workers are recorded for you.
    workers
        Where the slider for workers stands at first, 1 to `max_workers`; default: what the signature says, or 4.
    max_workers
        Where that slider ends, 1 to 4096.
    controls
        Ranges and choices by keyword: ``{"items": range(10, 101, 10), "executor": ["thread", "process"]}``.
    only
        The name of the node, stage or branches that get the workers, for the prediction; default: all parallel calls.

    Returns
    -------
    Playground
        Put it on the last line of a cell.

    Raises
    ------
    OptionError
        If there is no such pattern, `run` is not a function, or an argument is out of its range.

    Examples
    --------
    >>> panel = playground("batch")
    >>> panel.slider.value = 8
    >>> round(panel.traces[8].makespan_s / panel.traces[1].makespan_s, 2)
    0.27
    """
    options: dict[str, Any] = {"workers": workers, "max_workers": max_workers}
    if not isinstance(run, str):
        return panel(run, recorded=recorded, controls=controls, only=only, **options)
    if run not in PATTERNS:
        raise OptionError("run", run, f"a function, or one of {', '.join(PATTERNS)}", 'playground("batch")')
    pattern, ranges = PATTERNS[run]
    if recorded is None:
        recorded = {count: pattern(count) for count in SWEEP if count <= max_workers}
    controls = {**ranges, **(controls or {})}
    return panel(pattern, recorded=recorded, controls=controls, only=only or ONLY.get(run), **options)


def validation(
    workers: int = 4,
    *,
    executor: Waiting = "thread",
    items: int = 20,
    latency_s: float = 0.02,
    failure_rate: float = 0.0,
    seed: int = 0,
    clock: Clock = "virtual",
) -> Trace:
    """Validate customer records: four checks of each, one of which asks a service."""
    from kaygraph_viz.course.patterns.checks import local_checks
    from kaygraph_viz.course.patterns.validation import validation_graph

    customers = load_customers()
    sample = _some(customers, items)
    service = ServiceSettings(seed=seed, latency_s=latency_s, failure_rate=failure_rate)
    setup = Setup(clock=clock)
    with (
        setup.started(executor, workers, local_checks.__module__, 4 * items) as who,
        setup.record() as trace,
        local_checks(customers, service) as checks,
    ):
        validation_graph(checks, max_workers=workers, executor=who).run({"records": sample})
    return trace


def enrichment(
    workers: int = 4,
    *,
    executor: Waiting = "thread",
    items: int = 12,
    latency_s: float = 0.04,
    failure_rate: float = 0.0,
    seed: int = 0,
    clock: Clock = "virtual",
) -> Trace:
    """Ask four services about each customer at once, and do so for several customers at once."""
    from kaygraph_viz.course.patterns.enrichment import enrichment_graph
    from kaygraph_viz.course.patterns.sources import customer_sources

    sample = _some(load_customers(), items)
    with (
        Setup(clock=clock).record() as trace,
        serve(_services(seed, latency_s, failure_rate)) as server,
        customer_sources(server.base_url, deadline_s=5.0) as sources,
    ):
        enrichment_graph(sources, max_workers=workers, executor=executor).run({"records": sample})
    return trace


def batch(
    workers: int = 4,
    *,
    executor: Computing = "process",
    items: int = 64,
    schedule: Literal["dynamic", "static", "longest-first"] = "dynamic",
    clock: Clock = "virtual",
) -> Trace:
    """Price orders that differ 50-fold in what they cost."""
    orders = load_orders()[FIRST_ORDER : FIRST_ORDER + items]
    setup = Setup(clock=clock)
    with setup.started(executor, workers, batch_graph.__module__, items) as who, setup.record() as trace:
        batch_graph(max_workers=workers, executor=who, schedule=schedule, metrics=False).run({"orders": orders})
    return trace


def mapreduce(workers: int = 4, *, executor: Computing = "process", items: int = 32, clock: Clock = "virtual") -> Trace:
    """Count the words of speeches that differ much in their lengths."""
    speeches = _some(load_speeches(spoken_only=False), items)
    setup = Setup(clock=clock)
    with setup.started(executor, workers, word_count_graph.__module__, items) as who, setup.record() as trace:
        word_count_graph(max_workers=workers, executor=who).run({"speeches": speeches})
    return trace


def pipeline(
    workers: int = 4,
    *,
    executor: Waiting = "thread",
    items: int = 40,
    latency_s: float = 0.02,
    failure_rate: float = 0.0,
    seed: int = 0,
    clock: Clock = "virtual",
) -> Trace:
    """Load orders into a database, stage by stage; only the stage that waits for services has several workers."""
    from kaygraph_viz.course.patterns.pipeline import etl_graph
    from kaygraph_viz.course.patterns.sources import customer_sources

    orders = load_orders()[FIRST_ORDER : FIRST_ORDER + items]
    with (
        Setup(clock=clock).record() as trace,
        serve(_services(seed, latency_s, failure_rate)) as server,
        customer_sources(server.base_url, ("profile", "location")) as sources,
        OrderStore() as store,
    ):
        etl_graph(store, sources, max_workers=workers, executor=executor).run({"orders": orders})
    return trace


def coordination(
    workers: int = 4, *, items: int = 16, latency_s: float = 0.06, seed: int = 0, clock: Clock = "virtual"
) -> Trace:
    """Ask one service with coroutines, `workers` of them at once at most."""
    customers = [customer["customer_id"] for customer in load_customers()[:items]]
    with Setup(clock=clock).record() as trace, serve(_services(seed, latency_s, 0.0)) as server:
        AsyncGraph(start=SemaphoreNode(workers, [server.base_url])).run({"customer_ids": customers})
    return trace


def _some(records: Sequence[Any], count: int) -> list[Any]:
    """Return `count` records, evenly spread over all."""
    return list(records[:: max(1, len(records) // count)][:count])


def _services(seed: int, latency_s: float, failure_rate: float) -> dict[str, ServiceSettings]:
    """Return settings of services with one mean latency and failure rate; each keeps its own spread."""
    return {
        name: replace(usual, seed=seed, latency_s=latency_s, failure_rate=failure_rate)
        for name, usual in DEFAULT_SETTINGS.items()
    }


PATTERNS: Mapping[str, tuple[Run, Given]] = {
    "validation": (validation, {"items": range(1, 101)}),
    "enrichment": (enrichment, {"items": range(1, 61)}),
    "batch": (batch, {"items": range(4, 201, 4)}),
    "mapreduce": (mapreduce, {"items": range(1, 101)}),
    "pipeline": (pipeline, {"items": range(1, 101)}),
    "coordination": (coordination, {"items": range(1, 101)}),
}
