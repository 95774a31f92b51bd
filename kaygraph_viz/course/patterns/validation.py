"""Parallel validation: four independent checks of every record run at once, and a verdict with reasons for each.

Belongs here: the nodes, the graph and the verdicts. Does not belong here: the rules of each check (``security``,
``formats``, ``business_rules``, ``external``) and the service that one of them asks (``services``).

The graph is ``ParallelValidationNode >> AggregationNode``. A branch is one check of one record, so that a pool of any
size is busy, and four workers run the four checks of a record at the same time. A check that could not be made never
counts as passed: the record then needs a review.

The external check: whether the verification service knows the city and the mail domain.

Belongs here: the request to the service and the findings of its answer. Does not belong here: the service itself
(``kaygraph_viz.course.services``), and retries and reviews when it fails (``validation``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from kaygraph_viz.base.checks import checked_seconds
from kaygraph_viz.base.errors import DataError, OptionError, ServiceUnavailable, short
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.texts import without_secrets
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.patterns.batch import measured_times
from kaygraph_viz.course.patterns.client import MAX_ANSWER_BYTES, PLAINLY, ClientOwner, encoding_of, retry_after_s
from kaygraph_viz.course.patterns.records import Finding, Record, can_be_sent, records_of, text_of, texts
from kaygraph_viz.course.patterns.sources import wait_for_service
from kaygraph_viz.course.services.datasets import KeyEntry
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.outcome import Outcome, Outcomes
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.node import Node, Shared
from kaygraph_viz.trace.row import describe_error

__all__ = [
    "AggregationNode",
    "Check",
    "KeyComparison",
    "ParallelValidationNode",
    "Verdict",
    "compare_with_key",
    "validation_graph",
]

Check = Callable[[Record], list[Finding]]
Status = Literal["accepted", "rejected", "needs review"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one record, with the reasons.

    Parameters
    ----------
    customer_id
        The customer number of the record.
    status
        ``"accepted"``: all checks were made and found nothing. ``"rejected"``: at least one found something.
        ``"needs review"``: nothing was found, but at least one check could not be made.
    findings
        The findings of the checks.
    unavailable
        The checks that could not be made, with the reason.
    """

    customer_id: str
    status: Status
    findings: tuple[Finding, ...] = ()
    unavailable: Mapping[str, str] | None = None

    @property
    def reasons(self) -> list[str]:
        """The reasons why it was not accepted, one sentence each."""
        missing = [f"{check}: could not be checked ({why})" for check, why in (self.unavailable or {}).items()]
        return [str(finding) for finding in self.findings] + missing


class ParallelValidationNode(ParallelBatchNode):
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
            options.setdefault("retry", RetryPolicy(3, wait_for_service, retry_on=(ServiceUnavailable,)))
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

    def post(self, shared: Shared, prep_res: Any, exec_res: Outcomes) -> None:
        """Store ``shared["check_outcomes"]``."""
        shared["check_outcomes"] = exec_res

    def branch_name(self, item: tuple[str, Record]) -> str:
        """Return the name of the check."""
        return item[0]


class AggregationNode(Node):
    """Turn the outcomes of the checks into ``shared["verdicts"]`` and ``shared["validation_summary"]``.

    The summary holds the keys ``records accepted rejected needs_review total_checks passed_checks failed_checks
    unavailable_checks work_s makespan_s mean_concurrency``; the times are those of `measured_times`.
    """

    def prep(self, shared: Shared) -> tuple[Sequence[Record], Outcomes]:
        """Return the records and the outcomes of their checks."""
        return records_of(shared), shared["check_outcomes"]

    def exec(self, prep_res: tuple[Sequence[Record], Outcomes]) -> tuple[list[Verdict], dict[str, float]]:
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
) -> Graph:
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
    return Graph(start=validate, node_id="parallel validation")


