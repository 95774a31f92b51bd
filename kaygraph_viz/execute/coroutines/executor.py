"""Coroutines: many branches in one thread, each giving way to the others while it waits.

Belongs here: the slots of one call, and cancelling them. Does not belong here: what happens to one item
(``branch``), loops of our own (``loops``).

As in a TaskGroup, the first error cancels the branches beside it, and the call returns only when all of them have
ended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, ClassVar, Self

from kaygraph_viz.base.errors import BranchError, OptionError
from kaygraph_viz.clock.sync import run_loop, threads
from kaygraph_viz.execute.base import Capabilities, Executor, arranging, in_order
from kaygraph_viz.execute.call import Call, OnError
from kaygraph_viz.execute.coroutines.loops import INTERRUPT_WAIT_S, Service
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.retries import Fallback
from kaygraph_viz.trace.lanes import Lane

MAX_SLOTS = 1_000_000
TURN_NS = 10_000_000  # how long branches that never wait keep the loop for themselves
DEFAULT_SLOTS = 100  # as many as the clients of most services have connections for, and as a chart has rows for


class AsyncExecutor(Executor):
    """Runs branches as coroutines of one event loop: good for very many that wait."""

    kind: ClassVar[str] = "async"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs_in_parallel=True, can_kill=True, shares_memory=True, needs_pickling=False
    )
    worker_limit: ClassVar[int] = MAX_SLOTS
    _service: Service | None = None

    def _default_workers(self) -> int:
        return DEFAULT_SLOTS

    def slots(self, count: int | None) -> int:
        """Return how many branches may be in progress at once in a call with `count` items."""
        return self.workers if count is None else max(1, min(count, self.workers))

    async def aimap(
        self,
        fn: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        on_error: OnError = "raise",
        name: str | None = None,
        label: Callable[[Any], str] | None = None,
        owner: str | None = None,
        fallback: Fallback | None = None,
        **options: Any,
    ) -> AsyncGenerator[Outcome, None]:
        """Run ``fn(item)`` for each item in the running loop and yield an outcome for each."""
        request = self._checked(
            fn, items, on_error=on_error, name=name, label=label, owner=owner, fallback=fallback, **options
        )
        slots = _Slots(request, self.slots(request.count))
        arrange = arranging(request)
        with self._stoppable(request), request.token.stopping(slots.end):
            async with slots:
                while await slots.has_more():
                    for outcome in arrange(slots.done.popleft()):
                        slots.count_delivery()
                        if outcome.error is not None:
                            await slots.raise_if_wanted(outcome, on_error)
                        yield outcome

    async def gather(
        self,
        fn: Callable[[Any], Any],
        items: Iterable[Any],
        take: Callable[[Outcome], object],
        *,
        on_error: OnError = "raise",
        name: str | None = None,
        owner: str | None = None,
        fallback: Fallback | None = None,
        **options: Any,
    ) -> None:
        """Run ``fn(item)`` as `aimap` does and call `take` with each outcome; twice as fast for short items."""
        request = self._checked(fn, items, on_error=on_error, name=name, owner=owner, fallback=fallback, **options)
        slots = _Slots(request, self.slots(request.count))
        with self._stoppable(request), request.token.stopping(slots.end):
            async with slots:
                while await slots.has_more():
                    outcomes = slots.take_all()
                    for outcome in outcomes:
                        if outcome.error is not None:
                            await slots.raise_if_wanted(outcome, on_error, outcomes)
                        take(outcome)

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Run ``fn(*args)`` once, in a loop that the executor keeps in a thread, and return a future of its result."""
        if self._is_closed:
            raise OptionError("executor", self, "open", "with get_executor('async', 4) as executor: ...")
        if self._service is None or not self._service.serves(threads()):
            if self._service is not None:
                self._service.close()
            self._service = Service(self.workers)
        return self._service.submit(lambda _: fn(*args), getattr(fn, "__name__", "submitted"))

    def cancel(self) -> None:
        """Stop all calls in progress and what was submitted. The executor can be used again afterwards."""
        super().cancel()
        if self._service is not None:
            self._service.cancel()

    def close(self) -> None:
        """Wait for what was submitted; using the executor afterwards is an error, closing it again is not."""
        super().close()
        if self._service is not None:
            self._service.close()
            self._service = None

    def _run(self, request: Call) -> Generator[Outcome, None, None]:
        loop_thread = _LoopThread(request, self.slots(request.count))
        outcomes = loop_thread.outcomes()
        wait_s: float | None = None
        try:
            with request.token.stopping(loop_thread.cancel):
                loop_thread.thread.start()
                for outcome in in_order(outcomes) if request.ordered else outcomes:
                    loop_thread.count_delivery()
                    yield outcome
        except KeyboardInterrupt:
            wait_s = INTERRUPT_WAIT_S
            raise
        finally:
            loop_thread.stop(wait_s)


