"""The patterns on the shipped data: what ``make demo`` and the command line run.

Belongs here: choosing the data, running a pattern one at a time and in parallel, and the facts that were measured.
Does not belong here: the patterns themselves, and printing or drawing (``cli``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from kaygraph_viz.clock import cost
from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.limits import checked_workers
from kaygraph_viz.execute.progress import Progress
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.patterns.checks import AddressVerifier, BusinessRules, check_format, check_security
from kaygraph_viz.patterns.finding import Finding, text_of
from kaygraph_viz.patterns.validation import Check, Record, Verdict, compare_with_key, validation_graph
from kaygraph_viz.services.app import ServiceSettings
from kaygraph_viz.services.datasets import REFERENCE_DATE, load_customers, load_customers_key
from kaygraph_viz.services.server import serve
from kaygraph_viz.trace.recorder import record
from kaygraph_viz.trace.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EXAMPLES", "ExampleRun", "local_checks", "run_example", "sample_record", "validate_records"]

DEFAULT_WORKERS = 8
COSTS_S = {"security": 25e-6, "format": 60e-6, "business": 30e-6, "external": 1e-3}  # CPU of a check, as measured
SAMPLE_EVERY = 50  # every 50th of the 2,000 customers: 40 records, 160 bars, a chart that can be read


@dataclass(frozen=True, slots=True)
class ExampleRun:
    """One pattern that was run on real data, and what was measured.

    Parameters
    ----------
    name
        The pattern, as it is called on the command line.
    title
        One line that says what was run.
    graph
        The graph that was run.
    traces
        What was recorded, by a short name that can be part of a file name; the last one is the parallel run.
    facts
        What was measured: a label and a value a line.
    notes
        Sentences worth reading below the facts.
    """

    name: str
    title: str
    graph: Graph
    traces: Mapping[str, Trace]
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def trace(self) -> Trace:
        """The trace of the parallel run."""
        return list(self.traces.values())[-1]


def run_example(name: str, *, workers: int = DEFAULT_WORKERS, progress: Progress = None) -> ExampleRun:
    """Run one pattern on the shipped data.

    Parameters
    ----------
    name
        One of `EXAMPLES`.
    workers
        How many branches may run at once, 1 to 4096.
    progress
        As for `ParallelBatchNode`.

    Raises
    ------
    OptionError
        If there is no such pattern or `workers` is out of range.
    """
    if name not in EXAMPLES:
        raise OptionError("example", name, f"one of {', '.join(EXAMPLES)} or all", "--example validation")
    return EXAMPLES[name](checked_workers(workers), progress)


@contextmanager
def local_checks(
    records: Sequence[Record], settings: ServiceSettings | None = None, *, timeout_s: float = 2.0
) -> Iterator[dict[str, Check]]:
    """Start the verification service on this machine and give the four checks of a record by name.

    Inside ``record(clock="virtual")`` the service runs in simulated time, and each check costs what `COSTS_S` says.

    Parameters
    ----------
    records
        All records; duplicates are looked for among them.
    settings
        How slow and how unreliable the service is; None takes the defaults.
    timeout_s
        How long to wait for an answer of the service [s].

    Yields
    ------
    dict
        ``security``, ``format``, ``business`` and ``external``; the last one works until the block ends.

    Examples
    --------
    >>> with local_checks([]) as checks:
    ...     list(checks)
    ['security', 'format', 'business', 'external']
    """
    rules = BusinessRules.from_records(records, today=REFERENCE_DATE)
    with serve(settings) as server, AddressVerifier(server.base_url, timeout_s=timeout_s) as verifier:
        checks: dict[str, Check] = {
            "security": check_security,
            "format": check_format,
            "business": rules.check,
            "external": verifier.check,
        }
        yield {name: partial(_at_cost, check, COSTS_S[name]) for name, check in checks.items()}


def _at_cost(check: Check, cpu_s: float, record: Record) -> list[Finding]:
    """Make a check whose CPU time is known in simulated time, too."""
    cost(cpu_s)
    return check(record)


def validate_records(records: Sequence[Record], *, workers: int = DEFAULT_WORKERS) -> tuple[list[Verdict], ExampleRun]:
    """Validate a few records of the reader's own against the rules and the shipped customers.

    Parameters
    ----------
    records
        What is validated.
    workers
        How many checks may run at once, 1 to 4096.

    Returns
    -------
    verdicts
        One for each record.
    run
        What was recorded.
    """
    with local_checks([*_others(records), *records]) as checks:
        graph = validation_graph(checks, workers=checked_workers(workers))
        shared, trace = _recorded(graph, records)
    summary = shared["validation_summary"]
    facts = [
        ("checks passed", f"{summary['passed_checks']:,} of {summary['total_checks']:,}"),
        ("all checks together", f"{summary['work_s'] * 1e3:.0f} ms of work in {summary['makespan_s'] * 1e3:.0f} ms"),
    ]
    return shared["verdicts"], ExampleRun("validation", "Parallel validation", graph, {"parallel": trace}, facts)


def _others(records: Sequence[Record]) -> list[dict[str, str]]:
    """Return the shipped customers without those that are given: nobody is a duplicate of himself."""
    given = {text_of(record, "customer_id"): record for record in records if isinstance(record, Mapping)}
    return [customer for customer in load_customers() if given.get(customer["customer_id"]) != customer]


def sample_record() -> dict[str, str]:
    """Return a shipped record with a fault in it, to show what a pattern does."""
    faulty = (number for number, entry in load_customers_key().items() if not entry.is_clean)
    wanted = next(faulty)
    return next(dict(customer) for customer in load_customers() if customer["customer_id"] == wanted)


def _validation(workers: int, progress: Progress) -> ExampleRun:
    customers = load_customers()
    sample = customers[::SAMPLE_EVERY]
    with local_checks(customers) as checks:
        everything, _ = _recorded(validation_graph(checks, workers=workers, progress=progress), customers)
        _, serial = _recorded(validation_graph(checks, workers=1, executor="serial"), sample)
        graph = validation_graph(checks, workers=workers)
        _, parallel = _recorded(graph, sample)
    return ExampleRun(
        name="validation",
        title=f"Parallel validation: 4 checks of each of {len(customers):,} customer records, {workers} workers",
        graph=graph,
        traces={"serial": serial, "parallel": parallel},
        facts=[*_verdict_facts(everything), *_speed_facts(len(sample), serial, parallel, workers)],
        notes=_some_reasons(everything["verdicts"]),
    )


def _recorded(graph: Graph, records: Sequence[Record]) -> tuple[dict[str, Any], Trace]:
    shared: dict[str, Any] = {"records": records}
    with record() as trace:
        graph.run(shared)
    return shared, trace


def _verdict_facts(shared: Mapping[str, Any]) -> list[tuple[str, str]]:
    summary, verdicts = shared["validation_summary"], shared["verdicts"]
    against = compare_with_key(verdicts, load_customers_key())
    return [
        ("accepted", f"{summary['accepted']:,}"),
        ("rejected", f"{summary['rejected']:,}"),
        ("needs review", f"{summary['needs_review']:,}"),
        ("checks passed", f"{summary['passed_checks']:,} of {summary['total_checks']:,}"),
        ("planted faults found", f"{against.found:,} of {against.planted:,}"),
        ("clean records rejected", f"{against.wrongly_rejected:,} of {against.clean:,}"),
        ("records per second", f"{summary['records'] / summary['makespan_s']:,.0f}"),
    ]


def _speed_facts(count: int, serial: Trace, parallel: Trace, workers: int) -> list[tuple[str, str]]:
    return [
        (f"{count} records one check at a time", f"{serial.makespan_s:.2f} s"),
        (f"the same {count} on {workers} workers", f"{parallel.makespan_s:.2f} s"),
        ("measured speedup", f"{serial.makespan_s / parallel.makespan_s:.1f}"),
    ]


def _some_reasons(verdicts: Sequence[Verdict], most: int = 3) -> list[str]:
    rejected = [verdict for verdict in verdicts if verdict.status == "rejected"]
    chosen = rejected[:: max(1, len(rejected) // most)][:most]
    return [f"{verdict.customer_id} was rejected: {'; '.join(verdict.reasons)}" for verdict in chosen]


EXAMPLES: dict[str, Callable[[int, Progress], ExampleRun]] = {"validation": _validation}
