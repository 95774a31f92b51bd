"""Bounds on what branches may do: how often they are tried, and how much memory they may use.

Belongs here: policies, and what there is where none is asked for. Does not belong here: carrying them out
(``core.branch``).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kaygraph_viz.checks import checked_seconds, checked_whole, refuse_if_async
from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.refusals import asked_s
from kaygraph_viz.installed import require_installed
from kaygraph_viz.machine import usable_cores

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["MemoryBudget", "RetryPolicy", "default_workers", "used_bytes"]

MAX_BY_DEFAULT = 32
POLL_NS = 50_000_000  # asking the system for the memory in use takes some 0.1 ms a process


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A rule for retries: how many attempts, how long to wait in between, and for which errors.

    Parameters
    ----------
    attempts
        The most attempts, 1 or more; 1 means no second try.
    wait
        Time between attempts [s], or any waiting rule of tenacity, such as
        ``tenacity.wait_exponential_jitter(initial=0.1, max=5)``.
    retry_on
        The errors after which it is tried again; others end the branch at once.
    jitter_s
        The most that is added to each wait at random [s], also to one that a service asks for: so branches that failed
        at the same moment do not all come back at the same moment.

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
    jitter_s: float = 0.0

    def __post_init__(self) -> None:
        checked_whole("attempts", self.attempts, 1, 1_000_000, "attempts=3")
        if not callable(self.wait):
            checked_seconds("wait", self.wait, "wait=0.1")
        checked_seconds("jitter_s", self.jitter_s, "jitter_s=0.5")
        kinds = self.retry_on if isinstance(self.retry_on, tuple) else (self.retry_on,)
        if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
            raise OptionError("retry_on", self.retry_on, "a tuple of exception classes", "retry_on=(TimeoutError,)")
        object.__setattr__(self, "retry_on", kinds)

    @classmethod
    def exponential(
        cls,
        attempts: int = 3,
        *,
        start_s: float = 0.1,
        max_s: float = 10.0,
        jitter_s: float = 0.1,
        retry_on: tuple[type[Exception], ...] = (Exception,),
    ) -> RetryPolicy:
        """Return a policy whose waits double each time, with a random addition that keeps branches apart.

        Parameters
        ----------
        attempts
            The most attempts, 1 or more.
        start_s, max_s
            The first wait, and the longest one [s].
        jitter_s
            The most that is added to a wait at random [s].
        retry_on
            The errors after which it is tried again.

        Examples
        --------
        >>> RetryPolicy.exponential(start_s=0.5, jitter_s=0).wait_s(2, ValueError())
        1.0
        """
        from tenacity import wait_exponential

        for name, seconds in (("start_s", start_s), ("max_s", max_s), ("jitter_s", jitter_s)):
            checked_seconds(name, seconds, f"{name}=0.1")
        return cls(attempts, wait_exponential(multiplier=start_s, max=max_s), retry_on, jitter_s)

    def applies(self, attempt: int, error: BaseException) -> bool:
        """Return whether another attempt follows after `attempt` (from 1) ended with `error`."""
        return attempt < self.attempts and isinstance(error, self.retry_on)

    def wait_s(self, attempt: int, error: BaseException) -> float:
        """Return how long to wait after `attempt` (from 1) ended with `error` [s].

        The jitter is in it. Where the error says so in an attribute ``retry_after_s``, as `ServiceUnavailable` does, or
        in the header Retry-After of its ``response``, at least that long.
        """
        if callable(self.wait):
            ruled: Any = self.wait(_call_state(attempt, error))
            refuse_if_async(ruled, "the function for the wait between attempts")
            # below 0 is no wait, as where the jitter of a rule is larger than the rest
            own_s = checked_seconds("what wait returns", max(float(ruled), 0.0))
        else:
            own_s = float(self.wait)
        jitter_s = random.uniform(0, self.jitter_s) if self.jitter_s else 0.0  # noqa: S311  (no secret)
        return max(own_s, asked_s(error)) + jitter_s


class MemoryBudget:
    """A bound on memory that narrows the look-ahead of a batch: items then wait in their source.

    How much memory is in use depends on the machine, so in simulated time it is never short.

    Parameters
    ----------
    max_bytes
        The most memory that this process and its children may use together [bytes], 1 or more.

    Raises
    ------
    OptionError
        If `max_bytes` is not a positive whole number.

    Examples
    --------
    >>> MemoryBudget(1).is_tight()
    True
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = checked_whole("max_bytes", max_bytes, 1, 1 << 60, "max_bytes=2_000_000_000")
        self._looked_ns = -POLL_NS
        self._is_tight = False

    def is_tight(self) -> bool:
        """Return whether the budget is used up; looked up every 50 ms at most; in simulated time it never is."""
        if current_clock().is_exact:
            return False
        now_ns = time.monotonic_ns()
        if now_ns - self._looked_ns >= POLL_NS:
            self._looked_ns = now_ns
            self._is_tight = used_bytes() > self.max_bytes
        return self._is_tight

    def __repr__(self) -> str:
        return f"MemoryBudget({self.max_bytes:_})"


def used_bytes() -> int:
    """Return how much memory this process and its children have resident [bytes]."""
    require_installed("numbers of the memory in use", "leave out memory=...")
    import psutil

    process = psutil.Process()
    used = int(process.memory_info().rss)
    for child in process.children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            used += int(child.memory_info().rss)
    return used


def _call_state(attempt: int, error: BaseException) -> RetryCallState:
    """Return the state that tenacity's waiting rules read: the number of the attempt and its error."""
    from tenacity import Future, RetryCallState, Retrying

    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    state.outcome = Future(attempt)
    state.outcome.set_exception(error)
    return state


def default_workers(kind: str = "thread") -> int:
    """Return the number of workers that an executor has by default."""
    if (fixed := current_clock().default_workers) is not None:
        return fixed
    return usable_cores() if kind == "process" else min(MAX_BY_DEFAULT, usable_cores() + 4)
