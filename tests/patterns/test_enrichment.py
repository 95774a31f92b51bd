"""Data enrichment: right facts, the same for any number of workers; a bad source costs only its own facts."""

from __future__ import annotations

import threading

from kaygraph_viz.patterns.customer_sources import customer_sources
from kaygraph_viz.patterns.enrichment import enrichment_graph
from kaygraph_viz.patterns.source_client import Sources
from kaygraph_viz.services.datasets import load_customers
from kaygraph_viz.services.server import serve
from kaygraph_viz.services.settings import ServiceSettings
from kaygraph_viz.trace.recorder import record

CUSTOMERS = load_customers()
SOME, MANY = CUSTOMERS[::100], CUSTOMERS[2::4]
FOUR = ("profile", "location", "social", "company")
FIVE = (*FOUR, "verify")
AT_ONCE = ServiceSettings(latency_s=0)
GUARD_S = 30.0  # against a test that hangs; never waited for


def run(sources, records, **options):
    shared = {"records": records}
    enrichment_graph(sources, **options).run(shared)
    return shared


def enriched(settings, records, *, limits=None, source_s=GUARD_S, deadline_s=GUARD_S, **options):
    """Serve, enrich, and return the enriched records and the log of the server."""
    with serve(settings) as server, customer_sources(server.base_url, deadline_s=source_s, limits=limits) as sources:
        shared = run(sources, records, deadline_s=deadline_s, **options)
    return shared["enriched_records"], server.requests


def virtual(settings, records, *, seed=0, **options):
    with record(clock="virtual", seed=seed) as trace:
        found, log = enriched(settings, records, **options)
    return found, log, trace.validate()


def statuses(one):
    return {name: result.status for name, result in one.results.items()}


# -- options ------------------------------------------------------------------------------------------------------


def test_thread_that_even_ignores_its_connection_is_given_up(monkeypatch):
    end = threading.Event()

    def never(_sources, _question):
        end.wait(GUARD_S)

    monkeypatch.setattr(Sources, "ask", never)
    try:
        with customer_sources("http://127.0.0.1:1") as sources:
            (one,) = run(sources, SOME[:1], deadline_s=0.05)["enriched_records"]
    finally:
        end.set()
    assert set(statuses(one).values()) == {"timeout"}
