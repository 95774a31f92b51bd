"""Parallel validation: four independent checks of every record run at once, and a verdict with reasons for each.

Belongs here: the nodes, the graph and the verdicts. Does not belong here: the rules of each check (``security``,
``formats``, ``business``, ``external``) and the service that one of them asks (``services``).

The graph is ``ParallelValidationNode >> AggregationNode``. A branch is one check of one record, so that a pool of any
size is kept busy, and four workers run the four checks of a record at the same time. A check that could not be made is
never counted as passed: the record then needs a review.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kaygraph_viz.errors import DataError, OptionError, ServiceUnavailable, short
from kaygraph_viz.execute.core.base import Executor
from kaygraph_viz.execute.core.outcome import Outcome, Outcomes
from kaygraph_viz.execute.limits import RetryPolicy
from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.node import Node, Shared
from kaygraph_viz.patterns.findings import Finding
from kaygraph_viz.services.datasets import KeyEntry
from kaygraph_viz.trace.attributes import describe_error

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = [
    "AggregationNode",
    "Check",
    "KeyComparison",
    "ParallelValidationNode",
    "Verdict",
    "compare_with_key",
    "validation_graph",
]

Record = Mapping[str, str]
Check = Callable[[Record], list[Finding]]
Status = Literal["accepted", "rejected", "needs review"]

SHORTEST_WAIT_S = 0.05
LONGEST_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about one record, and why.

    Parameters
    ----------
    customer_id
        Which record.
    status
        ``"accepted"``: all checks were made and found nothing. ``"rejected"``: at least one found something.
        ``"needs review"``: nothing was found, but at least one check could not be made.
    findings
        What the checks found.
    unavailable
        The checks that could not be made, with the reason.
    """

    customer_id: str
    status: Status
    findings: tuple[Finding, ...] = ()
    unavailable: Mapping[str, str] | None = None

    @property
    def reasons(self) -> list[str]:
        """Why it was not accepted, one sentence each."""
        missing = [f"{check}: could not be checked ({why})" for check, why in (self.unavailable or {}).items()]
        return [str(finding) for finding in self.findings] + missing


