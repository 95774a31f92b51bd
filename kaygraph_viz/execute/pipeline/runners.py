"""How one worker of a stage runs its items, one after the other: in its thread, in a process, or by another thread.

Belongs here: running an item, and giving it up. Does not belong here: where items come from and go (``workers``),
and how they are run inside (``core.branch``, ``local.processes``, ``core.thread_workers``).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from functools import cache, partial
from typing import Any, Protocol, cast

from kaygraph_viz.clock import REAL, current_clock
from kaygraph_viz.execute.core.branch import Branches, Claim
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import Request
from kaygraph_viz.execute.core.thread_workers import ThreadCrew
from kaygraph_viz.execute.core.worker_pool import Crew, Pulled, delivered
from kaygraph_viz.execute.local import processes
from kaygraph_viz.execute.local.process_pool import Pool
from kaygraph_viz.execute.local.simulated import simulated_pool
from kaygraph_viz.execute.pipeline.queues import Packet
from kaygraph_viz.sync import threads
from kaygraph_viz.trace.lanes import Lane

__all__ = ["Runner", "runner_for"]


class Runner(Protocol):
    """What runs the items of one worker."""

    def __enter__(self) -> object:
        """Get ready, in the thread of the worker."""

    def run(self, packet: Packet) -> Outcome | None:
        """Return what became of an item; None if it was given up meanwhile, and the worker with it."""

    def give_up(self, reason: BaseException) -> None:
        """Stop at once, whatever it is doing, and return at once; called from another thread."""

    def __exit__(self, *exc_info: object) -> None:
        """Let go of everything, in the thread of the worker."""


def runner_for(branches: Branches, kind: str) -> Runner:
    """Return what runs items for one worker.

    Parameters
    ----------
    branches
        What the items have in common.
    kind
        ``"thread"`` or ``"process"``.

    Raises
    ------
    BranchError
        If the function has to be sent to other processes and cannot be.
    """
    pool = simulated_pool(kind)
    if kind == "process":
        header = processes._header(Request(branches, (), False, 0, branches.timeout_s, None, None))
        return _ProcessRunner(branches, header) if pool is None else _Relay(branches, pool)
    if branches.timeout_s is None:
        return _ThreadRunner(branches)
    return _Relay(branches, pool or ThreadCrew)


class _ThreadRunner:
    """Runs items in the thread of the worker."""

    def __init__(self, branches: Branches) -> None:
        self._branches = branches
        self._claim = Claim()
        self._lanes = branches.recorder.lanes if branches.recorder is not None else None
        self._lane: Lane | None = self._lanes.take("thread") if self._lanes is not None else None
        clock = current_clock()
        self._start_up_s, self._dispatch_s = clock.start_up_s["thread"], clock.dispatch_s["thread"]

    def __enter__(self) -> None:
        if self._lanes is not None and self._lane is not None:
            self._lanes.enter(self._lane)
        _pass(self._start_up_s)

    def run(self, packet: Packet) -> Outcome | None:
        _pass(self._dispatch_s)
        outcome = self._branches.run(packet.index, packet.value, packet.entered_ns, self._lane, self._claim)
        return None if outcome.status == "abandoned" else outcome

    def give_up(self, reason: BaseException) -> None:
        """Leave the thread alone with its item; its bar goes on until it ends."""
        held, recorder = self._claim.peek(), self._branches.recorder
        if held is None:
            return
        if recorder is not None:
            recorder.open_spans[held.span_id] = held  # before the worker can learn that it was given up
        if not self._claim.release(held) and recorder is not None:
            recorder.open_spans.pop(held.span_id, None)

    def __exit__(self, *exc_info: object) -> None:
        if self._lanes is not None and self._lane is not None:
            self._lanes.free(self._lane)


def _pass(seconds: float) -> None:
    if seconds:
        current_clock().sleep(seconds)


class _ProcessRunner:
    """Has items run in a process of its own, and waits for each answer: a crew of one worker, as that worker sees it.

    The worker knows how to end a process and what to say about one that died; here it is called instead of started.
    """

    def __init__(self, branches: Branches, header: dict[str, Any]) -> None:
        self.branches = branches
        self.header = header
        self.done: deque[Outcome] = deque()
        self.news = threading.Event()
        self.is_real = (branches.recorder.clock if branches.recorder is not None else current_clock()) is REAL
        self.is_given_up = False
        self.pool = Pool(1)
        lane = branches.recorder.lanes.take("process") if branches.recorder is not None else None
        self._worker = processes._Worker(cast("processes._Crew", self), lane)
        self._next: list[Pulled] = []

    def __enter__(self) -> None:
        pass

    def run(self, packet: Packet) -> Outcome | None:
        self._next = [(packet.index, packet.value, packet.entered_ns)]
        while self._next and not self.is_given_up:
            chunk, self._next = self._next, []
            self._worker._exchange(*self._worker._packed(chunk))
            self._worker._arrivals.hand_over()
        return self.done.popleft() if self.done else None

    def serve_again(self, chunk: list[Pulled]) -> None:
        """Take back an item that was not begun."""
        self._next = chunk

    def leave(self, worker: object) -> None:
        """Do nothing: nobody waits for the worker."""

    def give_up(self, reason: BaseException) -> None:
        """Kill the process."""
        self.is_given_up = True
        self._worker.kill()

    def __exit__(self, *exc_info: object) -> None:
        self._worker._leave()
        self.pool.close()


class _Relay:
    """Has items run by a crew of a single worker, which watches the time of each and replaces a worker that is late."""

    def __init__(self, branches: Branches, pool: type[Crew]) -> None:
        self._packets = threads().SimpleQueue()
        packets = iter(self._packets.get, None)
        self._request = Request(branches, packets, False, 0, branches.timeout_s, None, None)
        self._outcomes: Generator[Outcome, None, None] = delivered(partial(_of_stage(pool), self._request, 1))

    def __enter__(self) -> None:
        pass

    def run(self, packet: Packet) -> Outcome:
        self._packets.put(packet)
        return next(self._outcomes)

    def give_up(self, reason: BaseException) -> None:
        """Kill the simulated process, or leave the thread alone."""
        self._request.token.cancel(reason)
        self._packets.put(None)

    def __exit__(self, *exc_info: object) -> None:
        self._packets.put(None)
        self._outcomes.close()


class _FromStage(Crew):
    """A crew whose items keep the index that they have in the source."""

    def _next_item(self) -> Pulled | None:
        pulled = super()._next_item()
        if pulled is None:
            return None
        packet: Packet = pulled[1]
        return packet.index, packet.value, packet.entered_ns


@cache
def _of_stage(pool: type[Crew]) -> Any:
    """Return a kind of pool as one whose items keep the index that they have in the source."""
    return type(f"Stage{pool.__name__}", (_FromStage, pool), {})
