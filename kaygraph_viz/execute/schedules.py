"""Which items a worker gets, and when: chunks that are cut beforehand, or the most costly items first.

Belongs here: calls of `imap` in which items are not simply pulled one by one as they come. Does not belong here: the
workers (``worker_pool``, ``local.processes``, ``coroutines.executor``), what happens to one item (``branch``).

With static chunks a worker gets its items in one piece and gives back their outcomes in one piece. So a chunk is a
branch, and its items are branches within it: a trace then says what could not have gone to another worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from types import CoroutineType
from typing import Any, Literal, NamedTuple, get_args

from kaygraph_viz.base.checks import checked_word
from kaygraph_viz.base.errors import add_note_once
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.call import OnError
from kaygraph_viz.execute.cancel import CancelToken, interruptible
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pickling import cannot_send, not_sent, pack, pack_error, pack_result, unpack, unpack_result
from kaygraph_viz.execute.retries import ONCE, Fallback, RetryPolicy

__all__ = ["SCHEDULES", "Schedule", "checked_schedule", "edges", "imap_in_chunks", "imap_in_order"]

Schedule = Literal["dynamic", "static", "longest-first"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
Pair = tuple[int, Any]  # an item with its position in the input


def checked_schedule(schedule: Schedule) -> Schedule:
    """Return `schedule` if it is one of `SCHEDULES`, else raise `OptionError`."""
    return checked_word("schedule", schedule, SCHEDULES, 'schedule="dynamic"')


def edges(items: int, chunks: int) -> list[int]:
    """Return where items are cut into chunks of nearly one size: the first item of each, and the end of the last."""
    return [items * number // chunks for number in range(chunks + 1)]


def imap_in_order(
    executor: Executor,
    fn: Callable[[Any], Any],
    items: Sequence[Any],
    order: Sequence[int],
    *,
    owner: str,
    on_error: OnError = "raise",
    **options: Any,
) -> Generator[Outcome, None, None]:
    """Run ``fn(item)`` for each item, the items taken in a certain order, and yield an outcome for each."""
    queue = [items[position] for position in order]
    options |= {"ordered": False, "on_error": "collect", "owner": f"{owner}, longest first"}
    with interruptible(executor.imap(fn, queue, **options)) as outcomes:
        for outcome in outcomes:
            outcome.index = order[outcome.index]
            if outcome.error is not None:
                add_note_once(outcome.error, f"which is item {outcome.index} of {owner!r}")
            yield _wanted(outcome, on_error)


def imap_in_chunks(
    executor: Executor,
    fn: Callable[[Any], Any],
    items: Sequence[Any],
    *,
    owner: str,
    on_error: OnError = "raise",
    name: str | None = None,
    label: Callable[[Any], str] | None = None,
    fallback: Fallback | None = None,
    retry: RetryPolicy | None = None,
    timeout: float | None = None,
    **options: Any,
) -> Generator[Outcome, None, None]:
    """Run ``fn(item)`` for each item in one chunk of neighbours for each worker, and yield an outcome for each item."""
    travels = executor.capabilities.needs_pickling
    call = _PerItem(fn, name or owner, label, owner, retry or ONCE, fallback, timeout)
    run = _ChunkRun(call.with_pickled_values() if travels else call, on_error, travels=travels)
    pairs = list(enumerate(items))
    if travels:
        pairs, unsent = _packed(pairs, call)
        yield from (_wanted(outcome, on_error) for outcome in unsent)
    cuts = edges(len(pairs), max(1, min(executor.workers, len(pairs))))
    chunks = [Chunk(number, pairs[cuts[number - 1] : cuts[number]]) for number in range(1, len(cuts))]
    token = CancelToken()
    done = executor.imap(
        run.run_async if executor.kind == "async" else run.run,
        chunks if pairs else (),
        timeout=None if timeout is None else timeout * max(len(chunk.pairs) for chunk in chunks),
        cancel=token,
        **options | {"ordered": False, "on_error": "collect", "owner": f"{owner} in chunks", "label": _name_of},
    )
    with interruptible(done), run.ended_early(token):
        for chunk in done:
            yield from (_wanted(outcome, on_error) for outcome in run.outcomes(chunks[chunk.index], chunk))


def _wanted(outcome: Outcome, on_error: OnError) -> Outcome:
    """Return the outcome, or raise its error where that is wanted, and an interrupt always."""
    error = outcome.error
    if error is not None and (on_error == "raise" or not isinstance(error, Exception)):
        raise error
    return outcome


class Chunk(NamedTuple):
    """A chunk of neighbouring items."""

    number: int
    pairs: Sequence[Pair]


def _name_of(chunk: Chunk) -> str:
    return f"chunk {chunk.number}"


class Report(NamedTuple):
    """The state of a chunk in its worker: when it began [ns], and the outcomes of its items so far."""

    begun_ns: int
    outcomes: list[Outcome]
    failures: list[Any]  # the packed errors of outcomes that travel, in whose values they have no place


class _PerItem(NamedTuple):
    """What is done with each item of a chunk, in a form that travels."""

    function: Callable[..., Any]
    name: str
    label: Callable[[Any], str] | None
    owner: str
    retry: RetryPolicy
    fallback: Callable[..., Any] | None
    timeout_s: float | None

    def branches(self) -> Branches:
        """Return the branches of the call, made in the worker, which run one item each."""
        return Branches(self.function, **{name: value for name, value in self._asdict().items() if name != "function"})

    def with_pickled_values(self) -> _PerItem:
        """Return the same call for items and values that are pickled one by one, so that each can fail by itself."""
        label, fallback = self.label, self.fallback
        return self._replace(
            function=_Pickling(self.function),
            label=None if label is None else _Unpickling(label),
            fallback=None if fallback is None else _Pickling(fallback),
        )


@dataclass(frozen=True, slots=True)
class _Unpickling:
    """A function that gets its first argument pickled; a class of its own, so that it can travel."""

    function: Callable[..., Any]

    def __call__(self, packed: Any, *rest: Any) -> Any:
        return self.function(unpack(packed), *rest)


class _Pickling(_Unpickling):
    """A function that gets its first argument pickled and returns its value pickled."""

    __slots__ = ()

    def __call__(self, packed: Any, *rest: Any) -> Any:
        value = self.function(unpack(packed), *rest)
        if type(value) is CoroutineType:
            return value  # refused by its caller
        try:
            return pack_result(value)
        except Exception as error:
            raise not_sent("the branch", error) from error


def _packed(pairs: Sequence[Pair], call: _PerItem) -> tuple[list[Pair], list[Outcome]]:
    """Return the items that can be sent, packed, and outcomes for the others."""
    found, unsent, branches = [], [], call.branches()
    for position, item in pairs:
        try:
            found.append((position, pack(item)))
        except Exception as error:
            now, failed = current_clock().now_ns(), cannot_send(branches.where(position), error)
            unsent.append(Outcome(position, None, failed, "error", 1, now, now, now, branches.name_of(item)))
    return found, unsent


@dataclass(frozen=True)
class _ChunkRun:
    """Runs the items of a chunk in its worker, one after the other, and reads their outcomes at the caller."""

    call: _PerItem
    on_error: OnError
    travels: bool
    kept: dict[int, Report] = field(default_factory=dict)
    stop_requests: list[str] = field(default_factory=list)  # no event: it could not be pickled

    # -- in the worker ------------------------------------------------------------------------------------------

    def run(self, chunk: Chunk) -> Report:
        branches, report, lane = self._begun(chunk)
        for position, item in chunk.pairs:
            outcome = branches.run(position, item, report.begun_ns, lane)
            if self._is_over(report, outcome):
                break
        return report

    async def run_async(self, chunk: Chunk) -> Report:
        branches, report, lane = self._begun(chunk)
        for position, item in chunk.pairs:
            outcome = await branches.run_async(position, item, report.begun_ns, lane)
            if self._is_over(report, outcome):
                break
            await asyncio.sleep(0)  # items that never wait must not shut out the other chunks
        return report

    def _begun(self, chunk: Chunk) -> tuple[Branches, Report, Any]:
        branches = self.call.branches()
        report = Report(branches.now_ns(), [], [])
        if not self.travels:
            self.kept[chunk.number] = report  # so that what was done is not lost with a worker that is given up
        return branches, report, branches.recorder.lanes.mine()

    def _is_over(self, report: Report, outcome: Outcome) -> bool:
        """Keep an outcome, and return whether nothing may follow it."""
        error = outcome.error
        if self.travels:
            report.failures.append(None if error is None else pack_error(error))
            outcome.error = None
        report.outcomes.append(outcome)
        is_fatal = error is not None and (self.on_error == "raise" or not isinstance(error, Exception))
        return is_fatal or bool(self.stop_requests)

    # -- at the caller --------------------------------------------------------------------------------

    @contextmanager
    def ended_early(self, token: CancelToken) -> Iterator[None]:
        """Stop the workers after the item in progress, or kill processes, when the block is left by an error."""
        try:
            yield
        except BaseException:
            self.stop_requests.append("stop")
            if self.travels:
                token.cancel()
            raise

    def outcomes(self, chunk: Chunk, done: Outcome) -> Iterator[Outcome]:
        """Yield an outcome for each item of a chunk that is done, or is given up."""
        report = done.value or self.kept.get(chunk.number) or Report(0, [], [])
        shift_ns = done.started_ns - report.begun_ns if self.travels else 0  # a worker may have another clock
        known = report.outcomes.copy()  # a worker that was given up may still be at it
        for place, outcome in enumerate(known):
            if self.travels:
                where = f"item {outcome.index} of {self.call.owner!r}"
                outcome.value, outcome.error = unpack_result(outcome.value, report.failures[place], where)
                if outcome.error is not None and outcome.ok:
                    outcome.status = "error"  # the value could not be loaded
            outcome.submitted_ns = done.submitted_ns
            outcome.started_ns += shift_ns
            outcome.ended_ns += shift_ns
            yield outcome
        if done.error is not None and len(known) < len(chunk.pairs):
            lost, name_of = chunk.pairs[len(known) :], self.call.branches().name_of
            add_note_once(done.error, f"items {lost[0][0]} to {lost[-1][0]} of {self.call.owner!r} have no result")
            times = (done.submitted_ns, done.started_ns, done.ended_ns)
            for position, item in lost:
                yield Outcome(position, None, done.error, done.status, 1, *times, name_of(item))
