"""Sources of facts about records: a source, a question to it, its result, and when there is another attempt.

Belongs here: these classes and the rules of retries. Does not belong here: requests over HTTP (``source_client``), the
sources of facts about customers (``customer_sources``), and several sources at once (``enrichment``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from kaygraph_viz.checks import checked_seconds
from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import OptionError, ServiceUnavailable
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.limits import RetryPolicy
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.patterns.answers import is_answer
from kaygraph_viz.patterns.records import Record, can_be_sent, text_of
from kaygraph_viz.trace.attributes import describe_error

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = [
    "ANSWERED",
    "NoAnswer",
    "Question",
    "Source",
    "SourceResult",
    "SourceStatus",
    "retry_in_time",
    "wait_for_service",
]

SourceStatus = Literal[
    "ok", "not found", "not asked", "refused", "timeout", "rate limited", "unavailable", "broken answer"
]
ANSWERED: tuple[SourceStatus, ...] = ("ok", "not found")

MIN_WAIT_S, MAX_WAIT_S = 0.05, 5.0


@dataclass(frozen=True, slots=True)
class SourceResult:
    """The result of a question to one source about one record.

    Parameters
    ----------
    source
        The name of the source.
    status
        ``"ok"``: there is a value. ``"not found"``: it answered that it knows nothing. ``"not asked"``: the record
        lacks fields of the question. ``"refused"``: nothing listens there. ``"timeout"``: no complete answer before
        the deadline. ``"rate limited"``: its rate limit gave no slot before the deadline. ``"unavailable"``: it
        answered that it failed, or closed the connection. ``"broken answer"``: the answer is incomplete or malformed.
    value
        The answer; None unless the status is ``"ok"``.
    error
        The reason why there is no value; empty for ``"ok"`` and ``"not found"``.
    attempts
        The number of attempts; 0 when it was not asked.
    service_s
        The time of all attempts and the waits between them [s]; ignored when results are compared.
    """

    source: str
    status: SourceStatus
    value: Any = None
    error: str = ""
    attempts: int = 0
    service_s: float = field(default=0.0, compare=False)

    @property
    def answered(self) -> bool:
        """Whether the source answered, also if it knows nothing."""
        return self.status in ANSWERED

    @classmethod
    def of(cls, source: str, outcome: Outcome) -> Self:
        """Return the result of a question from the outcome of its branch, after any error."""
        error = outcome.error
        if isinstance(outcome.value, cls):
            made = outcome.value
        elif isinstance(error, NoAnswer):
            made = cls(source, error.outcome, error=error.reason)
        elif outcome.status == "timeout":
            made = cls(source, "timeout", error="no complete answer before the deadline")
        else:  # an error of the program itself: one source less must not fail the record
            made = cls(source, "unavailable", error=outcome.status if error is None else describe_error(error))
        attempts = 0 if made.status == "not asked" else outcome.attempts
        return replace(made, attempts=attempts, service_s=outcome.service_s)


class NoAnswer(ServiceUnavailable):
    """An attempt without a usable answer.

    Parameters
    ----------
    outcome
        The status of the result if this is the last attempt.
    question
        The question.
    reason, status, retry_after_s
        As for `ServiceUnavailable`.
    """

    outcome: SourceStatus
    until_ns: int

    def __init__(
        self,
        outcome: SourceStatus,
        question: Question,
        reason: str,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(question.source.url, reason, status, retry_after_s)
        self.outcome = outcome
        self.until_ns = question.until_ns


@dataclass(frozen=True, slots=True)
class Source:
    """One service that answers questions about records.

    Parameters
    ----------
    name
        Its name in results and charts.
    url
        Its address, such as ``server.url("/profile")``.
    fields
        The fields of a record that are sent as parameters of the same names, at least one.
    answer
        The class of an answer: a dataclass, or a model of pydantic. Anything else is a broken answer.
    deadline_s
        The time limit of one record with all attempts and waits [s], above 0.
    limit
        The rate limit of all branches together; a Retry-After is obeyed without one, too.

    Raises
    ------
    OptionError
        When one of these is of another type or out of its range.
    """

    name: str
    url: str
    fields: tuple[str, ...]
    answer: type
    deadline_s: float = 1.0
    limit: RateLimit | None = None

    def __post_init__(self) -> None:
        """Check the types and ranges."""
        if not isinstance(self.name, str) or not self.name:
            raise OptionError("name", self.name, "a text that is not empty", 'name="profile"')
        if not isinstance(self.url, str) or not self.url.startswith(("http://", "https://")):
            raise OptionError("url", self.url, "an address that starts with http://", 'server.url("/profile")')
        if isinstance(self.fields, str) or not self.fields:
            raise OptionError("fields", self.fields, "names of fields, at least one", 'fields=("city", "country")')
        if not is_answer(self.answer):
            raise OptionError("answer", self.answer, "a dataclass, or a model of pydantic", "answer=ProfileAnswer")
        checked_seconds("deadline_s", self.deadline_s, "deadline_s=2.0", above=True)
        if self.limit is not None and not isinstance(self.limit, RateLimit):
            raise OptionError("limit", self.limit, "a RateLimit, or None", "limit=RateLimit(50)")


@dataclass(frozen=True, slots=True)
class Question:
    """A question to one source about one record.

    Parameters
    ----------
    source
        The source.
    record
        The record.
    until_ns
        The deadline of the answer, as a stamp of the clock in force [ns].
    """

    source: Source
    record: Record
    until_ns: int

    @property
    def missing(self) -> list[str]:
        """The fields of the question that are missing or malformed in the record."""
        return [name for name in self.source.fields if not can_be_sent(text_of(self.record, name))]

    @property
    def params(self) -> dict[str, str]:
        """The parameters of the request."""
        return {name: text_of(self.record, name) for name in self.source.fields}

    def left_s(self) -> float:
        """Return the time until the deadline [s].

        Raises
        ------
        NoAnswer
            If it has passed.
        """
        left_ns = self.until_ns - current_clock().now_ns()
        if left_ns <= 0:
            raise self.too_late()
        return left_ns / 1e9

    def too_late(self) -> NoAnswer:
        """Return the error for an answer that is not there in time."""
        return NoAnswer("timeout", self, "no complete answer before the deadline")


def retry_in_time(attempts: int = 3) -> RetryPolicy:
    """Return a policy of retries until the deadline of a question.

    The waits are those of `wait_for_service`. A wait that would last past the deadline ends the attempts at once.

    Parameters
    ----------
    attempts
        The number of attempts at most, 1 or more.
    """
    return RetryPolicy(attempts, _wait_in_time, retry_on=(NoAnswer,))


def _wait_in_time(state: RetryCallState) -> float:
    wait_s = wait_for_service(state)
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, NoAnswer) and current_clock().now_ns() + wait_s * 1e9 >= error.until_ns:
        raise error
    return wait_s


def wait_for_service(state: RetryCallState) -> float:
    """Return how long to wait for a service that was unavailable [s]: as it asks with Retry-After, or a growing time.

    A rule of waits for `RetryPolicy`: 0.05 s, doubled with each attempt, at most 5 s. A Retry-After of more than 5 s
    ends the attempts, since an earlier one would be refused again.

    Raises
    ------
    ServiceUnavailable
        The error itself, when the service asks for a longer wait.
    """
    error = state.outcome.exception() if state.outcome is not None else None
    asked_s: float | None = getattr(error, "retry_after_s", None)
    if asked_s is None:
        return float(min(MAX_WAIT_S, MIN_WAIT_S * 2 ** (state.attempt_number - 1)))
    if asked_s > MAX_WAIT_S and error is not None:
        raise error
    return asked_s
