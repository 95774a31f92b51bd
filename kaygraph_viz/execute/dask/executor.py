"""Branches on a cluster of Dask workers, on this machine or on many: the executor, and one `imap` call.

Belongs here: what happens between an item of the input and its outcome: pulling, cutting into chunks, taking answers,
losses. Does not belong here: opening a cluster (``cluster``), running items (``worker``), reading what came back
(``results``).

A Dask task costs a millisecond or two, so short items travel several at a time. Errors, order, look-ahead and stamps
are those of each item all the same.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import uuid
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ClassVar

from kaygraph_viz.base.errors import BranchError, OptionError, SchedulerLostError
from kaygraph_viz.base.optional import SIMULATE, require, require_installed
from kaygraph_viz.base.threads import Condition, Thread
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.execute.base import Capabilities, Executor, in_order
from kaygraph_viz.execute.call import Call
from kaygraph_viz.execute.dask.cluster import Link, connected, local_cluster, threads_of
from kaygraph_viz.execute.dask.results import Chunk, News, Pair, Results, packed_setup
from kaygraph_viz.execute.dask.worker import GO, Answer, Written, read_journal, run_chunk
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pickling import by_value
from kaygraph_viz.execute.worker_pool import run_pool, simulated_pool
from kaygraph_viz.trace.row import describe_error

CHUNK_NS = 20_000_000  # the work that one Dask task should hold
MAX_ITEMS = 256
POLL_S = 0.01  # how long to wait for news while something else may have to be done
IDLE_POLL_S = 0.25  # how long where nothing else is expected
SCHEDULER_GONE_S = 5.0
SCHEDULER_SILENT_S = 7.0  # a scheduler that was stopped keeps its connections
OVERDUE_NS = 500_000_000
MAX_TRIES = 3  # of an item whose worker dies before it begins


class DaskExecutor(Executor):
    """Runs branches on the workers of a Dask cluster."""

    kind: ClassVar[str] = "dask"
    items_ahead: ClassVar[int] = 64
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs_in_parallel=True, can_kill=False, shares_memory=False, needs_pickling=True
    )

    def __init__(self, max_workers: int | None = None, client: Any = None) -> None:
        super().__init__(max_workers)
        self._threads: int | None = None
        if client is not None:
            distributed = require("distributed")
            if not isinstance(client, distributed.Client) or client.asynchronous:
                what = "a distributed.Client with asynchronous=False"
                raise OptionError("client", client, what, "client=Client(address)")
            self._threads = threads_of(client)
        if not current_clock().simulates(self.kind):  # simulated workers need no cluster
            require_installed("workers of the kind 'dask' in real time", SIMULATE)
            require("distributed")
        self._client = client
        self._link: Link | None = None

    def _default_workers(self) -> int:
        if self._threads is None or current_clock().simulates(self.kind):
            return super()._default_workers()
        return self._threads

    @property
    def client(self) -> Any:
        """The client in use: the one that was given, or that of our own cluster, which is started if need be."""
        return self._connected().client

    def _connected(self) -> Link:
        if self._link is None:
            workers = self.workers

            def connect() -> Link:
                if self._client is not None:
                    return Link(self._client, workers)
                cluster = local_cluster(workers)
                return Link(require("distributed").Client(cluster, set_as_default=False), workers, cluster)

            self._link = connected(connect)
        return self._link

    def _run(self, request: Call) -> Generator[Outcome, None, None]:
        pool = simulated_pool(self.kind)
        if pool is not None:
            return run_pool(partial(pool, request, self.workers, self))
        return self._run_on_cluster(request)

    def _run_on_cluster(self, request: Call) -> Generator[Outcome, None, None]:
        call = DaskCall(request, self._connected())
        outcomes = call.outcomes()
        try:
            for outcome in in_order(outcomes) if request.ordered else outcomes:
                call.count_delivery()
                yield outcome
        except BaseException as error:
            if not isinstance(error, GeneratorExit):
                call.give_up_all()  # an interrupt, a cancelled call, a lost scheduler: control goes back at once
            raise
        finally:
            call.stop()

    def close(self) -> None:
        """Release the cluster if it is our own; a client that was given stays open."""
        super().close()
        if self._link is not None:
            self._link.close()
            self._link = None


class DaskCall:
    """One call of `imap` on a cluster: a thread pulls items and sends them, the reader takes the outcomes."""

    def __init__(self, request: Call, link: Link) -> None:
        self._request = request
        self._branches = request.branches
        self._link = link
        self._call = uuid.uuid4().hex
        self._folder = link.new_folder(self._call)
        self._setup: bytes | None = packed_setup(self._branches)
        if self._folder is not None:  # each worker reads it there once
            Path(self._folder, GO).write_bytes(self._setup)
            self._setup = None
        self._results = Results(request, link)
        self._news: SimpleQueue[News] = SimpleQueue()
        self._items = request.opened()
        self._numbers = itertools.count()
        self._changed = Condition()  # guards all that follows
        self._in_flight: dict[int, Chunk] = {}
        self._given_up: dict[int, Chunk] = {}
        self._to_resend: deque[list[Pair]] = deque()
        self._tries: dict[int, int] = {}  # of items whose worker died before they began
        self._buffer: list[Pair] = []
        self._pulled = self._delivered = 0
        self._is_exhausted = self._is_stopped = False
        self._fault: BaseException | None = None
        self._lost_since_ns: int | None = None
        self._is_cut_off = False  # the scheduler does not answer: nothing more is asked of it
        alone = request.timeout_s is not None or self._folder is None  # a task then has to start at once
        self._max_chunks = link.threads if alone else 2 * link.threads
        self._max_items = 1 if alone else MAX_ITEMS
        self._service_ns = 0.0
        self._input_thread = Thread(
            target=self._branches.context().run, args=(self._read_input,), name="kaygraph-viz-dask", daemon=True
        )

    # -- the thread that pulls and sends ------------------------------------------------------------------------

    def _read_input(self) -> None:
        try:
            while self._may_pull():
                try:
                    item = next(self._items)
                except StopIteration:
                    self._end_input(None)
                except BaseException as error:  # the input's own fault: raised after the outcomes of what came before
                    self._end_input(self._branches.input_error(error))
                else:
                    ready_ns = self._request.submitted_ns
                    with self._changed:
                        ready_ns = self._branches.now_ns() if ready_ns is None else ready_ns
                        self._buffer.append((self._pulled, item, ready_ns))
                        self._pulled += 1
                        if len(self._buffer) == 1 and self._max_items > 1:
                            self._news.put(News())  # from now on the reader looks whether the input blocks
        except BaseException as error:  # a fault of our own, or of the connection: no item may get lost without a word
            self._news.put(News(reason=error))

    def _end_input(self, error: BaseException | None) -> None:
        with self._changed:
            self._is_exhausted, self._fault = True, error

    def _may_pull(self) -> bool:
        """Send what is ready; return once there is room for another item, or False when nothing more is to be sent."""
        with self._changed:
            while not self._is_stopped:
                limit = self._request.limit(self._link.threads)
                has_room = self._pulled - self._delivered < limit and not self._is_exhausted
                size = self._size(limit)
                is_idle = len(self._in_flight) < self._link.threads
                if len(self._in_flight) < self._max_chunks:
                    if self._to_resend:
                        self._send(self._to_resend.popleft())
                        continue
                    is_last = self._is_exhausted or (is_idle and not has_room)
                    if self._buffer and (len(self._buffer) >= size or is_last):
                        self._flush()
                        continue
                    if has_room:
                        return True
                if self._is_exhausted and not (self._in_flight or self._buffer or self._to_resend):
                    self._news.put(News(is_end=True))
                    return False
                self._changed.wait(IDLE_POLL_S if self._request.memory is not None else None)
        return False

    def _size(self, limit: int) -> int:
        """Return how many items the next chunk should have: enough work for its cost, and some for each worker."""
        if not self._service_ns:
            return 1
        wanted = int(CHUNK_NS / max(1.0, self._service_ns))
        return max(1, min(wanted, self._max_items, limit // (2 * self._link.threads)))

    def _flush(self) -> None:
        pairs, self._buffer = self._buffer, []
        self._send(pairs)

    def _send(self, pairs: list[Pair]) -> None:
        """Submit a chunk to Dask; items that cannot be packed are found by sending each alone."""
        try:
            packed = by_value([pair[:2] for pair in pairs])
        except Exception as error:
            self._split(pairs, f"cannot be sent to a worker: {describe_error(error)}", error)
            return
        chunk = Chunk(next(self._numbers), pairs, self._branches.now_ns())
        self._in_flight[chunk.number] = chunk
        chunk.future = self._link.client.submit(
            run_chunk,
            self._call,
            chunk.number,
            self._setup,
            self._folder,
            packed,
            key=f"kaygraph_viz-{self._call}-{chunk.number}",
            retries=0,
            pure=False,
        )

        async def fetch() -> None:
            try:
                answer = await self._link.gather(chunk.future)
            except BaseException as error:
                self._news.put(News(chunk, error=error))
            else:
                self._news.put(News(chunk, Answer(*answer)))

        asyncio.run_coroutine_threadsafe(fetch(), self._link.loop)

    def _split(self, pairs: list[Pair], text: str, cause: BaseException | None = None) -> None:
        """Send each item alone; one that is alone already has failed."""
        if len(pairs) > 1:
            self._to_resend.extendleft([[pair] for pair in reversed(pairs)])
            return
        error = BranchError(f"{self._branches.where(pairs[0][0])} {text}")
        error.__cause__ = cause
        self._news.put(News(outcome=self._results.failed(pairs[0], error)))

    # -- the reader ---------------------------------------------------------------------------------------------

    def outcomes(self) -> Iterator[Outcome]:
        """Yield outcomes as they come back; raise the error of the input after the last one."""
        self._input_thread.start()
        with self._request.token.stopping(lambda reason: self._news.put(News(reason=reason))):
            while True:
                is_watching = self._buffer or self._request.timeout_s is not None
                try:
                    news = self._news.get(timeout=POLL_S if is_watching else IDLE_POLL_S)
                except Empty:
                    yield from self._check()
                    continue
                if news.is_end:
                    break
                yield from self._taken(news)
                if self._request.timeout_s is not None:
                    yield from self._late()
        if self._fault is not None:
            raise self._fault

    def count_delivery(self) -> None:
        """Make room for one more item."""
        self._wake(1)

    def _wake(self, delivered: int = 0) -> None:
        with self._changed:
            self._delivered += delivered
            self._changed.notify()

    def _check(self) -> list[Outcome]:
        """Send items that wait for an input that blocks; check deadlines and the connection."""
        with self._changed:
            if self._buffer and len(self._in_flight) < self._max_chunks:
                self._flush()
        self._check_scheduler()
        return [*self._overdue(), *(self._late() if self._request.timeout_s is not None else [])]

    def _overdue(self) -> list[Outcome]:
        """Return outcomes from the journals of dead workers, for which Dask would wait half a minute."""
        found = []
        for chunk in list(self._in_flight.values()):
            if self._branches.now_ns() - chunk.sent_ns > OVERDUE_NS:
                written = read_journal(self._folder, chunk.number)
                if written.is_ended:
                    found += self._taken(News(chunk, Answer(written.worker, written.finished)))
        return found

    def _check_scheduler(self) -> None:
        if self._link.client.status == "running":
            self._lost_since_ns = None
            if self._link.silent_s() > SCHEDULER_SILENT_S:
                self._is_cut_off = True
                raise SchedulerLostError(self._link.address)
            return
        now_ns = self._branches.now_ns()
        if self._lost_since_ns is None:
            self._lost_since_ns = now_ns
        if self._link.client.status == "closed" or now_ns - self._lost_since_ns > SCHEDULER_GONE_S * 1e9:
            raise SchedulerLostError(self._link.address)

    def _taken(self, news: News) -> list[Outcome]:
        """Return the outcomes that come with an entry of the news queue."""
        if news.reason is not None:
            if self._link.client.status != "running" and not self._request.token.is_cancelled:
                raise SchedulerLostError(self._link.address) from news.reason
            raise news.reason
        if news.outcome is not None:
            self._wake()
            return [news.outcome]
        chunk = news.chunk
        if chunk is None:
            return []
        if chunk.number not in self._in_flight:
            if self._given_up.pop(chunk.number, None) is not None:
                self._results.release(chunk.number)
            return []
        outcomes = self._of_chunk(chunk, news)
        with self._changed:
            del self._in_flight[chunk.number]  # last: before what is to be sent again is queued, all would seem done
            self._changed.notify()
        return outcomes

    def _of_chunk(self, chunk: Chunk, news: News) -> list[Outcome]:
        answer = news.answer
        if answer is None or answer.is_rerun:
            return self._lost(chunk, news.error)
        self._forget(chunk)
        if answer.fault is not None:
            with self._changed:
                self._split(chunk.pairs, f"could not be loaded on the worker: {answer.fault}")
            return []
        outcomes = self._results.of(chunk.pairs, answer.worker, answer.finished)
        if not outcomes:  # as where somebody has removed the folder of the journals
            return self._unbegun(chunk, read_journal(None, 0), None)
        mean_ns = sum(outcome.ended_ns - outcome.started_ns for outcome in outcomes) / len(outcomes)
        self._service_ns = mean_ns if not self._service_ns else (mean_ns + self._service_ns) / 2
        if len(outcomes) < len(chunk.pairs):
            with self._changed:
                self._to_resend.appendleft(chunk.pairs[len(outcomes) :])
        return outcomes

    def _forget(self, chunk: Chunk) -> None:
        """Empty a journal; the file stays, since by it a worker sees that Dask runs the chunk again."""
        if self._folder is not None:
            with suppress(OSError):
                os.truncate(Path(self._folder, str(chunk.number)), 0)

    def _lost(self, chunk: Chunk, error: BaseException | None) -> list[Outcome]:
        """Return the outcomes of a chunk whose worker died, with the lost item last; the rest is sent again."""
        if error is not None and self._link.client.status != "running":
            raise SchedulerLostError(self._link.address) from error
        written = read_journal(self._folder, chunk.number)
        self._forget(chunk)
        outcomes = self._results.of(chunk.pairs, written.worker, written.finished)
        first = len(outcomes)
        if self._folder is None or (written.started is not None and written.started >= first):
            outcomes.append(self._results.lost(chunk.pairs[first], chunk.sent_ns, written, error))
            first += 1
        rest = chunk.pairs[first:]
        if len(rest) == len(chunk.pairs):
            return self._unbegun(chunk, written, error)
        if rest:
            with self._changed:
                self._to_resend.appendleft(rest)
        return outcomes

    def _unbegun(self, chunk: Chunk, written: Written, error: BaseException | None) -> list[Outcome]:
        """Send a chunk again of which no item was begun; not for ever, since loading it may be why a worker died."""
        index = chunk.pairs[0][0]
        self._tries[index] = tries = self._tries.get(index, 0) + 1
        if tries < MAX_TRIES or len(chunk.pairs) > 1:
            with self._changed:
                self._to_resend.extendleft([[pair] for pair in reversed(chunk.pairs)])  # alone: which one is it?
            return []
        return [self._results.lost(chunk.pairs[0], chunk.sent_ns, written, error)]

    # -- deadlines and stopping ---------------------------------------------------------------------------------

    def _late(self) -> list[Outcome]:
        """Give up items that overran their time and return their outcomes."""
        now_ns, timeout_ns = self._branches.now_ns(), (self._request.timeout_s or 0.0) * 1e9
        found = []
        for chunk in list(self._in_flight.values()):
            if now_ns - chunk.sent_ns < timeout_ns:
                continue
            written = read_journal(self._folder, chunk.number)
            started = self._results.started_ns(chunk.sent_ns, written)
            if started is not None and now_ns - started >= timeout_ns and len(written.finished) == 0:
                found.append(self._results.timed_out(chunk.pairs[0], started))
                self._give_up(chunk, written, "timeout", started)
        if found:
            self._wake()
        return found

    def _give_up(self, chunk: Chunk, written: Written, status: Any, started_ns: int | None) -> None:
        """Give up a chunk: on a cluster of our own its worker is killed, elsewhere its bar goes on."""
        with self._changed:
            self._in_flight.pop(chunk.number, None)
        if started_ns is None:
            self._cancel(chunk)
            return
        pair = chunk.pairs[written.started or 0]
        if self._link.kill(written.worker):
            self._results.ended_by_us(pair, written.worker, started_ns, status)
            self._cancel(chunk)
        else:
            self._given_up[chunk.number] = chunk
            self._results.hold(chunk.number, pair, written.worker, started_ns)

    def _cancel(self, chunk: Chunk) -> None:
        if chunk.future is not None and not self._is_cut_off:
            with suppress(Exception):  # the connection may be gone: then there is nothing to cancel
                chunk.future.cancel(force=True)

    def stop(self) -> None:
        """Pull and start nothing more, and wait for the items in progress."""
        self._stop_starting()
        while self._in_flight and self._link.client.status == "running":
            for chunk in list(self._in_flight.values()):
                if self._folder is not None and not Path(self._folder, str(chunk.number)).exists():
                    self._give_up(chunk, read_journal(None, 0), "cancelled", None)  # it can never start any more
            try:
                news = self._news.get(timeout=POLL_S)
            except Empty:
                self._overdue()
                if self._request.timeout_s is not None:
                    self._late()
                continue
            if news.chunk is not None and news.answer is not None and news.chunk.number in self._in_flight:
                self._results.of(news.chunk.pairs, news.answer.worker, news.answer.finished)
            if news.chunk is not None:
                self._in_flight.pop(news.chunk.number, None)
        if self._input_thread.ident is not None:
            self._input_thread.join()
        self._end()

    def give_up_all(self) -> None:
        """Pull and start nothing more, and wait for no item."""
        self._stop_starting()
        for chunk in list(self._in_flight.values()):
            written = read_journal(self._folder, chunk.number)
            is_running = written.started is not None and written.started >= len(written.finished)
            self._give_up(chunk, written, "cancelled", written.started_ns if is_running else None)
        self._end()

    def _stop_starting(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._to_resend.clear()
            self._buffer.clear()
            self._changed.notify()
        if self._folder is not None:
            with suppress(OSError):
                Path(self._folder, GO).unlink()

    def _end(self) -> None:
        for chunk in [*self._in_flight.values(), *self._given_up.values()]:
            self._cancel(chunk)
        self._in_flight.clear()
        self._results.free_all()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
