"""A pipeline at work: its source, its stages and its reader, each in threads of their own, and queues between them.

Belongs here: starting, reading, stopping, what happens after an error, the bottleneck; the source; the workers of a
stage and how each runs an item. Does not belong here: what is done around one item (``stage_run``), how its function is
called (``branch``, ``local.processes``, ``worker_pool``), and nodes (``graph.pipeline``).
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from functools import cache, partial
from types import TracebackType
from typing import Any, Self

from kaygraph_viz.base.checks import checked_word
from kaygraph_viz.base.errors import OptionError, add_note_once
from kaygraph_viz.base.threads import Event, Lock
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.clock.sync import run_loop, threads
from kaygraph_viz.execute.branch import Branches, Claim
from kaygraph_viz.execute.call import ON_ERROR, Call, OnError, opened
from kaygraph_viz.execute.coroutines.loops import INTERRUPT_WAIT_S
from kaygraph_viz.execute.local.process_starter import Pool
from kaygraph_viz.execute.local.processes import ProcessCall, ProcessWorker
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pipeline.queues import END, Buffer, QueuedItem, waiting, waiting_async
from kaygraph_viz.execute.pipeline.stage_run import Meter, StageRun
from kaygraph_viz.execute.pipeline.stages import SOURCE, DeadLetter, Stage, StageFacts, checked_stages
from kaygraph_viz.execute.retries import as_node_error
from kaygraph_viz.execute.worker_pool import Pulled, ThreadWorkerPool, WorkerPool, run_pool, simulated_pool
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.recorder import current_scope, span
from kaygraph_viz.trace.row import Row, RowTuple
from kaygraph_viz.trace.span import Status

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
        self._stage_workers: list[_Threads | _Coroutines] = []
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
        thing = waiting(self._output.take) if self._steps is None else self._taken(*self._steps)
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

    def _taken(self, read: Callable[[], bool], *steps: Callable[[], bool]) -> Any:
        """Read items, and pass each through all stages, until something comes out; return that."""
        while (thing := self._output.take()) is None:
            has_more = False
            if self._fault is None:
                try:
                    has_more = read()
                except BaseException as error:
                    self._fail(0, error)
                else:
                    all(step() for step in steps)  # up to the one that fails
            if not has_more:
                self._output.close()
        return thing

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


# -- the source ------------------------------------------------------------------------------------------------------


class Source:
    """The source of a pipeline: a stage of its own, whose work is to read items."""

    def __init__(self, items: Iterable[Any], outbox: Buffer, owner: str, now_ns: Callable[[], int]) -> None:
        self.outbox = outbox
        self.meter = Meter(SOURCE, 1)
        self.read = 0  # how many items have been read
        self.ended_ns: int | None = None
        self._items = items
        self._iterator: Iterator[Any] | None = None
        self._owner = owner
        self._now_ns = now_ns

    def step(self) -> bool:
        """Read an item and put it into the queue; return whether there may be more."""
        with _Reading(self.read) as reading:
            began_ns = self._now_ns()
            try:
                if self._iterator is None:
                    self._iterator = opened(self._items, f"the source of {self._owner!r}")
                value = next(self._iterator)
            except StopIteration:
                reading.found_nothing()
                return False
            except BaseException as raised:
                error = as_node_error(raised, where := f"item {self.read} of the source of {self._owner!r}")
                add_note_once(error, f"in {where}")
                raise error
            queued = QueuedItem(self.read, value, read_ns=self._now_ns(), link=reading.span_id, position=self.read)
            self.read += 1
            self.meter.count(queued.read_ns - began_ns)
            entered_ns = self.outbox.offer(queued)
            if entered_ns is None:
                entered_ns = waiting(partial(self.outbox.offer, queued))
                self.meter.count_blocked(max(0, entered_ns - queued.read_ns))
            reading.read_ns, reading.ended_ns = queued.read_ns, max(entered_ns, queued.read_ns)
            return not self.outbox.is_abandoned

    def close(self) -> None:
        """Close the iterator, if it is a generator, and the queue behind the source."""
        try:
            if isinstance(self._iterator, Generator):
                self._iterator.close()
        finally:
            self.ended_ns = self._now_ns() if self.ended_ns is None else self.ended_ns
            self.outbox.close()


class _Reading(span):
    """The span of one item, until it is in the queue; what the source records meanwhile lies in it."""

    __slots__ = ("ended_ns", "index", "read_ns")

    def __init__(self, index: int) -> None:
        super().__init__(SOURCE)
        self.index = index
        self.read_ns = 0  # when the item was there, and when it was in the queue
        self.ended_ns: int | None = None

    def found_nothing(self) -> None:
        """Rename the span, since there was no item: it must not count as one."""
        self.name, self.kind, self.index = f"end of {SOURCE}", "wait", -1

    def _row(self, ended_ns: int, status: Status, error: str | None) -> RowTuple:
        until_ns = ended_ns if self.ended_ns is None else self.read_ns
        row = Row._make(super()._row(until_ns, status, error))._replace(index=self.index)
        return row if self.ended_ns is None else row.blocked_until(self.ended_ns, self.ended_ns - until_ns)


# -- the workers of a stage: each takes an item, has it run, and passes it on ----------------------------------------


def step_for(stage_run: StageRun, owner: str) -> Callable[[], bool]:
    """Return a function that takes one item through a stage in the caller's thread and says whether it got through."""
    branches = stage_run.branches(owner)

    def step() -> bool:
        queued = stage_run.inbox.take()
        if queued is None or queued is END:
            return False
        lane = branches.recorder.lanes.mine()
        outcome = branches.run(stage_run.begin(queued).index, queued.value, queued.entered_ns, lane)
        stage_run.finish(queued, outcome)
        return outcome.ok

    return step


