"""One stage of a running pipeline: its queues, its counts, and passing its items on.

Belongs here: passing items on, blocked while there is no room, and the spans that show it. Does not belong here: the
queues (``queues``), which worker gets which item, starting and stopping (``run``).

A worker keeps its item until the next queue has room for it. So its bar ends with the time that it was blocked, and a
slow stage is felt by all stages before it, up to the source. Until then the bar is held back: only then is it known
how long that took.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kaygraph_viz.base.threads import Lock
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pipeline.queues import Buffer, QueuedItem, Wake, waiting, waiting_async
from kaygraph_viz.execute.pipeline.stages import DeadLetter, Stage, StageFacts
from kaygraph_viz.execute.retries import ONCE
from kaygraph_viz.trace.recorder import NO_RECORDER, Recorder, current_scope
from kaygraph_viz.trace.row import Row, RowTuple

Attempt = Callable[[Wake | None], int | None]


class StageRun:
    """A running stage: takes items from its inbox and puts their results into its outbox."""

    def __init__(
        self,
        stage: Stage,
        inbox: Buffer,
        outbox: Buffer,
        letters: Buffer,
        fail: Callable[[BaseException], None],
        *,
        collects: bool,
        now_ns: Callable[[], int],
    ) -> None:
        self.stage = stage
        self.inbox = inbox
        self.outbox = outbox
        self.fail = fail
        self.meter = Meter(stage.name, stage.workers)
        self.ended_ns: int | None = None
        self._letters = letters
        self._collects = collects
        self._now_ns = now_ns
        self._blocked_spans = BlockedSpans(NO_RECORDER, 0)

    def branches(self, owner: str) -> Branches:
        """Return the branches of the stage; their spans belong to the span around this call."""
        stage, scope = self.stage, current_scope()
        self._blocked_spans = BlockedSpans(scope.recorder, scope.span_id)
        return Branches(
            stage.fn,
            name=stage.name,
            owner=f"{owner}: {stage.name}",
            retry=stage.retry or ONCE,
            timeout_s=stage.timeout,
            add=self._blocked_spans.add,
        )

    def begin(self, queued: QueuedItem) -> QueuedItem:
        """Note that a worker begins with an item."""
        self._blocked_spans.expect(queued)
        return queued

    def finish(self, queued: QueuedItem, outcome: Outcome) -> None:
        """Put the result of an item, or its dead letter, into the next queue, and wait for room there."""
        index, attempt = queued.index, self._delivery(queued, outcome)
        if attempt(None) is not None:
            self._note_end(index)
        else:
            self._note_end(index, self._now_ns(), waiting(attempt))

    async def finish_async(self, queued: QueuedItem, outcome: Outcome) -> None:
        """Do as `finish`, in a coroutine."""
        index, attempt = queued.index, self._delivery(queued, outcome)
        if attempt(None) is not None:
            self._note_end(index)
        else:
            self._note_end(index, self._now_ns(), await waiting_async(attempt))

    def close(self) -> None:
        """Close the outbox: the last item is in it."""
        self.ended_ns = self._now_ns()
        self.outbox.close()

    def _delivery(self, queued: QueuedItem, outcome: Outcome) -> Attempt:
        """Return a function to try until it succeeds: the item belongs to the next stage from then on."""
        self.meter.count(outcome.ended_ns - outcome.started_ns, is_error=not outcome.ok)
        if outcome.ok:
            queued.value = outcome.value
            queued.link = self._blocked_spans.span_id(queued.index)
            return partial(self.outbox.offer, queued)
        self.outbox.skip(queued.position)
        if outcome.error is not None and (not self._collects or isinstance(outcome.error, KeyboardInterrupt)):
            self.fail(outcome.error)
            return lambda _: 0
        letter = DeadLetter(
            queued.index,
            error=outcome.error,
            status=outcome.status,
            attempts=outcome.attempts,
            submitted_ns=queued.entered_ns,
            started_ns=outcome.started_ns,
            ended_ns=outcome.ended_ns,
            name=outcome.name,
            stage=self.stage.name,
            item=queued.value,
        )
        return partial(self._letters.offer_aside, letter)

    def _note_end(self, index: int, since_ns: int = 0, until_ns: int = 0) -> None:
        """Count how long an item was held up, from when to when [ns], and record it."""
        blocked_ns = max(0, until_ns - since_ns)
        self.meter.count_blocked(blocked_ns)
        self._blocked_spans.release(index, until_ns, blocked_ns)


class Meter:
    """Counts the items and the busy time of a stage; from any thread."""

    def __init__(self, name: str, workers: int) -> None:
        self.name = name
        self.workers = workers
        self._lock = Lock()
        self._items = self._errors = self._busy_ns = self._blocked_ns = 0

    def count(self, busy_ns: int, *, is_error: bool = False) -> None:
        """Count one item and the time that was spent on it [ns]."""
        with self._lock:
            self._items += not is_error
            self._errors += is_error
            self._busy_ns += busy_ns

    def count_blocked(self, blocked_ns: int) -> None:
        """Count time that a worker waited with a finished item [ns]."""
        with self._lock:
            self._blocked_ns += blocked_ns

    def facts(self, makespan_ns: int, longest_queue: int = 0) -> StageFacts:
        """Return the counts so far, with the shares of time."""
        with self._lock:
            return StageFacts(
                self.name,
                self.workers,
                self._items,
                self._errors,
                self._busy_ns / 1e9,
                self._blocked_ns / 1e9,
                makespan_ns / 1e9,
                longest_queue,
            )


class BlockedSpans:
    """Keeps back the spans of a stage's items, which are children of `parent_id`, and passes on all others."""

    def __init__(self, recorder: Recorder, parent_id: int) -> None:
        self._recorder = recorder
        self._parent_id = parent_id
        self._in_progress: dict[int, QueuedItem] = {}
        self._held: dict[int, _HeldSpan] = {}

    def expect(self, queued: QueuedItem) -> None:
        """Note that a worker begins with an item: its span will be linked to the one that made the item."""
        self._in_progress[queued.index] = queued

    def add(self, row: RowTuple) -> None:
        """Keep back the span of an item that was made into something; pass on all others."""
        found = Row._make(row)
        queued = self._in_progress.get(found.index)
        if queued is None or found.parent_id != self._parent_id or found.kind != "branch":
            self._recorder.add(row)
            return
        found = found._replace(links=(queued.link,) if queued.link else None)
        if found.status == "ok":
            self._held[queued.index] = held = _HeldSpan(found)
            self._recorder.keep_open(held)
        else:
            self._recorder.add(found)

    def span_id(self, index: int) -> int:
        """Return the number of the span that is kept back for an item; 0 if there is none."""
        held = self._held.get(index)
        return held.span_id if held is not None else 0

    def release(self, index: int, ended_ns: int = 0, blocked_ns: int = 0) -> None:
        """Pass on the span of an item, which was blocked at its end for so long [ns]."""
        self._in_progress.pop(index, None)
        held = self._held.pop(index, None)
        if held is not None:
            self._recorder.add(held.row.blocked_until(ended_ns, blocked_ns))
            self._recorder.forget(held.span_id)


class _HeldSpan:
    """The span of an item whose work is done, but whose result is still with its worker."""

    __slots__ = ("row", "span_id")

    def __init__(self, row: Row) -> None:
        self.row = row
        self.span_id = row.span_id

    def abandoned_row(self, now_ns: int) -> Row:
        """Return the row if the recording ends now: blocked since the work was done."""
        return self.row.blocked_until(now_ns, now_ns - self.row.ended_ns)
