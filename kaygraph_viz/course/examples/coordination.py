"""Ways for coroutines to work together, on the local services."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.analysis.wording import counted, duration
from kaygraph_viz.course.examples.enrichment import settings_with_seed
from kaygraph_viz.course.examples.example import ExampleRun, Fact, Setup, measured
from kaygraph_viz.course.patterns.coordination import FAN_OUT, WAYS, SemaphoreNode, coordination_graph
from kaygraph_viz.course.services.datasets import load_customers
from kaygraph_viz.course.services.server import serve

SAMPLE = 8
MEANINGS = {way: meaning for way, (_, meaning) in WAYS.items()} | {
    FAN_OUT: "Four facts about one customer, looked up by two plain and two asynchronous nodes at once."
}
CAPTIONS = {
    "serial": "one question after the other",
    "semaphore": "three rows: the next question is asked when one of three has its answer",
    "rate-limit": "after four calls the others are blocked until a second has passed",
    "deadline": "at the deadline, all questions that still run are cancelled",
    "cancellation": "when three answers are there, the other five are cancelled",
    "first-wins": "a second mirror is asked when the first is slow; the slower one is cancelled",
    "fan-out": "different nodes at once",
    "parallel": "gather: a row for each question, and as long as the slowest of them",
}
Run = tuple[dict[str, Any], kv.Graph, kv.Trace]


def run(setup: Setup) -> ExampleRun:
    """Ask about the same customers in each of the ways."""
    everybody = [customer["customer_id"] for customer in load_customers()]
    customers = everybody[: setup.count(SAMPLE, len(everybody))]
    _, _, serial = _asked("", customers, setup)
    runs = {way: _asked(way, customers, setup) for way in MEANINGS}
    traces = {"serial": serial} | {_label(way): trace for way, (_, _, trace) in runs.items()}
    gathered = traces.pop("gather")
    last = max(gathered.where(kind="branch"), key=lambda span: span.ended_ns, default=None)
    slowest = None if last is None else (last.name, f"the slowest answer: it took {duration(last.service_s)}")
    del traces["as-completed"]  # it looks like gather: only the order of the answers differs
    return ExampleRun(
        name="coordination",
        title=f"Coordination: {counted(len(customers), 'question')}, asked by coroutines in {len(runs)} ways",
        graph=runs[FAN_OUT][1],
        drawn=_label(FAN_OUT),
        traces={**traces, "parallel": gathered},
        captions=CAPTIONS,
        compared=("semaphore", "deadline", "cancellation", "parallel"),
        facts=[
            Fact(way, duration(trace.makespan_s), f"{counted(len(shared['answers']), 'answer')}. {MEANINGS[way]}")
            for way, (shared, _, trace) in runs.items()
        ],
        notes=setup.not_used("async", ["async"]),
        measured=measured(
            len(customers),
            len(customers) - len(runs["gather"][0]["answers"]),
            gathered,
            serial,
            unit="questions",
            remark="asked by gather",
            bottleneck=slowest,
        ),
        is_simulated=setup.is_simulated,
    )


def _asked(way: str, customers: Sequence[str], setup: Setup) -> Run:
    """Ask about customers in one way; without a way, one after the other."""
    seeds = (setup.seed, setup.seed + 1) if way == "first wins" else (setup.seed,)  # each is slow for other customers
    with setup.record() as trace, ExitStack() as services:
        mirrors = [services.enter_context(serve(settings_with_seed(seed))).base_url for seed in seeds]
        graph = (
            coordination_graph(way, mirrors) if way else kv.AsyncGraph(start=SemaphoreNode(1, mirrors, "one by one"))
        )
        graph.run(shared := {"customer_ids": customers})
    return shared, graph, trace


def _label(way: str) -> str:
    return way.replace(" ", "-")
