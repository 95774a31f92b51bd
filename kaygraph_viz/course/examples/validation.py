"""Validation on the shipped customers, and on records of the reader's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.analysis.wording import join_words
from kaygraph_viz.course.examples.example import ExampleRun, Fact, Setup, measured
from kaygraph_viz.course.patterns.checks import local_checks
from kaygraph_viz.course.patterns.records import CHECKS, Record, text_of
from kaygraph_viz.course.patterns.validation import Verdict, compare_with_key, validation_graph
from kaygraph_viz.course.services.datasets import load_customers, load_customers_key
from kaygraph_viz.course.services.endpoints import ServiceSettings

SAMPLE = 40  # records, 160 bars: a chart that can be read
MAX_COMPARED = 200  # records of the reader's own that are also checked one after the other
MAX_REASONS = 3
WORKERS_FOR_ALL = 32  # all customers are checked for the answer key, not to be measured
CAPTIONS = {
    "serial": "one row: while one check waits for the service, all others wait, too",
    "parallel": "a row for each worker: while one check waits, others run",
}
Run = tuple[dict[str, Any], kv.Graph, kv.Trace]


def run(setup: Setup) -> ExampleRun:
    """Validate all customers, and a sample of them one check at a time and in parallel."""
    customers = load_customers()
    count = setup.count(SAMPLE, len(customers))
    sample = customers[:: len(customers) // count][:count]
    _, _, serial = _validated(sample, customers, setup, "serial", 1)
    kind = setup.kind("thread")
    shared, graph, parallel = _validated(sample, customers, setup, kind, setup.workers_for(kind))
    not_made = _not_made(shared["verdicts"])
    if setup.items is None:  # the answer key is about all of them
        shared, _, _ = _validated(customers, customers, setup, "thread", WORKERS_FOR_ALL)
    rejected = [verdict for verdict in shared["verdicts"] if verdict.status == "rejected"]
    return ExampleRun(
        name="validation",
        title=f"Parallel validation: four checks of each of {len(shared['records']):,} customer records",
        graph=graph,
        traces={"serial": serial, "parallel": parallel},
        captions=CAPTIONS,
        facts=_verdict_facts(shared),
        notes=[
            f"{verdict.customer_id} was rejected: {'; '.join(verdict.reasons)}"
            for verdict in rejected[:: max(1, len(rejected) // MAX_REASONS)][:MAX_REASONS]
        ],
        measured=measured(count, not_made, parallel, serial, unit="records", remark=f"a sample, {4 * count:,} checks"),
        is_simulated=setup.is_simulated,
    )


def validate_records(records: Sequence[Record], setup: Setup | None = None) -> tuple[list[Verdict], ExampleRun]:
    """Return the verdicts on records of the reader's own by the rules and the shipped customers, and the run."""
    setup = setup or Setup()
    everyone, kind = [*_others(records), *records], setup.kind("thread")
    serial: dict[str, kv.Trace] = {}
    if len(records) <= MAX_COMPARED:
        serial["serial"] = _validated(records, everyone, setup, "serial", 1)[-1]
    shared, graph, parallel = _validated(records, everyone, setup, kind, setup.workers_for(kind))
    verdicts, summary = shared["verdicts"], shared["validation_summary"]
    run = ExampleRun(
        name="validation",
        title=f"Parallel validation: {join_words(list(CHECKS))}",
        graph=graph,
        traces={**serial, "parallel": parallel},
        captions=CAPTIONS,
        facts=[Fact("checks passed", f"{summary['passed_checks']:,}", f"of {summary['total_checks']:,}")],
        measured=measured(len(records), _not_made(verdicts), parallel, serial.get("serial"), unit="records"),
        is_simulated=setup.is_simulated,
    )
    return verdicts, run


def sample_record() -> dict[str, str]:
    """Return a shipped record with a fault in it, to show what a pattern does."""
    faulty = (number for number, entry in load_customers_key().items() if not entry.is_clean)
    wanted = next(faulty)
    return next(dict(customer) for customer in load_customers() if customer["customer_id"] == wanted)


def _validated(records: Sequence[Record], everyone: Sequence[Record], setup: Setup, kind: str, workers: int) -> Run:
    """Validate records; duplicates are looked for among everyone."""
    settings = ServiceSettings(seed=setup.seed)
    with (
        setup.started(kind, workers, local_checks.__module__, 4 * len(records)) as executor,
        setup.record() as trace,
        local_checks(everyone, settings) as checks,
    ):
        graph = validation_graph(checks, max_workers=workers, executor=executor, progress=setup.progress)
        graph.run(shared := {"records": records})
    return shared, graph, trace


def _others(records: Sequence[Record]) -> list[dict[str, str]]:
    """Return the shipped customers without the given ones, which would count as duplicates of themselves."""
    given = {text_of(record, "customer_id"): record for record in records if isinstance(record, Mapping)}
    return [customer for customer in load_customers() if given.get(customer["customer_id"]) != customer]


def _not_made(verdicts: Sequence[Verdict]) -> int:
    """Return for how many records a check could not be made."""
    return sum(bool(verdict.unavailable) for verdict in verdicts)


def _verdict_facts(shared: Mapping[str, Any]) -> list[Fact]:
    summary, verdicts = shared["validation_summary"], shared["verdicts"]
    against = compare_with_key(verdicts, load_customers_key())
    return [
        Fact("accepted", f"{summary['accepted']:,}"),
        Fact("rejected", f"{summary['rejected']:,}"),
        Fact("needs review", f"{summary['needs_review']:,}", "the service gave no answer"),
        Fact("planted faults found", f"{against.found:,}", f"of {against.planted:,}, by the answer key"),
        Fact("clean records rejected", f"{against.wrongly_rejected:,}", f"of {against.clean:,}"),
    ]