class _Slots:
    """The coroutine slots of one call: each pulls an item, runs it, and pulls the next one."""

    def __init__(self, request: Call, slots: int) -> None:
        self.branches = request.branches
        self.done: deque[Outcome] = deque()
        self._request = request
        self._items = request.opened()
        self._slots = slots
        self._limit = request.limit(slots) if request.memory is None else None
        self._opened = self._working = 0
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._pulled = self._delivered = 0
        self._is_stopped = self._is_starving = self._is_broken_off = self._is_closing = False
        self._turn_ns = 0
        self._fault: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._open_slots(1)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Cancel what is in progress and wait for it."""
        self._is_stopped = self._is_closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def has_more(self) -> bool:
        """Wait until an outcome is `done`; when there will be no more, raise the fault of the call or return False."""
        while not self.done and self._working and not self._is_broken_off:
            self._news.clear()
            await self._news.wait()
        if not self.done and self._fault is not None:
            raise self._fault
        return bool(self.done)

    def _open_slots(self, count: int) -> None:
        for _ in range(min(count, self._slots - self._opened)):
            self._opened += 1
            self._working += 1
            task = asyncio.create_task(self._work())
            self._tasks[task] = None
            task.add_done_callback(self._tasks.pop)

    def _open_more(self) -> None:
        """Open as many slots again, since a branch waits: branches that never wait need one."""
        if self._opened < self._slots and not self._is_stopped:
            self._open_slots(self._opened)

    async def _work(self) -> None:
        lanes = self.branches.recorder.lanes
        try:
            with lanes.occupied(lanes.take("async")) as lane:
                await self._work_on(lane)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # the input's own fault, or one of ours: raised after what came before it
            self._is_stopped, self._fault = True, error
        finally:
            self._working -= 1
            self._news.set()

    async def _work_on(self, lane: Lane) -> None:
        submitted, run, when_one_waits = self._request.submitted_ns, self.branches.run_async, self._open_more
        index, limit = 0, self._limit
        try:
            while not self._is_stopped:
                if self._pulled - self._delivered >= (limit or self._request.limit(self._slots)):
                    await self._find_room()
                try:
                    item = next(self._items)
                except StopIteration:
                    self._is_stopped = True
                    return
                except BaseException as raised:
                    raise self.branches.input_error(raised)
                index = self._pulled
                self._pulled += 1
                ready = self.branches.now_ns() if submitted is None else submitted
                outcome = await run(index, item, ready, lane, when_one_waits)
                self.done.append(outcome)
                if len(self.done) == 1:  # else the reader has not even read what was there before
                    self._news.set()
                if outcome.ended_ns >= self._turn_ns:  # branches that never wait must not shut out everybody else
                    self._turn_ns = outcome.ended_ns + TURN_NS
                    await asyncio.sleep(0)
        except asyncio.CancelledError as cancelled:
            if self._is_closing:
                raise
            raise BranchError(
                f"{self.branches.where(index)} cancelled its own task, or its event loop ended"
            ) from cancelled

    async def _find_room(self) -> None:
        while self._is_full():
            self._is_starving = True  # said before it looks again: a reader in another thread counts, then asks
            self._room.clear()
            if self._is_full():
                await self._room.wait()

    def _is_full(self) -> bool:
        return self._pulled - self._delivered >= (self._limit or self._request.limit(self._slots))

    def end(self, reason: BaseException) -> None:
        """End the call with an error; from any thread."""

        def break_off() -> None:
            self._is_stopped, self._fault = True, reason
            self._is_broken_off = True
            self._news.set()

        with suppress(RuntimeError):  # the loop has just been closed
            self._loop.call_soon_threadsafe(break_off)

    def count_delivery(self, count: int = 1) -> None:
        """Make room for more items; called by the one reader, which may be in another thread."""
        self._delivered += count
        if self._is_starving:
            self._is_starving = False
            with suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._room.set)

    def take_all(self) -> list[Outcome]:
        """Return the outcomes that are done and make room for as many items."""
        outcomes = list(self.done)
        self.done.clear()
        self.count_delivery(len(outcomes))
        return outcomes

    async def raise_if_wanted(self, outcome: Outcome, on_error: OnError, beside: Sequence[Outcome] = ()) -> None:
        """Raise the error of an outcome where that is wanted, and an interrupt always; `beside` came with it."""
        error = outcome.error
        if error is not None and (on_error == "raise" or isinstance(error, KeyboardInterrupt)):
            await self.__aexit__()
            # together with the errors of cancelled branches that failed while they cleaned up
            others = [
                each.error for each in (*beside, *self.done) if each.status == "error" and each.error is not error
            ]
            if not others or not isinstance(error, Exception):
                raise error
            errors = [error, *(each for each in others if isinstance(each, Exception))]
            raise ExceptionGroup(f"{len(others) + 1} branches failed", errors)


class _LoopThread:
    """A thread with an event loop for the slots of one call; delivers their outcomes to a reader in another thread."""

    def __init__(self, request: Call, slots: int) -> None:
        self._request = request
        self._slots = slots
        self._ready: deque[Outcome] = deque()
        self._news = threads().Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._running: _Slots | None = None
        self._is_cancelled = self._is_over = False
        context = request.branches.context()
        self.thread = threads().Thread(target=context.run, args=(self._run,), name="async", daemon=True)

    def _run(self) -> None:
        try:
            run_loop(self._main())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # raised by the reader
            self._error = error
        finally:
            self._task = None
            self._is_over = True
            self._news.set()

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._is_cancelled:  # before there was a task to cancel
            return
        self._running = slots = _Slots(self._request, self._slots)
        async with slots:
            while await slots.has_more():
                while slots.done:
                    self._ready.append(slots.done.popleft())
                self._news.set()

    def outcomes(self) -> Iterator[Outcome]:
        """Yield outcomes as they are completed; raise the error of the input after the last one."""
        is_over = False
        while not is_over:
            self._news.wait()
            self._news.clear()
            is_over = self._is_over  # before it looks for outcomes: those that come before the end are not missed
            while self._ready:
                yield self._ready.popleft()
        if self._error is not None:
            raise self._error

    def count_delivery(self) -> None:
        """Make room for one more item."""
        if self._running is not None:
            self._running.count_delivery()

    def cancel(self, reason: BaseException) -> None:
        """End the call with an error; from any thread."""
        if self._error is None:
            self._error = reason
        self._stop_loop()

    def stop(self, timeout_s: float | None = None) -> None:
        """Cancel what is in progress and wait until it has ended."""
        self._stop_loop()
        if self.thread.is_alive():  # it may not have started
            self.thread.join(timeout_s)

    def _stop_loop(self) -> None:
        self._is_cancelled = True
        task, loop = self._task, self._loop
        if task is not None and loop is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)
