"""Trying again: policies, what a refused call asks for, and the attempts of plain code and of coroutines.

Belongs here: what follows an error in user code. Does not belong here: stamps and outcomes of a branch (``branch``).
"""

from __future__ import annotations

import functools
import random
from asyncio import CancelledError, current_task
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import suppress
from contextvars import Context, ContextVar
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from kaygraph_viz.base.checks import MAX_SECONDS, checked_seconds, checked_whole, refuse_if_async
from kaygraph_viz.base.errors import BranchError, OptionError, add_note_once, short
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.clock.clock import current_clock, sleep_async
from kaygraph_viz.clock.virtual.fiber import Stopped
from kaygraph_viz.execute.forks import end_copy, forks
from kaygraph_viz.trace.recorder import current_scope, held_up
from kaygraph_viz.trace.row import describe_error
from kaygraph_viz.trace.span import Status

if TYPE_CHECKING:
    from tenacity import RetryCallState


__all__ = [
    "ONCE",
    "Attempts",
    "Fallback",
    "Result",
    "RetryPolicy",
    "as_branch_error",
    "as_node_error",
    "asked_s",
    "attempt_number",
    "count_from_one",
    "first_attempt",
    "is_refusal",
]

T = TypeVar("T")
Fallback = Callable[[Any, Exception], Any]
Result = tuple[Any, BaseException | None, int]
Step = tuple[Callable[[Any], Any], Any]
Answer = tuple[Any, BaseException | None]

TOO_MANY_REQUESTS = 429  # the HTTP status of a call above a limit
ENDS_LOOPS = (StopIteration, StopAsyncIteration)
_attempt: ContextVar[int] = ContextVar("kaygraph_viz_attempt", default=1)


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
    kaygraph_viz.base.errors.OptionError: attempts must be a whole number from 1 to 1000000, got 0. ...
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
        jitter_s = random.uniform(0, self.jitter_s) if self.jitter_s else 0.0  # no secret
        return max(own_s, asked_s(error)) + jitter_s


def _call_state(attempt: int, error: BaseException) -> RetryCallState:
    """Return the state that tenacity's waiting rules read: the number of the attempt and its error."""
    from tenacity import Future, RetryCallState, Retrying

    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    state.outcome = Future(attempt)
    state.outcome.set_exception(error)
    return state


ONCE = RetryPolicy(attempts=1)


# -- what errors of any library say about a service that is asked too often --------------------------------------------


def asked_s(error: BaseException | None) -> float:
    """Return the wait that an error asks for [s]; 0 where it asks for none, or for one that makes no sense."""

    def asked(error: Any) -> float:
        if seconds := _sensible_s(getattr(error, "retry_after_s", None)):
            return seconds
        headers = getattr(getattr(error, "response", None), "headers", None)
        text = None if headers is None else headers.get("Retry-After")
        return _sensible_s(float(text)) if text else 0.0

    return _read(asked, error, 0.0)


def is_refusal(error: BaseException | None) -> bool:
    """Return whether an error says that a service has too much to do: it asks to wait, or its status is 429."""

    def is_told(error: Any) -> bool:
        said = (error, getattr(error, "response", None))
        return TOO_MANY_REQUESTS in [getattr(each, name, None) for each in said for name in ("status", "status_code")]

    return asked_s(error) > 0 or _read(is_told, error, False)