def workers_for(stage_run: StageRun, owner: str) -> _Threads | _Coroutines:
    """Return the workers of a stage."""
    branches = stage_run.branches(owner)
    return _Coroutines(stage_run, branches) if stage_run.stage.kind == "async" else _Threads(stage_run, branches)


class _Threads:
    """Threads that run items themselves, or have them run and wait for that."""

    def __init__(self, stage_run: StageRun, branches: Branches) -> None:
        self._stage_run = stage_run
        self._runners = [runner_for(branches, stage_run.stage.kind) for _ in range(stage_run.stage.workers)]
        self._context = branches.context()
        self._left = itertools.count(1)

    def start(self) -> Iterator[Any]:
        for runner in self._runners:
            context, name = self._context.copy(), self._stage_run.stage.name
            thread = threads().Thread(target=context.run, args=(self._work, runner), name=name, daemon=True)
            thread.start()
            yield thread

    def give_up(self, reason: BaseException) -> None:
        for runner in self._runners:
            runner.give_up(reason)

    def _work(self, runner: _ThreadRunner | _ProcessRunner | _Relay) -> None:
        stage_run = self._stage_run
        try:
            with runner:
                while (queued := waiting(stage_run.inbox.take)) is not END:
                    outcome = runner.run(stage_run.begin(queued))
                    if outcome is None:
                        return
                    stage_run.finish(queued, outcome)
        except BaseException as error:  # a fault of our own: no item may get lost without a word
            stage_run.fail(error)
        finally:
            if next(self._left) == len(self._runners):
                stage_run.close()


class _Coroutines:
    """A thread with an event loop, and in it a task for each worker of the stage."""

    def __init__(self, stage_run: StageRun, branches: Branches) -> None:
        self._stage_run = stage_run
        self._branches = branches
        self._lanes = branches.recorder.lanes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_given_up = False

    def start(self) -> Iterator[Any]:
        context, name = self._branches.context(), self._stage_run.stage.name
        thread = threads().Thread(target=context.run, args=(self._run,), name=name, daemon=True)
        thread.start()
        yield thread

    def give_up(self, reason: BaseException) -> None:
        self._is_given_up = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _run(self) -> None:
        try:
            run_loop(self._main())
        except BaseExceptionGroup as group:
            self._stage_run.fail(group.exceptions[0])
        except BaseException as error:
            self._stage_run.fail(error)
        finally:
            self._stage_run.close()

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._is_given_up:  # before there was a task to cancel
            return
        async with asyncio.TaskGroup() as slots:
            for _ in range(self._stage_run.stage.workers):
                slots.create_task(self._work())

    async def _work(self) -> None:
        stage_run = self._stage_run
        with self._lanes.occupied(self._lanes.take("async")) as lane:
            while (queued := await waiting_async(stage_run.inbox.take)) is not END:
                index = stage_run.begin(queued).index
                outcome = await self._branches.run_async(index, queued.value, queued.entered_ns, lane)
                await stage_run.finish_async(queued, outcome)
                await asyncio.sleep(0)  # slots that never wait must not shut out the others