@dataclass(frozen=True, slots=True)
class KeyComparison:
    """Counts of verdicts that agree with the answer key, and that do not.

    Parameters
    ----------
    planted, found
        The number of records with a planted fault, and of those among them whose fault the check for it found.
    clean, wrongly_rejected
        The number of records without a fault, and of those among them that were rejected.
    unreviewed
        The number of records that need a review, in which case a fault is neither found nor missed.
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


def _verdict(record: Record, outcomes: Sequence[Outcome]) -> Verdict:
    findings = tuple(finding for outcome in outcomes if outcome.ok for finding in outcome.value)
    unavailable = {
        outcome.name: outcome.status if outcome.error is None else describe_error(outcome.error)
        for outcome in outcomes
        if not outcome.ok
    }
    status: Status = "rejected" if findings else "needs review" if unavailable else "accepted"
    customer_id = record.get("customer_id", "") if isinstance(record, Mapping) else ""
    return Verdict(str(customer_id), status, findings, unavailable or None)


def _summary(verdicts: Sequence[Verdict], outcomes: Outcomes) -> dict[str, float]:
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
    import httpx2
    from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["AddressVerifier"]


_DOMAIN_MESSAGES = {
    "undeliverable": "the domain accepts no mail",
    "disposable": "the domain provides disposable addresses",
    "unknown": "the service knows no such domain",
}


class _Reply(BaseModel):
    """The answer of the service, in which a number is never read from a text."""

    model_config = ConfigDict(strict=True)

    city_known: bool
    domain_status: Literal["deliverable", "undeliverable", "disposable", "unknown"]


class AddressVerifier(ClientOwner):
    """Ask the verification service about the city and the mail domain of a record.

    Threads may share one verifier. Close it, or use it as a context manager. A pickled verifier opens its own
    connections in the other process.

    Parameters
    ----------
    base_url
        The address of the service, such as ``LocalServer.base_url``.
    timeout_s
        The time limit of an answer [s], above 0. A service that sends slowly has at most twice this time.
    client
        An ``httpx2.Client`` to use instead of its own; it stays open when the verifier is closed, and is not pickled.

    Raises
    ------
    OptionError
        When `base_url` is no HTTP address or `timeout_s` is not a positive number.

    Examples
    --------
    >>> from kaygraph_viz.course.services.server import serve
    >>> with serve() as server, AddressVerifier(server.base_url) as verifier:
    ...     record = {"city": "Lyon", "country": "DE", "email": "ann@throwaway.example.org"}
    ...     [finding.code for finding in verifier.check(record)]
    ['unknown_city', 'disposable_domain']
    """

    when_closed = "this AddressVerifier is closed; make a new one: AddressVerifier(base_url)"

    def __init__(self, base_url: str, *, timeout_s: float = 2.0, client: httpx2.Client | None = None) -> None:
        if not isinstance(base_url, str) or not base_url.startswith(("http://", "https://")):
            raise OptionError("base_url", base_url, "an address that starts with http://", "server.base_url")
        self.base_url = base_url.rstrip("/")
        self.timeout_s = checked_seconds("timeout_s", timeout_s, "timeout_s=2.0", above=True)
        super().__init__(client)

    def check(self, record: Record) -> list[Finding]:
        """Check that the city is in the country, and that the mail domain accepts mail and is not disposable.

        Parameters
        ----------
        record
            One record with ``city``, ``country`` and ``email``.

        Returns
        -------
        list of Finding
            Empty when both pass. The codes are ``unknown_city``, ``undeliverable_domain``, ``disposable_domain``,
            ``unknown_domain``, and ``not_verifiable`` for a missing or malformed field, without a request.

        Raises
        ------
        ServiceUnavailable
            When the service is down, slow, over its rate or failing, or its answer is malformed. Then nothing is known
            about the record.
        ServiceError
            When the verifier was closed.
        DataError
            When `record` is not a mapping.
        """
        known = texts(record)
        _, at, domain = text_of(known, "email").rpartition("@")
        question = {
            "city": text_of(known, "city"),
            "country": text_of(known, "country"),
            "email": domain.strip() if at else "",
        }
        broken = [field for field, value in question.items() if not can_be_sent(value)]
        if broken:
            message = "it is missing or too damaged to ask the service about"
            return [Finding("external", field, "not_verifiable", message) for field in broken]
        reply = self._ask({"city": question["city"], "country": question["country"], "domain": question["email"]})
        findings = []
        if not reply.city_known:
            why = "the service knows no such city in this country"
            findings.append(Finding("external", "city", "unknown_city", why))
        if reply.domain_status != "deliverable":
            why = _DOMAIN_MESSAGES[reply.domain_status]
            findings.append(Finding("external", "email", f"{reply.domain_status}_domain", why))
        return findings

    def _ask(self, params: dict[str, str]) -> _Reply:
        url = f"{self.base_url}/verify"
        client = self._opened()
        deadline_ns = current_clock().now_ns() + round(self.timeout_s * 1e9)
        try:
            with client.stream("GET", url, params=params, timeout=self.timeout_s, **PLAINLY) as response:
                if encoding := encoding_of(response):
                    why = f"the answer is compressed ({encoding}), although it was asked for plainly"
                    raise ServiceUnavailable(url, why, response.status_code)
                if response.status_code != 200:
                    wait_s = retry_after_s(response.headers.get("Retry-After", ""))
                    why = f"it answered {response.status_code}"
                    raise ServiceUnavailable(url, why, response.status_code, wait_s)
                body = self._read(url, response, deadline_ns)
        except httpx2.TimeoutException:
            raise self._too_slow(url) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ServiceUnavailable(url, f"{type(error).__name__}: {error}") from error
        try:
            return _Reply.model_validate_json(body)
        except ValidationError as error:
            raise ServiceUnavailable(url, "the answer does not have the expected fields", 200) from error

    def _read(self, url: str, response: httpx2.Response, deadline_ns: int) -> bytes:
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise ServiceUnavailable(url, f"the answer is longer than {MAX_ANSWER_BYTES} bytes", 200)
            if current_clock().now_ns() > deadline_ns:  # the timeout of the client is for each part alone
                raise self._too_slow(url)
        return bytes(body)

    def _too_slow(self, url: str) -> ServiceUnavailable:
        return ServiceUnavailable(url, f"no complete answer within {self.timeout_s:g} s")

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the settings; connections and locks stay behind."""
        return partial(AddressVerifier, self.base_url, timeout_s=self.timeout_s), ()

    def __repr__(self) -> str:
        """Return how it was made."""
        return f"AddressVerifier({without_secrets(self.base_url)!r}, timeout_s={self.timeout_s:g})"
