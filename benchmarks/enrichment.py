"""Enrichment: one record against its slowest source, and many records against a program written by hand.

Belongs here: whole enrichments over HTTP, from the records to the enriched records. Does not belong here: single items
(``batches``) and the services.

The services run in this process, too, and compete with their clients for its interpreter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from benchmarks.harness import Measured, Scale, alternate, benchmark, seconds_of
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.patterns.enrichment import enrichment_graph
from kaygraph_viz.course.patterns.records import Record
from kaygraph_viz.course.patterns.sources import DEFAULT_NAMES, Question, Sources, customer_sources
from kaygraph_viz.course.services.datasets import load_customers
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.course.services.server import Server, serve
from kaygraph_viz.graph.graph import Graph

LATENCIES_S = {"profile": 0.05, "location": 0.08, "social": 0.2, "company": 0.1}
SLOWEST = "social"
DEADLINE_S = 30.0
AT_ONCE = 10
NOTE = "5 records one after the other; answers after 50, 80, 100 and 200 ms"


@benchmark("4 sources of a record / the slowest, threads", peer="the slowest source alone", target=1.1, note=NOTE)
def in_threads(scale: Scale) -> Measured:
    """Measure records whose sources are asked by threads."""
    return _against_slowest(scale, "thread")


@benchmark("4 sources of a record / the slowest, async", peer="the slowest source alone", target=1.1, note=NOTE)
def as_coroutines(scale: Scale) -> Measured:
    """Measure records whose sources are asked by coroutines."""
    return _against_slowest(scale, "async")


@benchmark(
    "enrichment of records / gather by hand", peer="asyncio.gather and httpx2, without retries, deadlines or types",
    target=1.5, note=f"{AT_ONCE} records at once; answers without latency, so that CPU time counts",
)  # fmt: skip
def against_gather(scale: Scale) -> Measured:
    """Measure many records against the shortest program that asks for the same."""
    records = load_customers(scale.pick(200, 10))
    with serve(ServiceSettings(latency_s=0)) as server, _sources(server) as sources:
        ours = enrichment_graph(sources, max_workers=AT_ONCE, executor="async", deadline_s=DEADLINE_S, progress=False)
        return alternate(
            lambda: seconds_of(lambda: _enrich(ours, records)),
            lambda: seconds_of(lambda: asyncio.run(_by_hand(server, records))),
            scale.pick(7, 1),
        )


def _against_slowest(scale: Scale, executor: str) -> Measured:
    factor = scale.pick(1.0, 0.01)
    settings = {name: ServiceSettings(latency_s=s * factor, latency_spread=0) for name, s in LATENCIES_S.items()}
    records = load_customers(7)[2:]
    with serve(settings) as server, _sources(server) as sources:
        graph = enrichment_graph(sources, max_workers=1, executor=executor, deadline_s=DEADLINE_S, progress=False)
        return alternate(
            lambda: seconds_of(lambda: _enrich(graph, records)),
            lambda: seconds_of(lambda: _ask_slowest(sources, records)),
            scale.pick(5, 1),
        )


def _sources(server: Server) -> Sources:
    return customer_sources(server.base_url, deadline_s=DEADLINE_S)


def _enrich(graph: Graph, records: Sequence[Record]) -> None:
    shared: dict[str, Any] = {"records": records}
    graph.run(shared)
    if shared["enrichment_summary"]["complete"] != len(records):
        raise AssertionError(f"answers are missing: {shared['enrichment_summary']}: the comparison means nothing")


def _ask_slowest(sources: Sources, records: Sequence[Record]) -> None:
    source = next(source for source in sources if source.name == SLOWEST)
    for record in records:
        sources.ask(Question(source, record, current_clock().now_ns() + round(DEADLINE_S * 1e9)))


async def _by_hand(server: Server, records: Sequence[Record]) -> None:
    slots = asyncio.Semaphore(AT_ONCE)
    async with server.async_client(timeout=DEADLINE_S) as client:

        async def ask(name: str, record: Record) -> Any:
            fields = ("city", "country") if name == "location" else ("customer_id",)
            answer = await client.get(f"/{name}", params={field: record[field] for field in fields})
            return answer.json()

        async def enrich(record: Record) -> list[Any]:
            async with slots:
                return await asyncio.gather(*(ask(name, record) for name in DEFAULT_NAMES))

        await asyncio.gather(*(enrich(record) for record in records))
