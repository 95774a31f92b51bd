"""Bounds on what branches may do: how often they are tried, and what an option may be.

Belongs here: policies and the checks of numbers that users pass. Does not belong here: carrying them out
(``attempts``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kaygraph_viz.clock import MAX_SECONDS
from kaygraph_viz.errors import OptionError

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["MAX_WORKERS", "RetryPolicy", "checked_seconds", "checked_whole", "checked_workers", "default_workers"]

MAX_WORKERS = 4096


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a branch is tried, how long it waits in between, and for which errors.

    Parameters
    ----------
    attempts
        The most attempts, 1 or more; 1 means no second try.
    wait
        Time between attempts [s], or any waiting rule of tenacity, such as
        ``tenacity.wait_exponential_jitter(initial=0.1, max=5)``.
    retry_on
        The errors after which it is tried again; others end the branch at once.

    Raises
    ------
    OptionError
        If a number is out of its range or `retry_on` holds something that is not an error class.

    Examples
    --------
    >>> RetryPolicy(attempts=3, wait=0.1).wait_s(1, ValueError())
    0.1
    >>> RetryPolicy(attempts=0)
    Traceback (most recent call last):
    ...
    kaygraph_viz.errors.OptionError: attempts must be a whole number from 1 to 1000000, got 0. For example: attempts=3
    """

    attempts: int = 3
    wait: float | Callable[[RetryCallState], float] = 0.0
    retry_on: tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        checked_whole("attempts", self.attempts, 1, 1_000_000, "attempts=3")
        if not callable(self.wait):
            checked_seconds("wait", self.wait, "wait=0.1")
        kinds = self.retry_on if isinstance(self.retry_on, tuple) else (self.retry_on,)
        if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
            raise OptionError("retry_on", self.retry_on, "a tuple of exception classes", "retry_on=(TimeoutError,)")
        object.__setattr__(self, "retry_on", kinds)

    def applies(self, attempt: int, error: BaseException) -> bool:
        """Return whether another attempt follows after `attempt` (from 1) ended with `error`."""
        return attempt < self.attempts and isinstance(error, self.retry_on)

    def wait_s(self, attempt: int, error: BaseException) -> float:
        """Return how long to wait after `attempt` (from 1) ended with `error` [s]."""
        return float(self.wait(_call_state(attempt, error))) if callable(self.wait) else float(self.wait)


def _call_state(attempt: int, error: BaseException) -> RetryCallState:
    """Return what tenacity's waiting rules look at: the number of the attempt and how it ended."""
    from tenacity import Future, RetryCallState, Retrying

    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    state.outcome = Future(attempt)
    state.outcome.set_exception(error)
    return state


def default_workers() -> int:
    """Return the number of workers that is used when none is asked for: the cores and 4 more, at most 32."""
    return min(32, (os.cpu_count() or 1) + 4)


def checked_workers(workers: int | None, name: str = "workers") -> int:
    """Return `workers`, or the default for None.

    Raises
    ------
    OptionError
        If it is not a whole number from 1 to 4096.
    """
    return default_workers() if workers is None else checked_whole(name, workers, 1, MAX_WORKERS, f"{name}=4")


def checked_whole(name: str, value: Any, low: int, high: int, example: str) -> int:
    """Return `value` if it is a whole number (not a bool) from `low` to `high`, else raise `OptionError`."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise OptionError(name, value, f"a whole number from {low} to {high}", example)
    return value


def checked_seconds(name: str, value: Any, example: str) -> float:
    """Return `value` if it is a number of seconds from 0 to 1e9, else raise `OptionError`."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= MAX_SECONDS:
        raise OptionError(name, value, "a number of seconds, 0 or more, at most 1e9", example)
    return float(value)
