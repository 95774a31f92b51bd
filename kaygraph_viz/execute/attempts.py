"""One branch in its worker: attempts, waits between them, the fallback, and the stamps.

Belongs here: what happens to one item, the same for every kind of worker. Does not belong here: which worker gets which
item (``serial``, ``threads``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from types import CoroutineType
from typing import Any

from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import BranchError, DeadlineExceeded, add_note_once, short
from kaygraph_viz.execute.limits import RetryPolicy
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.trace.attributes import describe_error
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.recorder import Recorder, current_scope, enter_scope
from kaygraph_viz.trace.span import Kind, Row, Status

__all__ = ["ONCE", "Branches", "Claim", "Held", "as_node_error", "attempt_number", "first_attempt", "run_attempts"]

Fallback = Callable[[Any, Exception], Any]
Where = Callable[[int], str]

ONCE = RetryPolicy(attempts=1)
_attempt: ContextVar[int] = ContextVar("kaygraph_viz_attempt", default=1)


@contextmanager
def first_attempt() -> Iterator[None]:
    """Count attempts from 1 inside, and put the number of the attempt around it back afterwards."""
    token = _attempt.set(1)
    try:
        yield
    finally:
        _attempt.reset(token)


def attempt_number() -> int:
    """Return which attempt of its branch is running in this context, from 1."""
    return _attempt.get()


def as_node_error(error: BaseException, where: str) -> BaseException:
    """Return the error as one that a graph may raise: ``sys.exit`` in user code must not end the program.

    A real interrupt stays one.
    """
    if isinstance(error, (Exception, KeyboardInterrupt)):
        return error
    made = BranchError(f"{where} ended with {short(error)}; raise an ordinary exception, or return a value, instead")
    made.__cause__ = error
    return made


def _is_interrupt(error: BaseException | None) -> bool:
    return error is not None and not isinstance(error, Exception)


def run_attempts(
    function: Callable[[Any], Any], item: Any, index: int, retry: RetryPolicy, fallback: Fallback | None, where: Where
) -> tuple[Any, BaseException | None, int]:
    """Call ``function(item)`` until it succeeds or its attempts are used up, then the fallback.

    Parameters
    ----------
    function, item, index
        What to call, with what, and the position of the item.
    retry
        How often, and how long to wait in between.
    fallback
        Called with the item and the last error; what it returns takes the place of the value.
    where
        Says what the branch at an index is called in messages.

    Returns
    -------
    value
        What the function or the fallback returned, or None.
    error
        The last error, or None.
    attempts
        How many attempts were made.
    """
    attempt = 1
    while True:
        started = current_clock().now_ns() if attempt > 1 or retry.attempts > 1 else 0
        try:
            value = function(item)
            if type(value) is CoroutineType:
                value.close()
                raise BranchError(f"{where(index)} returned a coroutine; write a plain function, or use an async node")
        except BaseException as raised:
            error = as_node_error(raised, where(index))
        else:
            if attempt > 1:
                _add_detail("attempt", started, "ok", attempt, None)
            return value, None, attempt
        again = retry.applies(attempt, error)
        if again or attempt > 1:
            _add_detail("attempt", started, "error", attempt, error)
        if not again:
            return _fall_back(fallback, item, error, attempt, where(index))
        try:
            _wait(retry.wait_s(attempt, error), attempt)
        except BaseException as raised:  # an interrupt, or a waiting rule that fails
            return None, _noted(_caused(as_node_error(raised, where(index)), error), where(index), attempt), attempt
        attempt += 1
        _attempt.set(attempt)


def _fall_back(
    fallback: Fallback | None, item: Any, error: BaseException, attempts: int, where: str
) -> tuple[Any, BaseException | None, int]:
    if fallback is None or not isinstance(error, Exception):
        return None, _noted(error, where, attempts), attempts
    try:
        return fallback(item, error), None, attempts
    except BaseException as raised:
        return None, _noted(_caused(as_node_error(raised, where), error), where, attempts), attempts


def _caused(error: BaseException, cause: BaseException) -> BaseException:
    if error is not cause and error.__cause__ is None:
        BaseException.__setattr__(error, "__cause__", cause)  # also where the class is frozen
    return error


def _noted(error: BaseException, where: str, attempts: int) -> BaseException:
    add_note_once(error, f"in {where}" + (f", after {attempts} attempts" if attempts > 1 else ""))
    return error


def _wait(seconds: float, attempt: int) -> None:
    if seconds > 0:
        clock = current_clock()
        started = clock.now_ns()
        clock.sleep(seconds)
        _add_detail("wait", started, "ok", attempt, None)


def _add_detail(kind: Kind, started_ns: int, status: Status, attempt: int, error: BaseException | None) -> None:
    """Record an attempt, or the wait after it, inside the span that encloses what runs now."""
    scope = current_scope()
    if scope is None or scope.recorder is None:
        return
    recorder = scope.recorder
    ended = recorder.now_ns()
    text = None if error is None else describe_error(error)
    name = f"{kind} {attempt}"
    recorder.add((
        recorder.next_id(), scope.span_id, -1, name, kind, recorder.lanes.mine().name, started_ns, started_ns, ended,
        -1, 0, status, attempt, text, None, None,
    ))  # fmt: skip


@dataclass(slots=True, eq=False)  # not frozen: it is made for every recorded branch, and that would double its cost
class Held:
    """A branch in a worker's hands; if the recording ends before it does, it is recorded as abandoned."""

    index: int
    name: str
    submitted_ns: int
    started_ns: int
    span_id: int = 0
    parent_id: int = 0
    lane: str = ""

    def abandoned_row(self, now_ns: int) -> Row:
        """Return the row of this branch if it is cut off at `now_ns`."""
        return (
            self.span_id, self.parent_id, self.index, self.name, "branch", self.lane, self.submitted_ns,
            self.started_ns, now_ns, -1, 0, "abandoned", 1, None, None, None,
        )  # fmt: skip


