"""Report generation: a page about the shipped customers, from what the local services know about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.course.examples.enrichment import settings_with_seed
from kaygraph_viz.course.examples.example import ExampleRun, Fact, Setup, measured
from kaygraph_viz.course.patterns.report_page import SECTIONS, report_graph
from kaygraph_viz.course.patterns.sources import customer_sources
from kaygraph_viz.course.services.datasets import load_customers
from kaygraph_viz.course.services.server import serve

SAMPLE, WORKERS = 16, 3  # customers, and how many at once, each with four sources: 12 rows
PAGE = "page.png"
CAPTIONS = {
    "serial": "all questions one after the other, then the drawing",
    "parallel": "many questions at once; drawing waits for the last answer and cannot run in parallel",
    PAGE: "the report itself",
}
Run = tuple[dict[str, Any], kv.Graph, kv.Trace, bytes]


def run(setup: Setup) -> ExampleRun:
    """Make the page from answers that are fetched one after the other, and in parallel."""
    customers = load_customers()
    count = setup.count(SAMPLE, len(customers))
    sample, kind = customers[:: len(customers) // count][:count], setup.kind("thread")
    _, _, serial, _ = _made(sample, setup, "serial", 1)
    shared, graph, parallel, page = _made(sample, setup, kind, setup.workers_for(kind, WORKERS))
    enriched = shared["enriched_records"]
    return ExampleRun(
        name="report",
        title=f"Report generation: a page about {counted(count, 'customer')}, from four services",
        graph=graph,
        traces={"serial": serial, "parallel": parallel},
        captions=CAPTIONS,
        facts=[
            Fact(section.title.lower(), f"{len(section.counts(enriched)):,}", section.coverage(enriched))
            for section in SECTIONS
        ],
        measured=measured(
            count,
            shared["enrichment_summary"]["records"] - shared["enrichment_summary"]["complete"],
            parallel,
            serial,
            unit="customers",
        ),
        is_simulated=setup.is_simulated,
        extras={PAGE: page},
    )


def _made(records: Sequence[dict[str, str]], setup: Setup, kind: str, workers: int) -> Run:
    """Run the graph of the page in a temporary folder, and return the page as bytes."""
    with (
        TemporaryDirectory() as folder,
        setup.started(kind, workers, customer_sources.__module__, len(records)) as executor,
        setup.record() as trace,
        serve(settings_with_seed(setup.seed)) as server,
        customer_sources(server.base_url) as sources,
    ):
        runs_on = kind if kind == "async" else executor
        graph = report_graph(
            sources, Path(folder) / PAGE, max_workers=workers, executor=runs_on, progress=setup.progress
        )
        shared: dict[str, Any] = {"records": records}
        graph.run(shared)
        page = shared["report_path"].read_bytes()
    return shared, graph, trace, page
