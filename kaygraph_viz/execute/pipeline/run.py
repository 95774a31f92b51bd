"""A pipeline at work: its source, its stages and its reader, each in threads of their own, and queues between them.

Belongs here: starting, reading, what happens after an error, stopping, the bottleneck. Does not belong here: what
one stage does with one item (``stage_run``), and nodes (``graph.pipeline``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import Context, copy_context
from functools import partial
from types import TracebackType
from typing import Any, Self

from kaygraph_viz.checks import checked_word
from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import ON_ERROR, OnError
from kaygraph_viz.execute.core.retries import as_node_error
from kaygraph_viz.execute.coroutines.loops import INTERRUPT_WAIT_S
from kaygraph_viz.execute.pipeline.queues import END, Buffer, waiting
from kaygraph_viz.execute.pipeline.source import Source
from kaygraph_viz.execute.pipeline.stage_run import StageRun
from kaygraph_viz.execute.pipeline.stages import SOURCE, DeadLetter, Stage, StageFacts, checked_stages
from kaygraph_viz.execute.pipeline.workers import StageWorkers, step_for, workers_for
from kaygraph_viz.real_threads import Lock
from kaygraph_viz.sync import threads
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.recorder import current_scope, span
from kaygraph_viz.trace.span import RowTuple, Status

__all__ = ["READER", "PipelineRun"]

READER = "exec"  # the reader of a run: in a node, its method of that name


class PipelineRun(Iterator[Outcome]):
    """A running pipeline: an iterator over the outcomes of the items of its source."""

    def __init__(
        self,
        stages: Sequence[Stage],
        items: Iterable[Any],
        *,
        owner: str = "pipeline",
        ordered: bool = True,
        on_error: OnError = "collect",
    ) -> None:
        stages = checked_stages(stages)
        if not isinstance(items, Iterable):
            raise OptionError(f"the source of {owner!r}", items, "an iterable", "[1, 2, 3]")
        checked_word("on_error", on_error, ON_ERROR)
        recorder = current_scope().recorder
        self._lanes, self._now_ns = recorder.lanes, recorder.now_ns
        sizes = [stage.buffer for stage in (*stages, stages[-1])]  # the reader has a queue like the last stage
        self._buffers = [Buffer(size, is_ordered=ordered, now_ns=self._now_ns) for size in sizes]
        self._output = self._buffers[-1]
        self._owner = owner
        self._source = Source(items, self._buffers[0], owner, self._now_ns)
        self._stage_runs = [
            StageRun(
                stage,
                self._buffers[at],
                self._buffers[at + 1],
                self._output,
                partial(self._fail, at + 1),
                collects=on_error == "collect",
                now_ns=self._now_ns,
            )
            for at, stage in enumerate(stages)
        ]
        self.count: Callable[[bool], object] | None = None  # called for each item that comes out: whether it is well
        self._steps: list[Callable[[], bool]] | None = None  # where everything happens in the reader's thread
        self._stage_workers: list[StageWorkers] = []
        self._threads: list[Any] = []
        self._spans: list[span] = []
        self._lock = Lock()
        self._fault: BaseException | None = None
        self._close_error: BaseException | None = None
        self._began_ns = self._waited_ns = 0
        self._ended_ns: int | None = None

    # -- reading ------------------------------------------------------------------------------------------------

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Outcome:
        """Return the outcome of an item, with the value of the last stage, or a `DeadLetter`."""
        began_ns = self._now_ns()
        thing = waiting(self._output.take) if self._steps is None else self._taken(self._steps)
        self._waited_ns += self._now_ns() - began_ns
        if thing is END:
            self.stop()
            raise StopIteration if self._fault is None else self._fault
        if self.count is not None:
            self.count(not isinstance(thing, DeadLetter))
        if isinstance(thing, DeadLetter):
            return thing
        name, read_ns = self._stage_runs[-1].stage.name, thing.read_ns
        return Outcome(thing.index, thing.value, None, "ok", 1, read_ns, read_ns, thing.entered_ns, name)

    def _taken(self, steps: Sequence[Callable[[], bool]]) -> Any:
        """Read items, and pass each through all stages, until something comes out; return that."""
        while (thing := self._output.take()) is None:
            if not self._advance(*steps):
                self._output.close()
        return thing

    def _advance(self, read: Callable[[], bool], *steps: Callable[[], bool]) -> bool:
        """Read an item and pass it through the stages until one fails; return whether there may be more."""
        if self._fault is not None:
            return False
        try:
            has_more = read()
        except BaseException as error:
            self._fail(0, error)
            return False
        all(step() for step in steps)  # up to the one that fails
        return has_more

    @property
    def read(self) -> int:
        """The number of items that have been read from the source."""
        return self._source.read

    @property
    def stages(self) -> list[StageFacts]:
        """The load of the source and of each stage so far."""
        makespan_ns = self._makespan_ns
        stages = [stage_run.meter.facts(makespan_ns, stage_run.inbox.longest) for stage_run in self._stage_runs]
        return [self._source.meter.facts(makespan_ns), *stages]

    @property
    def bottleneck(self) -> str:
        """The stage that was busy for the largest share of the time, or ``"source"``, or ``"exec"`` for the reader."""
        busiest = max(self.stages, key=lambda facts: facts.busy)
        makespan_ns = self._makespan_ns
        reader = 1 - self._waited_ns / makespan_ns if makespan_ns else 0.0
        return READER if reader > busiest.busy else busiest.name

    @property
    def _makespan_ns(self) -> int:
        return (self._now_ns() if self._ended_ns is None else self._ended_ns) - self._began_ns

    # -- starting and stopping ----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._began_ns = self._now_ns()
        try:
            self._start()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _start(self) -> None:
        is_serial = all(stage_run.stage.executor == "serial" for stage_run in self._stage_runs)
        source = self._opened(self._source, SOURCE, {} if is_serial else {"executor": "thread", "workers": 1})
        opened = []
        for stage_run in self._stage_runs:
            stage = stage_run.stage
            facts = {} if is_serial else {"executor": stage.kind, "workers": stage.workers, "buffer": stage.buffer}
            opened.append((stage_run, self._opened(stage_run, stage.name, facts)))
        if is_serial:
            steps = [
                partial(context.run, context.run(step_for, stage_run, self._owner)) for stage_run, context in opened
            ]
            self._steps = [partial(source.run, self._source.step), *steps]
            return
        lane = self._lanes.take("thread")
        self._stage_workers = [context.run(workers_for, stage_run, self._owner) for stage_run, context in opened]
        reader = threads().Thread(target=source.run, args=(self._read_all, lane), name=SOURCE, daemon=True)
        reader.start()
        self._threads.append(reader)
        for workers in self._stage_workers:
            self._threads.extend(workers.start())

    def _opened(self, part: Source | StageRun, name: str, facts: Mapping[str, Any]) -> Context:
        """Return a context in which everything belongs to the span of a stage."""
        context = copy_context()
        opened = _StageSpan(part, f"{self._owner} {name}", kind="node", **facts)
        context.run(opened.__enter__)
        self._spans.append(opened)
        return context

    def _read_all(self, lane: Lane) -> None:
        with self._lanes.occupied(lane):
            try:
                while self._source.step():
                    pass
            except BaseException as error:
                self._fail(0, error)
            finally:
                self._close_source()

    def _close_source(self) -> None:
        try:
            self._source.close()
        except BaseException as error:  # of a generator that cleans up
            self._close_error = as_node_error(error, f"the end of the source of {self._owner!r}")

    def _fail(self, number: int, error: BaseException) -> None:
        """Stop the source and the first `number` stages; the others finish the items that they have."""
        error = as_node_error(error, repr(self._owner))
        with self._lock:
            self._fault = error if self._fault is None else self._fault
        for buffer in self._buffers[:number]:
            buffer.abandon()

    def stop(self) -> None:
        """Read nothing more, and wait for the items in progress."""
        self._abandon_all()
        try:
            for thread in self._threads:
                thread.join()
        except KeyboardInterrupt as error:  # an interrupt must not wait for branches
            self._give_up(error)
            raise
        if self._steps is not None:
            self._close_source()
        self._end()

    def _abandon_all(self) -> None:
        for buffer in self._buffers:
            buffer.abandon()

    def _give_up(self, reason: BaseException) -> None:
        """Stop at once: processes are killed, coroutines cancelled, threads left alone with their item."""
        until = self._now_ns() + round(INTERRUPT_WAIT_S * 1e9)
        self._abandon_all()
        for workers in self._stage_workers:
            workers.give_up(reason)
        for thread in self._threads:
            thread.join(max(0.0, (until - self._now_ns()) / 1e9))
        self._end()

    def _end(self) -> None:
        if self._ended_ns is None:
            self._ended_ns = self._now_ns()
        while self._spans:
            self._spans.pop().__exit__(None, None, None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            self._give_up(error)
            return
        self.stop()
        if error is None and self._close_error is not None:
            raise self._close_error


class _StageSpan(span):
    """The span of a stage: from the begin of the run until its last item has left it."""

    __slots__ = ("_part",)

    def __init__(self, part: Source | StageRun, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._part = part

    def _row(self, ended_ns: int, status: Status, error: str | None) -> RowTuple:
        last_ns = self._part.ended_ns
        return self._row_of(ended_ns if last_ns is None else last_ns, (-1, 0, None), status, error)
