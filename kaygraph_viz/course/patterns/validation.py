"""Parallel validation: four independent checks of every record run at once, and a verdict with reasons for each.

Belongs here: the nodes, the graph and the verdicts. Does not belong here: the rules of each check (``checks``).

The graph is ``ParallelValidationNode >> AggregationNode``. A branch is one check of one record, so that a pool of any
size is busy, and four workers run the four checks of a record at the same time. A check that could not be made never
counts as passed: the record then needs a review.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import kaygraph_viz as kv
from kaygraph_viz.base.errors import DataError, OptionError, ServiceUnavailable, short
from kaygraph_viz.base.optional import needed
from kaygraph_viz.course.patterns.batch import measured_times
from kaygraph_viz.course.patterns.records import Finding, Record, records_of
from kaygraph_viz.course.patterns.sources import wait_for_service
from kaygraph_viz.course.services.datasets import KeyEntry
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.graph.node import Shared
from kaygraph_viz.trace.row import describe_error

Check = Callable[[Record], list[Finding]]
Status = Literal["accepted", "rejected", "needs review"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one record, with the reasons."""

    customer_id: str  # the customer number of the record
    # ``"accepted"``: all checks were made and found nothing. ``"rejected"``: at least one found something. ``"needs
    # review"``: nothing was found, but at least one check could not be made
    status: Status
    findings: tuple[Finding, ...] = ()  # the findings of the checks
    unavailable: Mapping[str, str] | None = None  # the checks that could not be made, with the reason

    @property
    def reasons(self) -> list[str]:
        """The reasons why it was not accepted, one sentence each."""
        missing = [f"{check}: could not be checked ({why})" for check, why in (self.unavailable or {}).items()]
        return [str(finding) for finding in self.findings] + missing


class ParallelValidationNode(kv.ParallelBatchNode):
    """Run every check on every record of ``shared["records"]``, several at once.

    It stores ``shared["check_outcomes"]``: an `Outcome` for each record and check, record after record.

    Parameters
    ----------
    checks
        Functions of one record that return a list of findings, by name; at least one.
    max_workers, executor, **options
        As for `ParallelBatchNode`. By default there are three attempts where a check raises `ServiceUnavailable`.

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
            options.setdefault("retry", kv.RetryPolicy(3, wait_for_service, retry_on=(ServiceUnavailable,)))
        super().__init__(max_workers, executor, on_error="collect", **options)
        self.checks = dict(checks)

    def prep(self, shared: Shared) -> list[tuple[str, Record]]:
        """Return a branch for each record and check, the checks of one record next to each other."""
        return [(name, record) for record in records_of(shared) for name in self.checks]

    def exec(self, prep_res: tuple[str, Record]) -> list[Finding]:
        """Return the findings of one check of one record."""
        name, record = prep_res
        found = self.checks[name](record)
        if not isinstance(found, list):  # no answer is not "nothing was found"
            raise DataError(f"the check {name!r} must return a list of findings, got {short(found)}")
        return found

    def post(self, shared: Shared, prep_res: Any, exec_res: kv.Outcomes) -> None:
        """Store ``shared["check_outcomes"]``."""
        shared["check_outcomes"] = exec_res

    def branch_name(self, item: tuple[str, Record]) -> str:
        """Return the name of the check."""
        return item[0]


class AggregationNode(kv.Node):
    """Turn the outcomes of the checks into ``shared["verdicts"]`` and ``shared["validation_summary"]``.

    The summary holds the keys ``records accepted rejected needs_review total_checks passed_checks failed_checks
    unavailable_checks work_s makespan_s mean_concurrency``; the times are those of `measured_times`.
    """

    def prep(self, shared: Shared) -> tuple[Sequence[Record], kv.Outcomes]:
        """Return the records and the outcomes of their checks."""
        return records_of(shared), shared["check_outcomes"]

    def exec(self, prep_res: tuple[Sequence[Record], kv.Outcomes]) -> tuple[list[Verdict], dict[str, float]]:
        """Return the verdicts and the summary."""
        records, outcomes = prep_res
        per_record = len(outcomes) // len(records) if records else 0
        verdicts = [
            _verdict(record, outcomes[position * per_record : (position + 1) * per_record])
            for position, record in enumerate(records)
        ]
        return verdicts, _summary(verdicts, outcomes)

    def post(self, shared: Shared, prep_res: Any, exec_res: tuple[list[Verdict], dict[str, float]]) -> None:
        """Store the two."""
        shared["verdicts"], shared["validation_summary"] = exec_res


def validation_graph(
    checks: Mapping[str, Check], *, max_workers: int | None = None, executor: str | Executor = "thread", **options: Any
) -> kv.Graph:
    """Return the graph ``ParallelValidationNode >> AggregationNode``.

    Parameters
    ----------
    checks, max_workers, executor, **options
        As for `ParallelValidationNode`.

    Returns
    -------
    Graph
        Run it with ``graph.run({"records": [...]})``.

    Examples
    --------
    >>> from kaygraph_viz.course.patterns.checks import check_security
    >>> graph = validation_graph({"security": check_security}, max_workers=2)
    >>> shared = {"records": [{"customer_id": "7", "name": "<script>alert(1)</script>"}]}
    >>> graph.run(shared)
    >>> shared["verdicts"][0].status
    'rejected'
    """
    validate = ParallelValidationNode(checks, max_workers, executor, **options)
    validate >> AggregationNode()
    return kv.Graph(start=validate, node_id="parallel validation")


@dataclass(frozen=True, slots=True)
class KeyComparison:
    """Counts of verdicts that agree with the answer key, and that do not."""

    # the number of records with a planted fault, and of those among them whose fault the check for it found
    planted: int
    found: int
    # the number of records without a fault, and of those among them that were rejected
    clean: int
    wrongly_rejected: int
    unreviewed: int  # the number of records that need a review, in which case a fault is neither found nor missed


def compare_with_key(verdicts: Sequence[Verdict], key: Mapping[str, KeyEntry]) -> KeyComparison:
    """Count the planted faults that were found and the clean records that were rejected.

    Parameters
    ----------
    verdicts
        The verdicts.
    key
        The fault of each customer, by number; verdicts on other records are ignored.
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


def _verdict(record: Record, outcomes: Sequence[kv.Outcome]) -> Verdict:
    findings = tuple(finding for outcome in outcomes if outcome.ok for finding in outcome.value)
    unavailable = {
        outcome.name: outcome.status if outcome.error is None else describe_error(outcome.error)
        for outcome in outcomes
        if not outcome.ok
    }
    status: Status = "rejected" if findings else "needs review" if unavailable else "accepted"
    customer_id = record.get("customer_id", "") if isinstance(record, Mapping) else ""
    return Verdict(str(customer_id), status, findings, unavailable or None)


def _summary(verdicts: Sequence[Verdict], outcomes: kv.Outcomes) -> dict[str, float]:
    statuses = Counter(verdict.status for verdict in verdicts)
    passed = sum(outcome.ok and not outcome.value for outcome in outcomes)
    unavailable = len(outcomes.failed)
    return {
        "records": len(verdicts),
        "accepted": statuses["accepted"],
        "rejected": statuses["rejected"],
        "needs_review": statuses["needs review"],
        "total_checks": len(outcomes),
        "passed_checks": passed,
        "failed_checks": len(outcomes) - passed - unavailable,
        "unavailable_checks": unavailable,
        **measured_times(outcomes),
    }


with needed():
    pass
