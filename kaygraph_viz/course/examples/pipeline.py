"""The pipeline that loads the shipped orders into a database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import kaygraph_viz as kv
from kaygraph_viz.analysis.wording import counted, significant
from kaygraph_viz.course.examples.enrichment import settings_with_seed
from kaygraph_viz.course.examples.example import ExampleRun, Fact, Setup, measured
from kaygraph_viz.course.patterns.pipeline import OrderStore, etl_graph
from kaygraph_viz.course.patterns.sources import customer_sources
from kaygraph_viz.course.services.datasets import Order, load_orders
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.execute.pipeline.stages import STAGE_KINDS

FIRST, SAMPLE, WORKERS = 1665, 40, 4  # two of these orders are broken
SLOW_WRITE_S = 0.02
MAX_NOTES = 3
DATABASE = "orders.db"
CAPTIONS = {
    "serial": "each order goes through all stages before the next one is read",
    "slow-load": "writing is slow: the stages before it are blocked, one after the other, up to the source",
    "parallel": "all stages at once; those before the slowest stage are blocked, those after it wait for input",
    DATABASE: "the orders and the dead letters, a SQLite database",
}


class Load(NamedTuple):
    """A load of orders: its result, its graph, its trace and its database."""

    shared: dict[str, Any]
    graph: kv.Graph
    trace: kv.Trace
    database: bytes


def run(setup: Setup) -> ExampleRun:
    """Load some orders one after the other, in parallel, and in parallel to a slow disk."""
    orders = load_orders()[FIRST : FIRST + SAMPLE] if setup.items is None else load_orders(setup.items)
    kind = setup.kind("thread", STAGE_KINDS)
    workers = min(setup.workers_for(kind, WORKERS), len(orders))
    serial = _loaded(orders, setup, "serial", 1)
    slow = _loaded(orders, setup, kind, workers, SLOW_WRITE_S)
    found = _loaded(orders, setup, kind, workers)
    report, result = found.shared["load_report"], found.shared["pipeline_result"]
    busiest = next((facts.busy for facts in result.stages if facts.name == result.bottleneck), 0.0)
    where = "everything that was read is in one of the two" if report["is_complete"] else "something is missing"
    return ExampleRun(
        name="pipeline",
        title=f"Pipeline: {counted(len(orders), 'order')} checked, priced, enriched and loaded into a database",
        graph=found.graph,
        traces={"serial": serial.trace, "slow-load": slow.trace, "parallel": found.trace},
        captions=CAPTIONS,
        facts=[
            Fact("read", f"{report['read']:,}"),
            Fact("rows in the database", f"{report['rows_in_database']:,}"),
            Fact("dead letters", f"{report['letters_in_database']:,}", where),
        ],
        notes=[
            *(
                f"{letter.item.order_id} failed at {letter.stage}: {letter.error}"
                for letter in result.dead_letters[:MAX_NOTES]
            ),
            *setup.not_used("thread", STAGE_KINDS),
        ],
        measured=measured(
            report["read"],
            report["dead_letters"],
            found.trace,
            serial.trace,
            unit="orders",
            bottleneck=(result.bottleneck, f"busy for {busiest:.0%} of the time"),
        ),
        details=("Use of the time in each stage:", stage_table(result.stages)),
        is_simulated=setup.is_simulated,
        extras={DATABASE: found.database},
    )


def stage_table(stages: Sequence[kv.StageFacts]) -> list[tuple[str, ...]]:
    """Return the utilization of the stages as rows of a table."""
    headings = ("stage", "workers", "busy", "blocked", "starved", "items a second", "longest queue")
    return [
        headings,
        *(
            (
                facts.name,
                f"{facts.workers:,}",
                f"{facts.busy:.0%}",
                f"{facts.blocked:.0%}",
                f"{facts.starved:.0%}",
                significant(facts.throughput_per_s),
                f"{facts.longest_queue:,}",
            )
            for facts in stages
        ),
    ]


def _loaded(orders: Sequence[Order], setup: Setup, kind: str, workers: int, write_s: float = 0.0) -> Load:
    """Load orders into a new database on a disk that needs some time for each."""
    shared: dict[str, Any] = {"orders": orders}
    with TemporaryDirectory() as folder:
        path = Path(folder) / DATABASE
        with (
            setup.record() as trace,
            serve(settings_with_seed(setup.seed)) as server,
            customer_sources(server.base_url, ("profile", "location")) as sources,
            OrderStore(path, write_s=write_s) as store,
        ):
            graph = etl_graph(store, sources, max_workers=workers, executor=kind, progress=setup.progress)
            graph.run(shared)
        return Load(shared, graph, trace, path.read_bytes())
