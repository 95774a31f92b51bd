"""Sources of facts about a record: whom to ask what, and what became of it, whatever happens.

Belongs here: what a source, a question and a result are, and when it is worth trying again. Does not belong here:
asking over HTTP (``asking``), which sources there are (``customer_sources``), and several at once (``enrichment``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel

from kaygraph_viz.checks import checked_seconds
from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import OptionError, ServiceUnavailable
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.limits import RetryPolicy
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.patterns.finding import text_of
from kaygraph_viz.patterns.validation import wait_for_service
from kaygraph_viz.trace.attributes import describe_error

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = [
    "ANSWERED",
    "NoAnswer",
    "Question",
    "Record",
    "Source",
    "SourceResult",
    "SourceStatus",
    "field_of",
    "retry_in_time",
]

Record = Mapping[str, str]
SourceStatus = Literal[
    "ok", "not found", "not asked", "refused", "timeout", "rate limited", "unavailable", "broken answer"
]
ANSWERED: tuple[SourceStatus, ...] = ("ok", "not found")

_LONGEST_VALUE = 255


@dataclass(frozen=True, slots=True)
class SourceResult:
    """What became of asking one source about one record.

    Parameters
    ----------
    source
        Which source.
    status
        ``"ok"``: there is a value. ``"not found"``: it answered that it knows nothing. ``"not asked"``: the record
        lacks what the question needs. ``"refused"``: nothing listens there. ``"timeout"``: no complete answer before
        the deadline. ``"rate limited"``: its turn did not come before the deadline. ``"unavailable"``: it answered that
        it failed, or closed the connection. ``"broken answer"``: the answer breaks off or is nonsense.
    value
        The answer; None unless the status is ``"ok"``.
    error
        Why there is no value, in words; empty for ``"ok"`` and ``"not found"``.
    attempts
        How often it was tried; 0 when it was not asked.
    service_s
        The time it took with all attempts and the waits between them [s]; does not count when results are compared.
    """

    source: str
    status: SourceStatus
    value: BaseModel | None = None
    error: str = ""
    attempts: int = 0
    service_s: float = field(default=0.0, compare=False)

    @property
    def answered(self) -> bool:
        """Whether the source said something that counts, be it that it knows nothing."""
        return self.status in ANSWERED

    @classmethod
    def of(cls, source: str, outcome: Outcome) -> Self:
        """Return the result that the outcome of a branch stands for, whatever error it ended with."""
        error = outcome.error
        if isinstance(outcome.value, cls):
            made = outcome.value
        elif isinstance(error, NoAnswer):
            made = cls(source, error.outcome, error=error.reason)
        elif outcome.status == "timeout":
            made = cls(source, "timeout", error="no complete answer before the deadline")
        else:  # a fault of the program around it; one source less must not cost the record
            made = cls(source, "unavailable", error=outcome.status if error is None else describe_error(error))
        attempts = 0 if made.status == "not asked" else outcome.attempts
        return replace(made, attempts=attempts, service_s=outcome.service_s)


class NoAnswer(ServiceUnavailable):
    """One attempt brought no usable answer.

    Parameters
    ----------
    outcome
        The status that the source has if there is no other attempt.
    question
        What was asked.
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
    """One service that knows something about records.

    Parameters
    ----------
    name
        What it is called in results and charts.
    url
        Where it is asked, such as ``server.url("/profile")``.
    fields
        The fields of a record that make the question, at least one; they are sent as parameters of the same names.
    answer
        What a right answer looks like: a pydantic model. Anything else is a broken answer.
    deadline_s
        The time it has for one record with all attempts and waits [s], above 0.
    limit
        How often it may be called, by all branches together; a Retry-After is obeyed without one, too.

    Raises
    ------
    OptionError
        When one of these is something else.
    """

    name: str
    url: str
    fields: tuple[str, ...]
    answer: type[BaseModel]
    deadline_s: float = 1.0
    limit: RateLimit | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        if not isinstance(self.name, str) or not self.name:
            raise OptionError("name", self.name, "a text that is not empty", 'name="profile"')
        if not isinstance(self.url, str) or not self.url.startswith(("http://", "https://")):
            raise OptionError("url", self.url, "an address that starts with http://", 'server.url("/profile")')
        if isinstance(self.fields, str) or not self.fields:
            raise OptionError("fields", self.fields, "names of fields, at least one", 'fields=("city", "country")')
        if not isinstance(self.answer, type) or not issubclass(self.answer, BaseModel):
            raise OptionError("answer", self.answer, "a pydantic model", "answer=ProfileAnswer")
        checked_seconds("deadline_s", self.deadline_s, "deadline_s=2.0", above=True)
        if self.limit is not None and not isinstance(self.limit, RateLimit):
            raise OptionError("limit", self.limit, "a RateLimit, or None", "limit=RateLimit(50)")


@dataclass(frozen=True, slots=True)
class Question:
    """What one source is asked about one record.

    Parameters
    ----------
    source
        Who is asked.
    record
        About whom.
    until_ns
        When there must be an answer, on the axis of the clock in force [ns].
    """

    source: Source
    record: Record
    until_ns: int

    @property
    def missing(self) -> list[str]:
        """The fields without which the question cannot be asked, since they are missing or too broken."""
        return [name for name in self.source.fields if not _can_be_asked(field_of(self.record, name))]

    @property
    def params(self) -> dict[str, str]:
        """What is sent."""
        return {name: field_of(self.record, name) for name in self.source.fields}

    def left_s(self) -> float:
        """Return the time that is left [s].

        Raises
        ------
        NoAnswer
            If there is none.
        """
        left_ns = self.until_ns - current_clock().now_ns()
        if left_ns <= 0:
            raise self.too_late()
        return left_ns / 1e9

    def too_late(self) -> NoAnswer:
        """Return the error for an answer that is not there in time."""
        return NoAnswer("timeout", self, "no complete answer before the deadline")


def retry_in_time(attempts: int = 3) -> RetryPolicy:
    """Return a policy that tries again as long as there is time.

    The waits are those of `wait_for_service`. A wait that would last past the deadline ends the attempts at once.

    Parameters
    ----------
    attempts
        The most attempts, 1 or more.
    """
    return RetryPolicy(attempts, _wait_in_time, retry_on=(NoAnswer,))


def _wait_in_time(state: RetryCallState) -> float:
    wait_s = wait_for_service(state)
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, NoAnswer) and current_clock().now_ns() + wait_s * 1e9 >= error.until_ns:
        raise error
    return wait_s


def field_of(record: Record, name: str) -> str:
    """Return one field of anything that is taken for a record, or the empty text when there is no text.

    Examples
    --------
    >>> field_of({"city": "Lyon"}, "city"), field_of(None, "city")
    ('Lyon', '')
    """
    return text_of(record, name) if isinstance(record, Mapping) else ""


def _can_be_asked(value: str) -> bool:
    return bool(value.strip()) and len(value) <= _LONGEST_VALUE and value.isprintable()