class Claim:
    """Says which branch a worker holds. Whoever empties it first decides what becomes of the branch."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[Held] = []

    def take(self, held: Held) -> None:
        """Say what the worker holds now."""
        self._held.append(held)

    def peek(self) -> Held | None:
        """Return what the worker holds, if anything."""
        return next(iter(self._held), None)

    def release(self, held: Held) -> bool:
        """Let go of this branch and return whether nobody else was first."""
        try:
            self._held.remove(held)  # atomic, and never the branch after it: only one of worker and reader succeeds
        except ValueError:
            return False
        return True


class Branches:
    """What all branches of one `imap` call share, and how one of them runs in its worker.

    Parameters
    ----------
    function
        Called with each item.
    name
        What a branch is called, or a function of the item that says so.
    owner
        The node they belong to, for messages.
    retry, fallback
        As for `run_attempts`.
    timeout_s
        The time each branch has [s]: one that took longer is a timeout, however late that is noticed.
    """

    __slots__ = ("_base", "_enter", "clock", "fallback", "function", "label", "name", "now_ns", "owner", "parent_id",
                 "recorder", "retry", "timeout_s")  # fmt: skip

    def __init__(
        self, function: Callable[[Any], Any], *, name: str, label: Callable[[Any], str] | None = None,
        owner: str | None = None, retry: RetryPolicy = ONCE, fallback: Fallback | None = None,
        timeout_s: float | None = None,
    ) -> None:  # fmt: skip
        scope = current_scope()
        self.function = function
        self.name = name
        self.label = label
        self.owner = owner or name
        self.retry = retry
        self.fallback = fallback
        self.timeout_s = timeout_s
        self.recorder: Recorder | None = scope.recorder if scope is not None else None
        self.parent_id = scope.span_id if scope is not None else 0
        self.now_ns = current_clock().now_ns if self.recorder is None else self.recorder.now_ns
        self._base: Context = copy_context()
        self._base.run(_attempt.set, 1)  # not the attempt that these branches are a part of

    def context(self) -> Context:
        """Return a copy of the caller's context, as each branch has one."""
        return self._base.copy()

    def where(self, index: int) -> str:
        """Return what branch `index` is called in messages."""
        return f"item {index} of {self.owner!r}"

    def name_of(self, item: Any) -> str:
        """Return what the branch of `item` is called; a label function that fails does no harm."""
        if self.label is None:
            return self.name
        try:
            return str(self.label(item))
        except Exception:  # a label is decoration: it must not fail the branch
            return self.name

    def run(self, index: int, item: Any, submitted_ns: int, lane: Lane | None, claim: Claim | None = None) -> Outcome:
        """Run one branch from start to end; errors become part of the outcome, nothing is raised.

        Parameters
        ----------
        index, item
            The item and its position.
        submitted_ns
            When it was ready to run [ns].
        lane
            Where it runs, or None when nothing is recorded.
        claim
            Where the worker says what it holds, so that a reader can give up on it.

        Returns
        -------
        Outcome
            With status ``abandoned`` if the reader gave up on it meanwhile: then nobody wants it any more.
        """
        name = self.name if self.label is None else self.name_of(item)
        recorder = self.recorder
        if recorder is None or lane is None:
            started = self.now_ns()
            if claim is not None:
                claim.take(held := Held(index, name, submitted_ns, started))
            value, error, attempts = self._base.copy().run(self._attempts, index, item)
            outcome = self._outcome(index, value, error, attempts, submitted_ns, started, self.now_ns(), name)
            if claim is not None and not claim.release(held):
                outcome.status = "abandoned"
            return outcome
        span_id = recorder.next_id()
        started = self.now_ns()
        cpu = lane.cpu_at(started)
        if claim is not None:
            claim.take(held := Held(index, name, submitted_ns, started, span_id, self.parent_id, lane.name))
        value, error, attempts = self._base.copy().run(self._attempts_in, recorder, span_id, index, item)
        ended = self.now_ns()
        outcome = self._outcome(index, value, error, attempts, submitted_ns, started, ended, name)
        if claim is not None and not claim.release(held):
            outcome.status = "abandoned"
        error = outcome.error
        recorder.add((
            span_id, self.parent_id, index, name, "branch", lane.name, submitted_ns, started, ended,
            lane.cpu_between(cpu, started, ended), 0, outcome.status, attempts,
            None if error is None else describe_error(error), None, None,
        ))  # fmt: skip
        if outcome.status == "abandoned":
            recorder.open_spans.pop(span_id, None)
        return outcome

    def _attempts(self, index: int, item: Any) -> tuple[Any, BaseException | None, int]:
        return run_attempts(self.function, item, index, self.retry, self.fallback, self.where)

    def _attempts_in(
        self, recorder: Recorder, span_id: int, index: int, item: Any
    ) -> tuple[Any, BaseException | None, int]:
        enter_scope(recorder, span_id)
        return run_attempts(self.function, item, index, self.retry, self.fallback, self.where)

    def _outcome(
        self, index: int, value: Any, error: BaseException | None, attempts: int, submitted: int, started: int,
        ended: int, name: str,
    ) -> Outcome:  # fmt: skip
        if self.timeout_s is not None and ended - started > self.timeout_s * 1e9 and not _is_interrupt(error):
            late = DeadlineExceeded(self.where(index), self.timeout_s)
            return Outcome(index, None, late, "timeout", attempts, submitted, started, ended, name)
        if error is None:
            return Outcome(index, value, None, "ok", attempts, submitted, started, ended, name)
        status: Status = "error" if isinstance(error, Exception) else "cancelled"
        return Outcome(index, None, error, status, attempts, submitted, started, ended, name)
