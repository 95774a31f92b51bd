"""One branch in its worker: its name, its stamps, its outcome and its span; plain, or a coroutine step by step.

Belongs here: what happens to one item, the same for every kind of worker. Does not belong here: trying again
(``retries``), which worker gets which item (``worker_pool``, ``local.threads``, ``coroutines.executor``).

One task runs many coroutines after each other. A context of its own for each keeps their context variables apart,
which a task alone would not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType, coroutine
from typing import Any

from kaygraph_viz.base.checks import refuse_if_async
from kaygraph_viz.base.errors import DeadlineExceeded
from kaygraph_viz.base.parts import PartLog
from kaygraph_viz.clock.clock import current_clock, due_in_s, innermost_frame, kind_of_wait
from kaygraph_viz.clock.virtual.fiber import Stopped
from kaygraph_viz.execute.forks import end_copy, forks
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.retries import (
    ONCE,
    Attempts,
    Fallback,
    Result,
    RetryPolicy,
    as_branch_error,
    as_node_error,
    attempt_number,
    count_from_one,
)
from kaygraph_viz.trace.lanes import Lane, Pause, measured_in
from kaygraph_viz.trace.recorder import NO_RECORDER, Recorder, Scope, current_scope, set_scope
from kaygraph_viz.trace.row import Row, RowTuple, describe_error
from kaygraph_viz.trace.span import Status

__all__ = ["Branches", "Claim", "OpenBranch", "StepTimer", "in_context", "resumed"]


@dataclass(slots=True, eq=False)  # not frozen: it is made for every recorded branch, and that would double its cost
class OpenBranch:
    """A branch that a worker runs; if the recording ends before it does, it is recorded as abandoned."""

    index: int
    name: str
    submitted_ns: int
    started_ns: int
    span_id: int = 0
    parent_id: int = 0
    lane: str = ""
    log: PartLog | None = None  # where what its worker does is noted

    def abandoned_row(self, now_ns: int) -> Row:
        """Return the row of this branch if it is cut off at `now_ns`."""
        return self.row(now_ns, "abandoned")

    def row(self, now_ns: int, status: Status, error: str | None = None) -> Row:
        """Return the row of this branch if it ends at `now_ns` without a word from its worker."""
        cpu_ns, blocked_ns, parts = measured_in(self.log, self.started_ns, now_ns, has_cpu=self.log is not None)
        return Row(
            self.span_id,
            self.parent_id,
            self.index,
            self.name,
            "branch",
            self.lane,
            self.submitted_ns,
            self.started_ns,
            now_ns,
            cpu_ns,
            blocked_ns,
            status,
            error=error,
            parts=parts,
        )


class Claim:
    """The branch that a worker runs; of worker and reader, the one that empties it first decides its outcome."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[OpenBranch] = []

    def take(self, held: OpenBranch) -> None:
        """Store the branch that the worker begins."""
        self._held.append(held)

    def peek(self) -> OpenBranch | None:
        """Return the branch that the worker runs, if any."""
        return next(iter(self._held), None)

    def is_held(self) -> bool:
        """Return whether the branch is still the worker's: its reader may have given up on it."""
        return bool(self._held)

    def release(self, held: OpenBranch) -> bool:
        """Remove this branch; return False if the other side has done so already."""
        try:
            self._held.remove(held)  # atomic, and never the branch after it: only one of worker and reader succeeds
        except ValueError:
            return False
        return True


