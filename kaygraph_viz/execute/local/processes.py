"""Processes that each run one chunk of items after the other, watched by a thread each.

Belongs here: what is sent to a child and when, its deadlines and its death. Does not belong here: the pipe and the
process itself (``process_starter``), what happens inside it (``worker_process``), what comes back (``answers``).

A batch may be cut into chunks, so that short items are not all waiting for the pipe. A piece of shared memory says
which item of a chunk is in progress and holds the results of those before it. So a child that dies costs the item in
progress and nothing else, and no item is run twice.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Generator
from functools import partial
from time import perf_counter_ns
from typing import Any, ClassVar

from kaygraph_viz.base.errors import BranchError, DeadlineExceeded, WorkerLostError
from kaygraph_viz.base.thread_protocols import Event
from kaygraph_viz.base.threads import Condition, Thread
from kaygraph_viz.capture.process_recorder import wanted_by
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.execute.base import Capabilities, Executor
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.call import Call
from kaygraph_viz.execute.local.answers import MAX_CHUNK, Results
from kaygraph_viz.execute.local.process_starter import Child, Pool
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pickling import are_atoms, by_value, cannot_send, context_values, pack
from kaygraph_viz.execute.worker_pool import Pulled, WorkerPool, run_pool, simulated_pool
from kaygraph_viz.trace.lanes import Lane
from kaygraph_viz.trace.options import DEFAULT_MAX_SPANS

__all__ = ["ProcessCall", "ProcessExecutor", "ProcessWorker", "ProcessWorkerPool"]

CHUNK_NS = 3_000_000  # how long a chunk may take, by what the items before it took
SHORT_NS = 1_000_000  # longer items are sent one by one
GROWTH = 4
IN_MEMORY = frozenset({list, tuple, range})
KILL_TIMEOUT_S = 0.4  # for killed children to be noticed, when control must go back at once


class ProcessExecutor(Executor):
    """Runs branches in processes of this machine: good for Python code that computes, since each has its own GIL."""

    kind: ClassVar[str] = "process"
    items_ahead: ClassVar[int] = 64
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs_in_parallel=True, can_kill=True, shares_memory=False, needs_pickling=True
    )

    def __init__(self, max_workers: int | None = None) -> None:
        super().__init__(max_workers)
        self._pool = Pool(self.workers)
        self._finalizer = weakref.finalize(self, self._pool.close_all)  # also when the program ends

    def _run(self, call: Call) -> Generator[Outcome, None, None]:
        pool = simulated_pool(self.kind)
        if pool is not None:
            return run_pool(partial(pool, call, self.workers, self))
        self._pool.max_idle = workers = self.workers  # which may differ from what it was under another clock
        return run_pool(partial(ProcessWorkerPool, call, workers, self._pool))

    def close(self) -> None:
        """Wait for what was submitted and end the processes; using the executor afterwards is an error."""
        super().close()
        self._pool.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as a new executor of the same size: a node that holds one can be sent to a process."""
        return type(self), (self._asked,)