# -- running the items of one worker: in its thread, in a process, or by another thread ------------------------------


def runner_for(branches: Branches, kind: str) -> _ThreadRunner | _ProcessRunner | _Relay:
    """Return the runner of items for one worker; a function that cannot be sent to processes is a `BranchError`."""
    pool = simulated_pool(kind)
    if kind == "process":
        return _ProcessRunner(branches) if pool is None else _Relay(branches, pool)
    if branches.timeout_s is None:
        return _ThreadRunner(branches)
    return _Relay(branches, pool or ThreadWorkerPool)


class _ThreadRunner:
    """Runs items in the thread of the worker."""

    def __init__(self, branches: Branches) -> None:
        self._branches = branches
        self._claim = Claim()
        self._lane = branches.recorder.lanes.take("thread")
        self._on_lane = branches.recorder.lanes.occupied(self._lane)
        self._clock = current_clock()

    def __enter__(self) -> None:
        self._on_lane.__enter__()
        if start_up_s := self._clock.start_up_s["thread"]:
            self._clock.sleep(start_up_s)

    def run(self, queued: QueuedItem) -> Outcome | None:
        """Run an item and return its outcome; None if it was given up meanwhile, and the worker with it."""
        if dispatch_s := self._clock.dispatch_s["thread"]:
            self._clock.sleep(dispatch_s)
        outcome = self._branches.run(queued.index, queued.value, queued.entered_ns, self._lane, self._claim)
        return None if outcome.status == "abandoned" else outcome

    def give_up(self, reason: BaseException) -> None:
        """Leave the thread alone with its item; its bar goes on until it ends."""
        self._branches.give_up(self._claim, self._claim.peek())

    def __exit__(self, *exc_info: object) -> None:
        self._on_lane.__exit__(None, None, None)


class _ProcessRunner:
    """Has items run in a process of its own, and waits for each answer."""

    def __init__(self, branches: Branches) -> None:
        self._children = Pool(1)
        self._done: deque[Outcome] = deque()
        self._call = ProcessCall(branches, self._children, self._done, Event())
        self._worker = ProcessWorker(self._call, branches.recorder.lanes.take("process"))

    def __enter__(self) -> None:
        pass

    def run(self, queued: QueuedItem) -> Outcome | None:
        chunk: list[Pulled] = [(queued.index, queued.value, queued.entered_ns)]
        while chunk and not self._call.is_given_up:
            chunk = self._worker.run(chunk)
            self._worker.deliver()
        return self._done.popleft() if self._done else None

    def give_up(self, reason: BaseException) -> None:
        """Kill the process."""
        self._call.is_given_up = True
        self._worker.kill()

    def __exit__(self, *exc_info: object) -> None:
        self._worker.close()
        self._children.close()


class _Relay:
    """Has items run by a pool of one worker, which watches the time of each and replaces a worker that is late."""

    def __init__(self, branches: Branches, pool: type[WorkerPool]) -> None:
        self._queued = threads().SimpleQueue()
        items = iter(self._queued.get, None)
        self._request = Call(branches, items, ordered=False)
        self._outcomes: Generator[Outcome, None, None] = run_pool(partial(_keeping_index(pool), self._request, 1))

    def __enter__(self) -> None:
        pass

    def run(self, queued: QueuedItem) -> Outcome:
        self._queued.put(queued)
        return next(self._outcomes)

    def give_up(self, reason: BaseException) -> None:
        """Kill the simulated process, or leave the thread alone."""
        self._request.token.cancel(reason)
        self._queued.put(None)

    def __exit__(self, *exc_info: object) -> None:
        self._queued.put(None)
        self._outcomes.close()


@cache
def _keeping_index(pool: type[WorkerPool]) -> Any:
    """Return a kind of pool whose items keep the index that they have in the source."""

    class StagePool(pool):  # type: ignore[misc,valid-type]  # which class it is depends on the clock
        def _next_item(self) -> Pulled | None:
            pulled = super()._next_item()
            if pulled is None:
                return None
            queued: QueuedItem = pulled[1]
            return queued.index, queued.value, queued.entered_ns

    return StagePool