class Branches:
    """Runs the branches of one `imap` call and keeps what they share."""

    __slots__ = (
        "_base",
        "_scope",
        "add",
        "attempts",
        "function",
        "is_recorded",
        "label",
        "name",
        "now_ns",
        "owner",
        "parent_id",
        "recorder",
        "shared_watch",
        "timeout_s",
        "where",
    )

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        name: str,
        label: Callable[[Any], str] | None = None,
        owner: str | None = None,
        retry: RetryPolicy = ONCE,
        fallback: Fallback | None = None,
        timeout_s: float | None = None,
        add: Callable[[RowTuple], object] | None = None,
    ) -> None:
        scope = current_scope()
        self.function = function  # beside `attempts`: it is read for every coroutine
        self.name = name
        self.label = label
        self.owner = called = owner or name
        self.where: Callable[[int], str] = lambda index: f"item {index} of {called!r}"  # in messages
        self.attempts = Attempts(function, retry, fallback, self.where)
        self.timeout_s = timeout_s
        self.parent_id = scope.span_id
        self._scope = scope
        self.record_with(scope.recorder, add)
        self._base: Context = copy_context()
        count_from_one(self._base)
        current_clock().enter_branch(self._base)

    def record_with(self, recorder: Recorder, add: Callable[[RowTuple], object] | None = None) -> None:
        """Record with another recorder from here on, whose clock counts."""
        self.recorder = recorder
        self.is_recorded = recorder is not NO_RECORDER
        self.shared_watch = recorder.shared_watch
        self.now_ns = recorder.now_ns
        self.add = add or recorder.add

    def context(self) -> Context:
        """Return a copy of the caller's context, as each branch has one."""
        return self._base.copy()

    @property
    def retry(self) -> RetryPolicy:
        """The policy of retries."""
        return self.attempts.retry

    @property
    def fallback(self) -> Fallback | None:
        """What gives a value in place of one that failed, or None."""
        return self.attempts.fallback

    def input_error(self, error: BaseException) -> BaseException:
        """Return an error of the input as one that a graph may raise."""
        return as_node_error(error, f"the input of {self.owner!r}")

    def name_of(self, item: Any) -> str:
        """Return the name of the branch of `item`; a label function that fails does no harm."""
        if self.label is None:
            return self.name
        try:
            return str(self.label(item))
        except BaseException as raised:  # a label is decoration: it must not fail the branch
            if isinstance(as_node_error(raised, "a name"), KeyboardInterrupt):
                raise
            return self.name

    def run(self, index: int, item: Any, submitted_ns: int, lane: Lane, claim: Claim | None = None) -> Outcome:
        """Run one branch from start to end; errors become part of the outcome, nothing is raised."""
        if self.is_recorded:  # not left to a recorder that does nothing: that would double the cost of an item
            return self._run_recorded(index, item, submitted_ns, lane, claim)
        name = self.name if self.label is None else self.name_of(item)
        started = self.now_ns()
        if claim is not None:
            claim.take(held := OpenBranch(index, name, submitted_ns, started))
        value, error, attempts = self._base.copy().run(self._attempts, index, item, claim)
        outcome = self._outcome(index, value, error, attempts, submitted_ns, started, self.now_ns(), name)
        if claim is not None and not claim.release(held):
            outcome.status = "abandoned"
        return outcome

    def _run_recorded(self, index: int, item: Any, submitted_ns: int, lane: Lane, claim: Claim | None) -> Outcome:
        name, recorder = self.name if self.label is None else self.name_of(item), self.recorder
        span_id = recorder.next_id()
        started = self.now_ns()
        cpu = lane.cpu_at(started)
        ids = (span_id, self.parent_id, lane.name, lane.noting())
        if claim is not None:
            claim.take(held := OpenBranch(index, name, submitted_ns, started, *ids))
        try:
            value, error, attempts = self._base.copy().run(
                self._attempts_in, scope := Scope(recorder, span_id, self._scope), index, item, claim
            )
        except Stopped:  # simulated time is over for it
            if claim is None or claim.release(held):
                self.add(OpenBranch(index, name, submitted_ns, started, *ids).row(self.now_ns(), "cancelled"))
            raise
        scope.is_over = True
        ended = self.now_ns()
        outcome = self._outcome(index, value, error, attempts, submitted_ns, started, ended, name)
        if claim is not None and not claim.release(held):
            outcome.status = "abandoned"
        error, (cpu, blocked, parts) = outcome.error, lane.measured(cpu, started, ended)
        self.add((  # a row, by the order of its fields
            span_id, self.parent_id, index, name, "branch", lane.name, submitted_ns, started, ended, cpu, blocked,
            outcome.status, attempts, None if error is None else describe_error(error),
            None if self.shared_watch is None else self.shared_watch.leave(span_id), None, parts,
        ))  # fmt: skip
        if outcome.status == "abandoned":
            recorder.open_spans.pop(span_id, None)
        return outcome

    def give_up(self, claim: Claim, held: OpenBranch | None) -> bool:
        """Give up a branch unless its worker has just ended it; its bar goes on until it really ends."""
        if held is None:
            return False
        self.recorder.keep_open(held)  # before the worker can learn that it was given up
        if claim.release(held):
            return True
        self.recorder.forget(held.span_id)
        return False

    def run_bare(self, index: int, item: Any) -> Result:
        """Run one branch that has neither record nor label; the caller makes its stamps and its outcome."""
        return self._base.copy().run(self.attempts.run, item, index, None, forks.count)

    def outcome_of(self, index: int, result: Result, started_ns: int, ended_ns: int) -> Outcome:
        """Return the outcome of a result of `run_bare`."""
        return self._outcome(index, *result, 0, started_ns, ended_ns, self.name)

    def _attempts(self, index: int, item: Any, claim: Claim | None) -> Result:
        is_wanted = claim.is_held if claim is not None else None
        return self.attempts.run(item, index, is_wanted, forks.count)

    def _attempts_in(self, scope: Scope, index: int, item: Any, claim: Claim | None) -> Result:
        self._enter(scope)
        return self._attempts(index, item, claim)

    def _enter(self, scope: Scope) -> None:
        set_scope(scope)
        if self.shared_watch is not None:
            self.shared_watch.enter(scope.span_id)

    def run_async(
        self, index: int, item: Any, submitted_ns: int, lane: Lane, on_wait: Callable[[], None] | None = None
    ) -> Coroutine[Any, Any, Outcome]:
        """Run one branch as a coroutine; errors become part of the outcome, only a cancellation is raised."""
        if not self.is_recorded:
            return self._unrecorded(index, item, submitted_ns, on_wait)
        return self._recorded(self.recorder, index, item, submitted_ns, lane, on_wait)

    async def _recorded(
        self,
        recorder: Recorder,
        index: int,
        item: Any,
        submitted_ns: int,
        lane: Lane,
        on_wait: Callable[[], None] | None,
    ) -> Outcome:
        name, context = self.name_of(item), self._base.copy()
        span_id = recorder.next_id()
        timer = StepTimer(lane, self.now_ns)
        context.run(self._enter, scope := Scope(recorder, span_id, self._scope))
        started = self.now_ns()
        outcome = Outcome(index, None, None, "cancelled", 1, submitted_ns, started, started, name)
        ids = (span_id, self.parent_id, lane.name, lane.noting())
        recorder.open_spans[span_id] = OpenBranch(index, name, submitted_ns, started, *ids)
        before = forks.count
        try:
            value, error, attempts = await self._steps(index, item, context, timer, on_wait, before)
            self._end_copy(before, index)
            scope.is_over = True
            outcome = self._outcome(index, value, error, attempts, submitted_ns, started, self.now_ns(), name)
        finally:  # also for a branch that is cancelled
            self._add_async(scope, lane, timer, outcome)
        return outcome

    async def _unrecorded(
        self, index: int, item: Any, submitted_ns: int, on_wait: Callable[[], None] | None
    ) -> Outcome:
        """Run a branch with nothing to record; one that does not wait needs no coroutine but its own."""
        name = self.name if self.label is None else self.name_of(item)
        context, started, before = self._base.copy(), self.now_ns(), forks.count
        made: Any = None
        begun: Awaitable[Any] | None = None
        failed: BaseException | None = None
        if self.timeout_s is None:
            try:
                made = context.run(self.function, item)
                if type(made) is CoroutineType:
                    begun = resumed(context, made, context.run(made.send, None), None, on_wait)
                elif isinstance(made, Awaitable):
                    begun = in_context(context, _awaiting(made), None, on_wait)
                elif type(made) is AsyncGeneratorType:
                    refuse_if_async(made, self.where(index))
                else:
                    self._end_copy(before, index)
                    return Outcome(index, made, None, "ok", 1, submitted_ns, started, self.now_ns(), name)
            except StopIteration as end:
                if made is not None:  # the coroutine has returned
                    self._end_copy(before, index)
                    return Outcome(index, end.value, None, "ok", 1, submitted_ns, started, self.now_ns(), name)
                failed = end
            except BaseException as raised:
                failed = raised
        value, error, attempts = await self._steps(index, item, context, None, on_wait, before, begun, failed)
        self._end_copy(before, index)
        return self._outcome(index, value, error, attempts, submitted_ns, started, self.now_ns(), name)

    def _end_copy(self, before: int, index: int) -> None:
        if before != forks.count:
            end_copy(before, self.where(index))

    async def _steps(
        self,
        index: int,
        item: Any,
        context: Context,
        timer: StepTimer | None,
        on_wait: Callable[[], None] | None,
        before: int,
        begun: Awaitable[Any] | None = None,
        failed: BaseException | None = None,
    ) -> Result:
        """Await the attempts of a branch; the first one may have `begun` already, or have `failed`."""
        started = self.now_ns() if self.attempts.retry.attempts > 1 else 0
        try:
            if self.timeout_s is not None:
                return await self._in_time(index, item, context, timer, on_wait, before)
            if failed is not None:
                raise failed
            if begun is not None:
                return await begun, None, 1
            run = Context.run if timer is None else timer.run
            value = run(context, self.function, item)
            if type(value) is not CoroutineType and isinstance(value, Awaitable):
                value = _awaiting(value)  # a future or anything else: it has to open slots all the same
            if type(value) is CoroutineType:
                value = await in_context(context, value, timer, on_wait)
            if type(value) is AsyncGeneratorType:
                refuse_if_async(value, self.where(index))
        except asyncio.CancelledError as cancelled:
            error: BaseException = as_branch_error(cancelled, self.where(index))
        except BaseException as raised:
            error = as_node_error(raised, self.where(index))
        else:
            return value, None, 1
        more = self.attempts.after_failure(item, index, error, started, before)
        found: Result = await in_context(context, more, timer, on_wait)
        return found

    async def _in_time(
        self,
        index: int,
        item: Any,
        context: Context,
        timer: StepTimer | None,
        on_wait: Callable[[], None] | None,
        before: int,
    ) -> Result:
        attempts = self.attempts.run_async(item, index, before)
        try:
            async with asyncio.timeout(self.timeout_s) as time_left:
                found: Result = await in_context(context, attempts, timer, on_wait)
                return found
        except TimeoutError:
            if not time_left.expired():
                raise
            return None, DeadlineExceeded(self.where(index), self.timeout_s or 0.0), context.run(attempt_number)

    def _add_async(self, scope: Scope, lane: Lane, timer: StepTimer, outcome: Outcome) -> None:
        scope.is_over = True
        ended = outcome.ended_ns if outcome.status != "cancelled" else self.now_ns()
        cpu_ns, blocked_ns, parts = lane.stepped(outcome.started_ns, ended)
        cpu_ns = min(timer.cpu_ns, ended - outcome.started_ns) if parts is not None else cpu_ns
        self.add((  # a row, by the order of its fields
            scope.span_id, self.parent_id, outcome.index, outcome.name, "branch", lane.name, outcome.submitted_ns,
            outcome.started_ns, ended, cpu_ns, blocked_ns, outcome.status, outcome.attempts,
            None if outcome.error is None else describe_error(outcome.error),
            None if self.shared_watch is None else self.shared_watch.leave(scope.span_id), None, parts,
        ))  # fmt: skip
        scope.recorder.forget(scope.span_id)

    def _outcome(
        self,
        index: int,
        value: Any,
        error: BaseException | None,
        attempts: int,
        submitted: int,
        started: int,
        ended: int,
        name: str,
    ) -> Outcome:
        if error is None and self.timeout_s is None:
            return Outcome(index, value, None, "ok", attempts, submitted, started, ended, name)
        if isinstance(error, DeadlineExceeded) and self.timeout_s is not None:
            return Outcome(index, None, error, "timeout", attempts, submitted, started, ended, name)
        is_interrupt = error is not None and not isinstance(error, Exception)
        if self.timeout_s is not None and ended - started > round(self.timeout_s * 1e9) and not is_interrupt:
            late = DeadlineExceeded(self.where(index), self.timeout_s)
            return Outcome(index, None, late, "timeout", attempts, submitted, started, ended, name)
        if error is None:
            return Outcome(index, value, None, "ok", attempts, submitted, started, ended, name)
        status: Status = "error" if isinstance(error, Exception) else "cancelled"
        return Outcome(index, None, error, status, attempts, submitted, started, ended, name)


