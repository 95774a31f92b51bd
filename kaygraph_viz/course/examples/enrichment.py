"""Enrichment of the shipped customers from the local services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.analysis.wording import counted, join_words
from kaygraph_viz.course.examples.example import ExampleRun, Fact, Setup, measured
from kaygraph_viz.course.patterns.enrichment import EnrichedRecord, enrichment_graph
from kaygraph_viz.course.patterns.sources import (
    CompanyAnswer,
    LocationAnswer,
    ProfileAnswer,
    SocialAnswer,
    customer_sources,
)
from kaygraph_viz.course.services.datasets import load_customers
from kaygraph_viz.course.services.endpoints import DEFAULT_SETTINGS, ServiceSettings
from kaygraph_viz.course.services.server import serve

SAMPLE, WORKERS = 12, 2  # records, and how many at once: 8 rows, for 4 sources of each
BROKEN: Mapping[str, Mapping[str, Any]] = {"social": {"hang_rate": 1.0}, "company": {"fail_first": 1}}
DEADLINE_S = 0.5  # that a source has for one record
CAPTIONS = {
    "serial": "one row: each source of each record waits for the one before it",
    "one-record": "four sources at once: the record takes as long as the slowest of them",
    "broken": "one service hangs and one fails at first: a timeout and a retry, the others are not affected",
    "parallel": "two records at once, and within each of them its four sources",
}
Changes = Mapping[str, Mapping[str, Any]]
Run = tuple[dict[str, Any], kv.Graph, kv.Trace]


def run(setup: Setup) -> ExampleRun:
    """Enrich a sample one source at a time and in parallel, and one record alone."""
    customers = load_customers()
    count = setup.count(SAMPLE, len(customers))
    sample = customers[:: len(customers) // count][:count]
    kind, settings = setup.kind("thread"), settings_with_seed(setup.seed)
    workers = setup.workers_for(kind, WORKERS)
    shared, _, serial = _enriched(sample, setup, settings, "serial", 1)
    best = [max(shared["enriched_records"], key=lambda one: len(one.facts)).record]
    _, _, alone = _enriched(best, setup, settings, kind, 1)
    harmed, _, broken = _enriched(best, setup, settings_with_seed(setup.seed, BROKEN), kind, 1)
    shared, graph, parallel = _enriched(sample, setup, settings, kind, workers)
    summary = shared["enrichment_summary"]
    known = next(one for one in shared["enriched_records"] if one.record is best[0])
    told = [text for answer in known.facts.values() if (text := _told(answer))]
    return ExampleRun(
        name="enrichment",
        title=f"Data enrichment: four services are asked about each of {counted(count, 'customer')}",
        graph=graph,
        traces={"serial": serial, "one-record": alone, "broken": broken, "parallel": parallel},
        captions=CAPTIONS,
        color_by="name",
        facts=_facts(summary, count),
        notes=[
            f"What is known about {known.record['customer_id']} now: {join_words(told)}",
            _in_spite_of(harmed["enriched_records"][0]),
        ],
        measured=measured(count, count - summary["complete"], parallel, serial, unit="records"),
        is_simulated=setup.is_simulated,
    )


def settings_with_seed(seed: int, changes: Changes = MappingProxyType({})) -> dict[str, ServiceSettings]:
    """Return the settings of all services with a seed, and with changes by the name of the service."""
    return {name: replace(usual, seed=seed, **changes.get(name, {})) for name, usual in DEFAULT_SETTINGS.items()}


def _enriched(
    records: Sequence[dict[str, str]], setup: Setup, settings: dict[str, ServiceSettings], kind: str, workers: int
) -> Run:
    """Enrich records by services with these settings."""
    with (
        setup.started(kind, workers, customer_sources.__module__, len(records)) as executor,
        setup.record() as trace,
        serve(settings) as server,
        customer_sources(server.base_url, deadline_s=DEADLINE_S) as sources,
    ):
        runs_on = kind if kind == "async" else executor  # coroutines have a node of their own
        graph = enrichment_graph(sources, max_workers=workers, executor=runs_on, progress=setup.progress)
        graph.run(shared := {"records": records})
    return shared, graph, trace


def _facts(summary: Mapping[str, Any], count: int) -> list[Fact]:
    statuses = ", ".join(f"{number:,} {status}" for status, number in summary["statuses"].items())
    return [
        Fact("answers", f"{count * 4:,}", statuses),
        Fact("complete records", f"{summary['complete']:,}", f"of {count:,}"),
        Fact("enrichment rate", f"{summary['enrichment_rate']:.0%}", "share of the sources that answered"),
        Fact("confidence", f"{summary['confidence']:.0%}", "less where two sources contradict each other"),
    ]


def _told(answer: object) -> str:
    """Return one fact of the answer of a source, in words."""
    match answer:
        case ProfileAnswer():
            return f"likes {answer.interests[0]}" if answer.interests else f"has the plan {answer.plan!r}"
        case LocationAnswer():
            return f"lives in {answer.city}, a city of {answer.population:,} in {answer.country_name}"
        case SocialAnswer():
            return f"has {counted(answer.followers, 'follower')}"
        case CompanyAnswer():
            return f"works for {answer.name} ({answer.industry})"
    return ""


def _in_spite_of(enriched: EnrichedRecord) -> str:
    """Return a sentence about the record that was enriched while two services were broken."""
    results = [
        f"{name} {result.status}" + (f" (attempt {result.attempts})" if result.attempts > 1 else "")
        for name, result in enriched.results.items()
    ]
    rate = f"enrichment rate {enriched.enrichment_rate:.0%}"
    return f"The same record while one service hangs and one fails at first: {join_words(results)}; {rate}"