def _read(read: Callable[[Any], T], error: Any, otherwise: T) -> T:
    try:
        return read(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # the attributes are the user's, and may raise anything
        return otherwise


def _sensible_s(asked: object) -> float:
    if isinstance(asked, int | float) and not isinstance(asked, bool) and 0 < asked <= MAX_SECONDS:
        return float(asked)
    return 0.0


# -- attempts ---------------------------------------------------------------------------------------------------------


@contextmanager
def first_attempt() -> Iterator[None]:
    """Count attempts from 1 inside, and put the number of the attempt around it back afterwards."""
    token = _attempt.set(1)
    try:
        yield
    finally:
        with suppress(ValueError):  # a coroutine that is thrown away ends in whatever context
            _attempt.reset(token)


def count_from_one(context: Context) -> None:
    """Make attempts count from 1 in a context, also where the caller is a later attempt of another branch."""
    context.run(_attempt.set, 1)


def attempt_number() -> int:
    """Return which attempt of its branch is running in this context, from 1."""
    return _attempt.get()


def as_node_error(error: BaseException, where: str) -> BaseException:
    """Return the error as one that a graph may raise: what user code raises must not steer the program."""
    if isinstance(error, KeyboardInterrupt) or (isinstance(error, Exception) and not isinstance(error, ENDS_LOOPS)):
        return error
    if isinstance(error, Stopped):
        raise error
    hint = "raise an ordinary exception, or return a value, instead"
    if isinstance(error, ENDS_LOOPS):
        hint = "write next(..., None) where nothing may be left, or raise an ordinary exception instead"
    made = BranchError(f"{where} ended with {short(error)}; {hint}")
    made.__cause__ = error
    return made


def as_branch_error(cancelled: CancelledError, where: str) -> BranchError:
    """Return the error for a branch that cancelled itself; raise `cancelled` if its task was cancelled."""
    task = current_task()
    if task is None or task.cancelling():
        raise cancelled
    error = BranchError(f"{where} was cancelled by itself or by what it awaited")
    error.__cause__ = cancelled
    return error


@dataclass(frozen=True, slots=True)
class Attempts:
    """How a function is tried: what all branches of a call share, for plain code and for coroutines."""

    function: Callable[[Any], Any]
    retry: RetryPolicy
    fallback: Fallback | None
    where: Callable[[int], str]  # the name of a branch in messages, by its index

    def run(
        self,
        item: Any,
        index: int,
        is_wanted: Callable[[], bool] | None = None,
        forks_before: int | None = None,
    ) -> Result:
        """Call ``function(item)`` until it succeeds or its attempts are used up, then the fallback."""
        started = current_clock().now_ns() if self.retry.attempts > 1 else 0
        try:
            value = self.function(item)
            if type(value) is CoroutineType or type(value) is AsyncGeneratorType:
                refuse_if_async(value, self.where(index))
        except BaseException as raised:
            error = as_node_error(raised, self.where(index))
        else:
            if forks_before is not None and forks_before != forks.count:
                end_copy(forks_before, self.where(index))
            return value, None, 1
        sleep = current_clock().sleep
        return _drive(self._steps(item, self.where(index), error, started, sleep, is_wanted, forks_before))

    async def run_async(self, item: Any, index: int, forks_before: int | None = None) -> Result:
        """Run attempts as `run` does, and await what is awaitable: the function, the fallback, the waits."""
        started = current_clock().now_ns() if self.retry.attempts > 1 else 0
        try:
            value = self.function(item)
            if isinstance(value, Awaitable):
                value = await value
            if type(value) is AsyncGeneratorType:
                refuse_if_async(value, self.where(index))
        except CancelledError as cancelled:
            error: BaseException = as_branch_error(cancelled, self.where(index))
        except BaseException as raised:
            error = as_node_error(raised, self.where(index))
        else:
            return value, None, 1
        return await self.after_failure(item, index, error, started, forks_before)

    async def after_failure(
        self, item: Any, index: int, error: BaseException, started_ns: int, forks_before: int | None = None
    ) -> Result:
        """Run the attempts after a first one that began at `started_ns` [ns] and ended with `error`."""
        where = self.where(index)
        return await _drive_async(self._steps(item, where, error, started_ns, sleep_async, None, forks_before), where)

    def _steps(
        self,
        item: Any,
        where: str,
        error: BaseException,
        started: int,
        sleep: Callable[[float], Any],
        is_wanted: Callable[[], bool] | None,
        forks_before: int | None,
    ) -> Generator[Step, Answer, Result]:
        """Go on after a failed first attempt: yield each function to call with its argument, and get its answer."""
        attempt = 1
        end_copy(forks_before, where)
        while True:
            is_told = type(error) is BranchError and isinstance(error.__cause__, ENDS_LOOPS)
            raised = error.__cause__ if is_told and error.__cause__ is not None else error  # by the user's code
            if not self.retry.applies(attempt, raised) or (is_wanted is not None and not is_wanted()):
                break
            _add_attempt(started, "error", attempt, error)

            failed: BaseException | None = None
            try:
                seconds = self.retry.wait_s(attempt, error)
            except BaseException as of_rule:
                failed = of_rule
            else:
                if seconds > 0:
                    with held_up("pause", f"wait {attempt}", attempt=attempt):
                        _, failed = yield sleep, seconds
            if failed is not None:  # an interrupt, or a waiting rule that fails
                return _failed(_caused(as_node_error(failed, where), error), where, attempt)

            attempt += 1
            _attempt.set(attempt)
            started = current_clock().now_ns()
            found = yield self.function, item
            end_copy(forks_before, where)
            value, failed = _plain(where, *found)
            if failed is None:
                _add_attempt(started, "ok", attempt, None)
                return value, None, attempt
            error = as_node_error(failed, where)
        if attempt > 1:
            _add_attempt(started, "error", attempt, error)
        return (yield from self._fall_back(item, where, error, attempt, forks_before))

    def _fall_back(
        self, item: Any, where: str, error: BaseException, attempt: int, forks_before: int | None
    ) -> Generator[Step, Answer, Result]:
        if self.fallback is None or not isinstance(error, Exception):
            return _failed(error, where, attempt)
        found = yield functools.partial(self.fallback, item), error
        end_copy(forks_before, where)
        value, failed = _plain(f"the fallback for {where}", *found)
        if failed is not None:
            return _failed(_caused(as_node_error(failed, where), error), where, attempt)
        return value, None, attempt


def _failed(error: BaseException, where: str, attempts: int) -> Result:
    add_note_once(error, f"in {where}" + (f", after {attempts} attempts" if attempts > 1 else ""))
    return None, error, attempts


def _drive(steps: Generator[Step, Answer, Result]) -> Result:
    try:
        function, argument = next(steps)
        while True:
            try:
                answer: Answer = function(argument), None
            except BaseException as raised:
                answer = None, raised
            function, argument = steps.send(answer)
    except StopIteration as end:
        found: Result = end.value
        return found


async def _drive_async(steps: Generator[Step, Answer, Result], where: str) -> Result:
    try:
        function, argument = next(steps)
        while True:
            try:
                result = function(argument)
                answer: Answer = (await result if isinstance(result, Awaitable) else result), None
            except CancelledError as cancelled:
                answer = None, as_branch_error(cancelled, where)
            except BaseException as raised:
                answer = None, raised
            function, argument = steps.send(answer)
    except StopIteration as end:
        found: Result = end.value
        return found
    finally:
        steps.close()  # a branch that is cancelled ends its wait now, not when it is collected as garbage


def _plain(where: str, value: Any, failed: BaseException | None) -> Answer:
    """Return the answer of a step, or an error in place of a value that nothing would run."""
    try:
        refuse_if_async(value, where)
    except BranchError as refused:
        return None, refused
    return value, failed


def _caused(error: BaseException, cause: BaseException) -> BaseException:
    if error is not cause and error.__cause__ is None:
        BaseException.__setattr__(error, "__cause__", cause)  # also where the class is frozen
    return error


def _add_attempt(started_ns: int, status: Status, attempt: int, error: BaseException | None) -> None:
    """Record an attempt inside the span that encloses what runs now."""
    scope = current_scope()
    recorder, lane = scope.recorder, scope.recorder.lanes.mine()
    if not recorder.is_open:  # the text of an error is not made for nothing: user code makes it
        return
    ended, name = recorder.now_ns(), f"attempt {attempt}"
    cpu_ns, blocked_ns, parts = lane.since(started_ns, ended)
    text = None if error is None else describe_error(error)
    recorder.add((  # a row, by the order of its fields
        recorder.next_id(), scope.span_id, -1, name, "attempt", lane.name, started_ns, started_ns, ended, cpu_ns,
        blocked_ns, status, attempt, text, None, None, parts,
    ))  # fmt: skip