async def _awaiting(value: Awaitable[Any]) -> Any:
    return await value


# -- coroutines, step by step -----------------------------------------------------------------------------------------


class StepTimer:
    """Adds up the CPU time of the steps of one branch."""

    __slots__ = ("_ended_ns", "_lane", "_now_ns", "_pause", "cpu_ns")

    def __init__(self, lane: Lane, now_ns: Callable[[], int]) -> None:
        self._lane = lane
        self._now_ns = now_ns
        self.cpu_ns = 0
        self._ended_ns = 0  # when its last step ended
        self._pause: Pause | None = None  # what it waits for since then

    def run(self, context: Context, step: Callable[..., Any], argument: Any) -> Any:
        """Run one step in `context` and count its CPU time; -1 in all where CPU time is not wanted."""
        lane, started = self._lane, self._now_ns()
        cpu = lane.cpu_at(started)
        is_within_step = lane.step is not None  # of the branch around this one on its lane, which notes it for both
        if not is_within_step:
            lane.begin_step(self._pause, started, cpu)
        self._pause = None
        try:
            return context.run(step, argument)
        finally:
            self._ended_ns = ended = self._now_ns()
            used = lane.cpu_between(cpu, started, ended)
            self.cpu_ns = -1 if used < 0 else self.cpu_ns + used
            if not is_within_step:
                lane.end_step(ended, used)

    def wait(self, running: Coroutine[Any, Any, Any], awaited: Any) -> None:
        """Note that the coroutine waits now for what it has yielded, and since when it will be able to go on."""
        if self._lane.notes_itself:
            return
        now, frame = self._now_ns(), innermost_frame(running)
        due_s = 0.0 if awaited is None else due_in_s(frame)
        ready = None if due_s is None else now + round(due_s * 1e9)
        self._pause = Pause(kind_of_wait(frame), self._ended_ns, ready)


