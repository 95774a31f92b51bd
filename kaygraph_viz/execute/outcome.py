"""The outcome of a branch.

Belongs here: the record of one finished branch, and lists of them. Does not belong here: running it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kaygraph_viz.base.texts import one_line
from kaygraph_viz.trace.row import describe_error, traceback_text
from kaygraph_viz.trace.span import Status

__all__ = ["Outcome", "Outcomes"]


@dataclass(slots=True)
class Outcome:
    """The outcome of one branch: a value or an error, never both.

    Parameters
    ----------
    index
        Position of the item in the input, from 0.
    value
        What the function returned; None where it failed.
    error
        The exception, or None.
    status
        One of ``ok error cancelled timeout lost skipped``.
    attempts
        How many attempts were made.
    submitted_ns, started_ns, ended_ns
        When the item was ready, its first attempt began, its last one ended [ns].
    name
        The name of the branch.

    Examples
    --------
    >>> Outcome(0, "a").unwrap()
    'a'
    >>> Outcome(3, error=ValueError("bad record"), status="error", attempts=2)
    Outcome(3, ValueError: bad record, 2 attempts)
    """

    index: int
    value: Any = None
    error: BaseException | None = None
    status: Status = "ok"
    attempts: int = 1
    submitted_ns: int = 0
    started_ns: int = 0
    ended_ns: int = 0
    name: str = ""

    @property
    def ok(self) -> bool:
        """Whether the branch returned a value."""
        return self.status == "ok"

    @property
    def service_s(self) -> float:
        """Time from the first start to the last end [s]."""
        return (self.ended_ns - self.started_ns) / 1e9

    @property
    def queue_wait_s(self) -> float:
        """Time from submitted to started [s]."""
        return (self.started_ns - self.submitted_ns) / 1e9

    @property
    def traceback(self) -> str:
        """The error with its traceback as text; empty where there is none."""
        return "" if self.error is None else traceback_text(self.error)

    def unwrap(self) -> Any:
        """Return the value, or raise the error of the branch.

        Raises
        ------
        BaseException
            The branch's own error, with a note that names the branch.
        """
        if self.error is not None:
            raise self.error
        return self.value

    def __repr__(self) -> str:
        if self.error is None:
            return f"Outcome({self.index}, {self.status})"
        tries = f"{self.attempts} attempt{'s' if self.attempts > 1 else ''}"
        return f"Outcome({self.index}, {one_line(describe_error(self.error), 500)}, {tries})"


class Outcomes(list[Outcome]):
    """The outcomes of a batch in the order of its items: what `on_error="collect"` gives.

    Examples
    --------
    >>> batch = Outcomes([Outcome(0, "a"), Outcome(1, error=ValueError("bad"), status="error")])
    >>> batch.values, [failed.index for failed in batch.failed]
    (['a'], [1])
    """

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        super().__init__(outcomes)

    @property
    def values(self) -> list[Any]:
        """The values of the branches that returned one, in order."""
        return [outcome.value for outcome in self if outcome.status == "ok"]

    @property
    def failed(self) -> list[Outcome]:
        """The outcomes without a value, in order."""
        return [outcome for outcome in self if outcome.status != "ok"]