class ParallelValidationNode(ParallelBatchNode):
    """Run every check on every record of ``shared["records"]``, several at once.

    It leaves ``shared["check_outcomes"]``: an `Outcome` for each record and check, record after record.

    Parameters
    ----------
    checks
        Functions of one record that return a list of findings, by name; at least one.
    max_workers, executor, **options
        As for `ParallelBatchNode`. By default a check that finds its service unavailable is tried three times.

    Raises
    ------
    OptionError
        If there is no check, or one of them is not a function.
    DataError
        When it runs and ``shared["records"]`` is missing or not a list. An item that is not a mapping is a record
        that needs a review.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        max_workers: int | None = None,
        executor: str | Executor = "thread",
        **options: Any,
    ) -> None:
        if not isinstance(checks, Mapping) or not checks or not all(callable(check) for check in checks.values()):
            raise OptionError(
                "checks", checks, "functions of a record, at least one, by name", '{"format": check_format}'
            )
        if not {"max_retries", "wait"} & set(options):
            options.setdefault("retry", RetryPolicy(3, wait_for_service, retry_on=(ServiceUnavailable,)))
        super().__init__(max_workers, executor, on_error="collect", **options)
        self.checks = dict(checks)

    def prep(self, shared: Shared) -> list[tuple[str, Record]]:
        """Return a branch for each record and check, the checks of one record next to each other."""
        return [(name, record) for record in _records(shared) for name in self.checks]

    def exec(self, prep_res: tuple[str, Record]) -> list[Finding]:
        """Make one check of one record."""
        name, record = prep_res
        found = self.checks[name](record)
        if not isinstance(found, list):  # no answer is not "nothing was found"
            raise DataError(f"the check {name!r} must return a list of findings, got {short(found)}")
        return found

    def post(self, shared: Shared, prep_res: Any, exec_res: Outcomes) -> None:
        """Hand the outcomes over to the aggregation."""
        shared["check_outcomes"] = exec_res

    def branch_name(self, item: tuple[str, Record]) -> str:
        """Return the name of the check."""
        return item[0]


class AggregationNode(Node):
    """Turn the outcomes of the checks into ``shared["verdicts"]`` and ``shared["validation_summary"]``.

    The summary holds the keys ``records accepted rejected needs_review total_checks passed_checks failed_checks
    unavailable_checks work_s makespan_s mean_concurrency``. The times are measured: work is the sum of the service
    times of all checks [s], makespan the time from the first submission to the last end [s], mean concurrency their
    quotient: how many checks were in progress at once, on average.
    """

    def prep(self, shared: Shared) -> tuple[Sequence[Record], Outcomes]:
        """Read the records and the outcomes of their checks."""
        return _records(shared), shared["check_outcomes"]

    def exec(self, prep_res: tuple[Sequence[Record], Outcomes]) -> tuple[list[Verdict], dict[str, float]]:
        """Group the outcomes by record and count."""
        records, outcomes = prep_res
        per_record = len(outcomes) // len(records) if records else 0
        verdicts = [
            _verdict(record, outcomes[position * per_record : (position + 1) * per_record])
            for position, record in enumerate(records)
        ]
        return verdicts, _summary(verdicts, outcomes)

    def post(self, shared: Shared, prep_res: Any, exec_res: tuple[list[Verdict], dict[str, float]]) -> None:
        """Write verdicts and summary."""
        shared["verdicts"], shared["validation_summary"] = exec_res


def validation_graph(
    checks: Mapping[str, Check], *, max_workers: int | None = None, executor: str | Executor = "thread", **options: Any
) -> Graph:
    """Return the graph ``ParallelValidationNode >> AggregationNode``.

    Parameters
    ----------
    checks
        Functions of one record that return findings, by name.
    max_workers
        How many checks may be in progress at once, 1 to 4096.
    executor, **options
        As for `ParallelValidationNode`.

    Returns
    -------
    Graph
        Run it with ``graph.run({"records": [...]})``.

    Examples
    --------
    >>> from kaygraph_viz.patterns.checks import check_security
    >>> graph = validation_graph({"security": check_security}, max_workers=2)
    >>> shared = {"records": [{"customer_id": "7", "name": "<script>alert(1)</script>"}]}
    >>> graph.run(shared)
    >>> shared["verdicts"][0].status
    'rejected'
    """
    validate = ParallelValidationNode(checks, max_workers, executor, **options)
    validate >> AggregationNode()
    return Graph(start=validate, node_id="parallel validation")


@dataclass(frozen=True, slots=True)
class KeyComparison:
    """How verdicts agree with the answer key.

    Parameters
    ----------
    planted, found
        Records with a planted fault, and those of them whose fault was found by the check that must find it.
    clean, wrongly_rejected
        Records without a fault, and those of them that were rejected.
    unreviewed
        Records that need a review, so that nothing can be said about them.
    """

    planted: int
    found: int
    clean: int
    wrongly_rejected: int
    unreviewed: int


def compare_with_key(verdicts: Sequence[Verdict], key: Mapping[str, KeyEntry]) -> KeyComparison:
    """Count the planted faults that were found and the clean records that were rejected.

    Parameters
    ----------
    verdicts
        What was decided.
    key
        What is wrong with each customer; records that are not in it are left out.
    """
    known = [(verdict, key[verdict.customer_id]) for verdict in verdicts if verdict.customer_id in key]
    planted = [(verdict, entry) for verdict, entry in known if not entry.is_clean]
    return KeyComparison(
        planted=len(planted),
        found=sum(any(finding.check == entry.check for finding in verdict.findings) for verdict, entry in planted),
        clean=len(known) - len(planted),
        wrongly_rejected=sum(entry.is_clean and verdict.status == "rejected" for verdict, entry in known),
        unreviewed=sum(verdict.status == "needs review" for verdict, _ in known),
    )


def wait_for_service(state: RetryCallState) -> float:
    """Return how long to wait for a service that was unavailable [s]: what it asked for, or a growing time.

    A waiting rule for `RetryPolicy`: 0.05 s, doubled with each attempt, at most 5 s. A Retry-After is obeyed; one of
    more than 5 s ends the attempts, since asking earlier would be against the service's wish.

    Raises
    ------
    ServiceUnavailable
        The error itself, when the service asks for more patience than there is.
    """
    error = state.outcome.exception() if state.outcome is not None else None
    asked: float | None = getattr(error, "retry_after_s", None)
    if asked is None:
        return float(min(LONGEST_WAIT_S, SHORTEST_WAIT_S * 2 ** (state.attempt_number - 1)))
    if asked > LONGEST_WAIT_S and error is not None:
        raise error
    return asked


def _records(shared: Shared) -> Sequence[Record]:
    records = shared.get("records")
    if not isinstance(records, Sequence) or isinstance(records, (str, bytes)):
        raise DataError(f'shared["records"] must be a list of records, got {short(records)}')
    return records


def _verdict(record: Record, outcomes: Sequence[Outcome]) -> Verdict:
    findings = tuple(finding for outcome in outcomes if outcome.ok for finding in outcome.value)
    unavailable = {outcome.name: _why(outcome) for outcome in outcomes if not outcome.ok}
    status: Status = "rejected" if findings else "needs review" if unavailable else "accepted"
    customer_id = record.get("customer_id", "") if isinstance(record, Mapping) else ""
    return Verdict(str(customer_id), status, findings, unavailable or None)


def _why(outcome: Outcome) -> str:
    return describe_error(outcome.error) if outcome.error is not None else outcome.status


def _summary(verdicts: Sequence[Verdict], outcomes: Outcomes) -> dict[str, float]:
    statuses = Counter(verdict.status for verdict in verdicts)
    passed = sum(outcome.ok and not outcome.value for outcome in outcomes)
    unavailable = len(outcomes.failed)
    work_s = sum(outcome.service_s for outcome in outcomes)
    first = min((outcome.submitted_ns for outcome in outcomes), default=0)
    makespan_s = (max((outcome.ended_ns for outcome in outcomes), default=0) - first) / 1e9
    return {
        "records": len(verdicts),
        "accepted": statuses["accepted"],
        "rejected": statuses["rejected"],
        "needs_review": statuses["needs review"],
        "total_checks": len(outcomes),
        "passed_checks": passed,
        "failed_checks": len(outcomes) - passed - unavailable,
        "unavailable_checks": unavailable,
        "work_s": work_s,
        "makespan_s": makespan_s,
        "mean_concurrency": work_s / makespan_s if makespan_s else 0.0,
    }