@coroutine
def in_context(
    context: Context,
    running: Coroutine[Any, Any, Any],
    timer: StepTimer | None = None,
    on_wait: Callable[[], None] | None = None,
) -> Generator[Any, Any, Any]:
    """Await a coroutine so that each of its steps runs in `context`."""
    run = timer.run if timer is not None else Context.run
    try:
        awaited = run(context, running.send, None)
    except StopIteration as end:
        return end.value
    return (yield from resumed(context, running, awaited, timer, on_wait))


@coroutine
def resumed(
    context: Context,
    running: Coroutine[Any, Any, Any],
    awaited: Any,
    timer: StepTimer | None = None,
    on_wait: Callable[[], None] | None = None,
) -> Generator[Any, Any, Any]:
    """Await a coroutine as `in_context` does, after its first step, which has yielded `awaited`."""
    run = timer.run if timer is not None else Context.run
    step: Callable[..., Any]
    if on_wait is not None:
        on_wait()
    while True:
        if timer is not None:
            timer.wait(running, awaited)
        try:
            argument: Any = yield awaited
        except BaseException as raised:  # a cancellation, or an error of what was awaited
            step, argument = running.throw, raised
        else:
            step = running.send
        try:
            awaited = run(context, step, argument)
        except StopIteration as end:
            return end.value