class ProcessWorkerPool(WorkerPool):
    """The processes of one `imap` call, with a thread for each, and a thread that reads the input for all of them."""

    def __init__(self, call: Call, workers: int, children: Pool) -> None:
        super().__init__(call, workers)
        self.shared = ProcessCall(call.branches, children, self.done, self.news)
        self.is_all_pulled = self._is_over = False
        self.ready: deque[Pulled] = deque()
        self._is_in_memory = type(call.items) in IN_MEMORY
        self._ready_changed = Condition()
        self._waiting = 0  # workers that wait for items

    def start_workers(self) -> None:
        """Start the workers and the thread that reads the input for them."""
        super().start_workers()
        self._start(_InputReader(self))

    def _start_worker(self) -> None:
        self._start(_ProcessThread(self, self.branches.recorder.lanes.take("process")))

    def read_input(self) -> bool:
        """Pull what there is room for and queue it for the workers; return whether there may be more."""
        if self._is_in_memory and self._memory is None:
            pulled = self._pull_many()
        else:
            one = self.pull()
            pulled = [] if one is None else [one]
        self.ready.extend(pulled)
        if self._waiting:
            with self._ready_changed:
                self._ready_changed.notify(len(pulled))
        return bool(pulled)

    def _pull_many(self) -> list[Pulled]:
        """Pull as often as there is room, without the lock: an input that is in memory never blocks."""
        first = self.pull()
        if first is None:
            return []
        room = min(MAX_CHUNK, self._limit - (self._pulled - self._delivered))  # not all at once: workers wait
        numbers = range(self._pulled, self._pulled + room)  # at first in `zip`: where there are none, no item is lost
        rest = list(zip(numbers, self._items, itertools.repeat(first[2]), strict=False))
        self._pulled += len(rest)
        return [first, *rest]

    def put_back(self, chunk: list[Pulled]) -> None:
        """Queue items again, before all others, that were sent and not begun."""
        self.ready.extendleft(reversed(chunk))
        self.wake_all()

    def wake_all(self) -> None:
        """Wake all workers that wait for items."""
        with self._ready_changed:
            self._ready_changed.notify_all()

    def take(self, max_items: int, *, may_wait: bool = True) -> list[Pulled]:
        """Return the next items, no more than a fair share; after a wait, none when nothing more is to begin."""
        with self._ready_changed:
            self._waiting += 1  # before the look: an item that comes after it is announced
            while may_wait and not self.ready and not self.is_all_pulled:
                self._ready_changed.wait()
            self._waiting -= 1
            if self._is_over:  # there may be items all the same: pulled, or put back, at the last moment
                return []
            share = -(-len(self.ready) // self.size)
            return [self.ready.popleft() for _ in range(min(max_items, share))]

    def start_nothing(self) -> None:
        """Stop the workers after what they have in progress."""
        self._stop_pulling()

    def _stop_pulling(self) -> None:
        super()._stop_pulling()
        self.is_all_pulled = True
        with self._ready_changed:  # not between a look at what is there and taking it
            self._is_over = True
            self._ready_changed.notify_all()

    def stop(self) -> None:
        """Pull nothing more, and wait for what is in progress."""
        try:
            super().stop()
        except KeyboardInterrupt:  # an interrupt must not wait for branches
            self.give_up_all()
            raise

    def give_up_all(self) -> None:
        """Pull nothing more and kill what is in progress."""
        self.shared.is_given_up = True
        self._stop_pulling()
        workers = [thread for thread in list(self._workers) if isinstance(thread, _ProcessThread)]
        for thread in workers:
            thread.worker.kill()
        until = perf_counter_ns() + round(KILL_TIMEOUT_S * 1e9)
        for thread in workers:
            if thread is not threading.current_thread() and thread.is_alive():
                thread.join(max(0.0, (until - perf_counter_ns()) / 1e9))
        self._workers.clear()


class _InputReader(Thread):
    """A thread that pulls the input, so that one that blocks keeps no finished result from the reader."""

    def __init__(self, pool: ProcessWorkerPool) -> None:
        super().__init__(name="input", daemon=True)
        self.pool = pool

    def run(self) -> None:
        try:
            self.pool.branches.context().run(self._work)  # the input sees what its caller sees
        except BaseException as error:  # a fault of our own
            self.pool.fail(error)
        finally:
            self.pool.is_all_pulled = True
            self.pool.wake_all()
            self.pool.remove(self)

    def _work(self) -> None:
        while self.pool.read_input():
            pass


class _ProcessThread(Thread):
    """A thread that takes chunks of items from the pool and has them run, until there is nothing left."""

    def __init__(self, pool: ProcessWorkerPool, lane: Lane) -> None:
        super().__init__(name=lane.name or None, daemon=True)
        self.pool = pool
        self.worker = ProcessWorker(pool.shared, lane)

    def run(self) -> None:
        pool, worker = self.pool, self.worker
        try:
            while chunk := self._next_chunk():
                if not_begun := worker.run(chunk):
                    pool.put_back(not_begun)
        except BaseException as error:  # a fault of our own, or of the system: no item may get lost without a word
            worker.deliver()
            pool.fail(error)
            pool.start_nothing()
        finally:
            worker.close()
            pool.remove(self)

    def _next_chunk(self) -> list[Pulled]:
        """Return the next items; what came back is delivered once the child has them, or before a wait for them."""
        size = self.worker.chunk_size
        chunk = self.pool.take(size, may_wait=False) if size > 1 else []
        if not chunk:
            self.worker.deliver()
            chunk = self.pool.take(self.worker.chunk_size)
        return chunk


class ProcessCall:
    """The state that the process workers of one call share; the call is one of `imap`, or one worker of a stage."""

    __slots__ = ("branches", "children", "done", "header", "is_given_up", "is_real", "news")

    def __init__(self, branches: Branches, children: Pool, done: deque[Outcome], news: Event) -> None:
        self.branches = branches
        self.children = children
        self.done = done
        self.news = news
        self.header = _header(branches)
        self.is_real = branches.recorder.clock is REAL
        self.is_given_up = False


def _header(branches: Branches) -> dict[str, Any]:
    """Return the settings of a call that a child process needs."""
    try:
        call = by_value((branches.function, branches.label, branches.retry, branches.fallback))
    except Exception as error:
        raise cannot_send(f"the function of {branches.owner!r}", error) from error
    return {
        "call": call,
        "name": branches.name,
        "owner": branches.owner,
        "timeout_s": branches.timeout_s,
        "max_spans": DEFAULT_MAX_SPANS if branches.is_recorded else 0,
        "wanted": wanted_by(branches.recorder),
        "context": context_values(branches.context()),
        "path": list(sys.path),
        "folder": _folder(),
    }


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109  (a name to be sent)
    except OSError:  # it was removed
        return ""


class ProcessWorker:
    """Has items run in a child process, one child at a time, and delivers their outcomes."""

    def __init__(self, call: ProcessCall, lane: Lane) -> None:
        self.call = call
        self.lane = lane
        self.branches = call.branches
        self.chunk_size = 1  # how many items the next chunk should have
        self._results = Results(call.branches, lane, call.done, call.news, is_real=call.is_real)
        self._child: Child | None = None

    def run(self, chunk: list[Pulled]) -> list[Pulled]:
        """Run a chunk of items in a child process and return those that were not begun."""
        return self._exchange(*self._packed(chunk))

    def deliver(self) -> None:
        """Deliver the outcomes of the last chunk."""
        self._results.deliver()

    def kill(self) -> None:
        """Kill the child process, also in the middle of an item; from any thread."""
        if (child := self._child) is not None:
            child.kill()

    def close(self) -> None:
        """Give back the child process and the lane."""
        child, self._child = self._child, None  # from here on it may work for another call, and is not ours to kill
        if child is not None:
            self.call.children.give_back(child)
        self.branches.recorder.lanes.free(self.lane)

    def _packed(self, chunk: list[Pulled]) -> tuple[list[Pulled], list[Any]]:
        """Return the items that can be sent, and what is sent of them; the others have failed."""
        items = [pulled[1] for pulled in chunk]
        if are_atoms(items):
            return chunk, items
        found, packed = [], []
        for pulled in chunk:
            try:
                packed.append(pack(pulled[1]))
            except Exception as error:
                now = self.branches.now_ns()
                self._results.end(pulled, now, now, "error", cannot_send(self.branches.where(pulled[0]), error))
            else:
                found.append(pulled)
        return found, packed

    def _exchange(self, chunk: list[Pulled], packed: list[Any]) -> list[Pulled]:
        if not chunk:
            return []
        sent_ns, begun_ns = self.branches.now_ns(), perf_counter_ns()
        child = self._child
        if child is None:
            child = self._child = self.call.children.take()
            self.branches.recorder.lanes.enter_process(self.lane, child.pid)
        answer = self._asked(child, [pulled[0] for pulled in chunk], packed)
        if answer is None:
            self._child = None
            child.end()  # so that what it has done is complete
        self._results.deliver()  # also where nothing could be sent any more
        if child.answers.has_refused:
            return self._refuse(child, chunk, sent_ns)
        resolved, written = child.progress.written(answer or b"")
        self._results.keep(chunk, written, sent_ns)
        if answer is None:
            self._results.deliver()
            resolved += self._remove_dead(child, chunk[resolved:], sent_ns)
        else:
            self.call.children.begin_count()
            each_ns = (perf_counter_ns() - begun_ns) // max(1, resolved)
            wanted = CHUNK_NS // max(1, each_ns) if each_ns < SHORT_NS else 1
            self.chunk_size = max(1, min(wanted, GROWTH * self.chunk_size, MAX_CHUNK))
        return chunk[resolved:]

    def _asked(self, child: Child, indices: list[int], packed: list[Any]) -> bytes | None:
        """Send a chunk and return the answer; None if the child is dead."""
        child.progress.clear()  # what it still shows must not count as results of this chunk
        if self.call.is_given_up:
            child.kill()
            return None
        try:
            child.ask(self.call.header, indices, packed)
            self._results.deliver()  # of the chunk before, while the child works
            answer = self._answer(child)
        except (EOFError, OSError):
            if child.answers.has_refused:
                child.kill()
            return None
        if answer is not None and answer[:1] == b"!":
            owner, why = self.branches.owner, answer[1:].decode()
            raise BranchError(f"the function of {owner!r} could not be loaded in a worker process: {why}")
        return answer

    def _answer(self, child: Child) -> bytes | None:
        """Wait for the answer; None if the child had to be killed because an item is late."""
        timeout_s = self.branches.timeout_s
        if timeout_s is None:
            while (answer := child.answer(1.0)) is None:
                pass
            return answer
        left_s = timeout_s
        while (answer := child.answer(left_s)) is None:
            left_s = timeout_s
            if child.progress.in_progress is not None and not child.answers.has_begun:
                left_s = timeout_s - (perf_counter_ns() - child.progress.started_ns) / 1e9
            if left_s <= 0:
                child.kill()
                return None
        return answer

    def _remove_dead(self, child: Child, rest: list[Pulled], sent_ns: int) -> int:
        """Deliver the outcome of the item that a dead child was running; return 1, or 0 if it was running none."""
        position, started_ns = child.progress.in_progress, child.progress.started_ns
        was_idle = child.progress.begun == 0 and not child.was_killed and not self.call.is_given_up
        code = self.call.children.remove_dead(child, was_idle=was_idle)
        if position is None:
            if was_idle and self.call.children.were_too_many_killed():
                error = WorkerLostError(child.pid, code, self.branches.where(rest[0][0]))
                error.add_note(
                    "it was killed before it began the item, and so were all others that were started for it"
                )
                self._results.end(rest[0], sent_ns, self.branches.now_ns(), "lost", error)
                return 1
            return 0
        pulled, now, timeout_s = rest[0], perf_counter_ns(), self.branches.timeout_s
        started, ended = (started_ns, now) if self.call.is_real else (sent_ns, self.branches.now_ns())
        where = self.branches.where(pulled[0])
        if self.call.is_given_up:
            self._results.end(pulled, started, ended, "cancelled", None)  # only for the trace: it is not read any more
        elif not child.was_killed:
            self._results.end(pulled, started, ended, "lost", WorkerLostError(child.pid, code, where))
        elif timeout_s is not None and now - started_ns >= timeout_s * 1e9:
            self._results.end(pulled, started, ended, "timeout", DeadlineExceeded(where, timeout_s))
        else:  # the late one had just ended, and the kill hit the one after it
            return 0
        return 1

    def _refuse(self, child: Child, chunk: list[Pulled], sent_ns: int) -> list[Pulled]:
        """Deliver all items that were begun as lost, since nobody knows who did them, and return the others."""
        begun, now = child.progress.begun, self.branches.now_ns()
        code = self.call.children.remove_dead(child, was_idle=begun == 0)
        for pulled in chunk[:begun]:
            error = WorkerLostError(child.pid, code, self.branches.where(pulled[0]))
            error.add_note(
                "it was ended, since something else than it wrote to its pipe: a branch must leave that alone"
            )
            self._results.end(pulled, sent_ns, now, "lost", error)
            sent_ns = now  # so that their bars do not overlap
        return chunk[begun:]
