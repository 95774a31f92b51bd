"""The tasks of a simulation, what they do one after the other, and what they wait for.

Belongs here: the order of events, slots and the event loop; waiting, computing in turns, calling; what each branch of a
run consists of. Does not belong here: which worker gets which branch (``engine``), and estimating the operations where
parts are unknown (``gil_waits``).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush
from typing import Any

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.what_if.model import Model
from kaygraph_viz.base.parts import PART_CODE, PartKind
from kaygraph_viz.trace.columns import stretches, sums
from kaygraph_viz.trace.intervals import Bools, Ints

Callback = Callable[[], None]


# -- time and queues --------------------------------------------------------------------------------------------------


class EventQueue:
    """The events to come, by time; those of one instant run in the order in which they were entered."""

    __slots__ = ("_entries", "_serial", "now")

    def __init__(self) -> None:
        self.now = 0
        self._entries: list[tuple[int, int, Callback]] = []
        self._serial = itertools.count()  # events of one instant are never compared themselves

    def call_at(self, when: int, callback: Callback) -> None:
        """Enter an event for a time [ns], not before now."""
        heappush(self._entries, (when, next(self._serial), callback))

    def call_soon(self, callback: Callback) -> None:
        """Enter an event for this instant, after those that are due already."""
        heappush(self._entries, (self.now, next(self._serial), callback))

    def next_ns(self) -> int | None:
        """Return the time of the next event [ns]; None if there is none."""
        return self._entries[0][0] if self._entries else None

    def run(self) -> None:
        """Run all events, also those that are entered meanwhile, and set the time to that of each."""
        entries = self._entries
        while entries:
            self.now, _, callback = heappop(entries)
            callback()


class Slots:
    """A number of slots, such as cores, which are given out in the order of the requests."""

    __slots__ = ("_events", "_free", "queue")

    def __init__(self, events: EventQueue, count: int | None) -> None:
        self._events = events
        self._free = count
        self.queue: deque[Callback] = deque()

    @property
    def is_unlimited(self) -> bool:
        """Whether no request ever waits."""
        return self._free is None

    def acquire(self, then: Callback) -> None:
        """Call `then` with a slot: now if one is free, else after the earlier requests."""
        if self._free is None:
            then()
        elif self._free > 0:
            self._free -= 1
            then()
        else:
            self.queue.append(then)

    def release(self) -> None:
        """Pass the slot on to the next request, which runs after the events that are due already."""
        if self._free is None:
            return
        if self.queue:
            self._events.call_soon(self.queue.popleft())
        else:
            self._free += 1


class EventLoop:
    """The event loop of coroutines: one of them runs at a time, until it waits."""

    __slots__ = ("_due", "_events", "_is_active", "_is_free", "_late", "_left", "_ready")

    def __init__(self, events: EventQueue) -> None:
        self._events = events
        self._ready: deque[Callback] = deque()
        self._due: deque[Callback] = deque()  # with expired timers, which are noticed at the begin of a round
        self._late: deque[Callback] = deque()  # those noticed, which come in the next one
        self._left = 0
        self._is_free = True
        self._is_active = False

    def call_soon(self, callback: Callback) -> None:
        """Continue a coroutine in the next round."""
        self._ready.append(callback)
        self._run_ready()

    def wake(self, callback: Callback) -> None:
        """Continue a coroutine whose timer has expired, in one round with all whose timers expire at this instant."""
        self._due.append(callback)
        if len(self._due) == 1:
            self._events.call_soon(self._run_ready)

    def release(self) -> None:
        """Run the next coroutine, since the one that ran waits now or has ended."""
        self._is_free = True
        self._run_ready()

    def _run_ready(self) -> None:
        if self._is_active:  # further up the stack, where the loop goes on: thousands of branches are no recursion
            return
        self._is_active = True
        while self._is_free and self._has_next():
            self._left -= 1
            self._is_free = False
            self._ready.popleft()()
        self._is_active = False

    def _has_next(self) -> bool:
        while not self._left and (self._ready or self._due or self._late):
            self._ready.extend(self._late)
            self._late, self._due = self._due, deque()
            self._left = len(self._ready)
        return self._left > 0


# -- tasks ------------------------------------------------------------------------------------------------------------


# What a task does: wait [ns], compute with the interpreter [ns], make several calls at once [CallSpec], compute without
# the interpreter [ns]. Tuples of plain numbers, since a replay of thousands of branches creates one for each operation.
WAIT, COMPUTE, CALL, COMPUTE_FREE = range(4)
Operation = tuple[int, Any]
FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class CallSpec:
    """A parallel call to be simulated: branches, and the workers that take them."""

    branches: Sequence[int]
    workers: int
    kind: str = "thread"
    number: int = 0
    after_ns: int = 0
    start_up_ns: Sequence[int] = ()
    dispatch_ns: int = 0
    close_ns: int = 0
    is_lazy: bool = False
    supply_ns: Mapping[int, int] = field(default_factory=dict)
    is_static: bool = False
    feeder: int | None = None
    follows: Mapping[int, int] = field(default_factory=dict)
    is_ordered: bool = False
    room: int | None = None
    kept: int | None = None
    scale: float = 1.0


class Simulation:
    """The state that all tasks share: the event queue, the cores, and the times of branches and calls [ns]."""

    def __init__(
        self,
        branches: int,
        operations_of: Callable[[int], Sequence[Operation]],
        cores: int | None,
        switch_ns: int,
        make_calls: Callable[[Task, Sequence[CallSpec], Callback], None],
        *,
        has_gil: bool = True,
    ) -> None:
        self.events = EventQueue()
        self.operations_of = operations_of
        self.cores = Slots(self.events, cores)
        self.unlimited = Slots(self.events, None)
        self._has_gil = has_gil
        self.switch_ns = switch_ns
        self.make_calls = make_calls
        self.started, self.ended, self.submitted, self.worker = ([-1] * branches for _ in range(4))
        self.blocked = [0] * branches
        self.calls: dict[int, tuple[int, int]] = {}
        self.makespan_ns = 0

    def new_interpreter(self) -> Slots:
        """Return the interpreter of a process: with a GIL one thread at a time computes with it, else any number."""
        return Slots(self.events, 1) if self._has_gil else self.unlimited

    def end(self) -> None:
        """Set the makespan, as the main program has ended."""
        self.makespan_ns = self.events.now


class Task:
    """The main program, or a worker with a branch: it performs operations one after the other."""

    __slots__ = ("_left", "_needs", "_operations", "_then", "events", "interpreter", "is_alone", "loop", "simulation")

    def __init__(self, simulation: Simulation, interpreter: Slots, *, is_alone: bool) -> None:
        self.simulation = simulation
        self.events = simulation.events
        self.interpreter = interpreter
        self.is_alone = is_alone
        self.loop: EventLoop | None = None
        self._left = 0
        self._needs = interpreter  # to compute
        self._operations: Iterator[Operation] = iter(())
        self._then: Callback

    def perform(self, operations: Sequence[Operation], then: Callback) -> None:
        """Perform operations, and call `then` at the end of the last one."""
        self._operations, self._then = iter(operations), then
        self._continue()

    def call_soon(self, callback: Callback) -> None:
        """Enter an event for this instant, after those that are due already."""
        self.events.call_soon(callback)

    def suspend(self) -> None:
        """Wait until another task continues this one; a coroutine releases its loop here."""

    def _continue(self) -> None:
        for kind, value in self._operations:
            if kind == CALL:
                self._call(value)
            elif kind == WAIT or self.is_alone:
                self._wait(value)
            else:
                self._left, self._needs = value, self.interpreter if kind == COMPUTE else self.simulation.unlimited
                self._compute()
            return
        self._then()

    def _wait(self, duration_ns: int) -> None:
        self.events.call_at(self.events.now + duration_ns, self._continue)

    def _call(self, specs: Sequence[CallSpec]) -> None:
        self.simulation.make_calls(self, specs, self._continue)

    # -- computing: first the interpreter, then a core, for a turn at a time --------------------------------------

    def _compute(self) -> None:
        self._needs.acquire(self._with_interpreter)

    def _with_interpreter(self) -> None:
        self.simulation.cores.acquire(self._with_core)

    def _with_core(self) -> None:
        turn_ns = min(self._left, self._uncontested_ns())
        self._left -= turn_ns
        self.events.call_at(self.events.now + turn_ns, self._end_turn)

    def _uncontested_ns(self) -> int:
        """Return for how long no other task can ask for a turn [ns], in whole intervals, at least one."""
        switch_ns, event_ns = self.simulation.switch_ns, self.events.next_ns()
        if self._needs.queue or self.simulation.cores.queue:
            return switch_ns
        return FOREVER if event_ns is None else max(1, -((self.events.now - event_ns) // switch_ns)) * switch_ns

    def _end_turn(self) -> None:
        self.simulation.cores.release()
        self._needs.release()
        if self._left:
            self._compute()
        else:
            self._continue()


# -- what branches consist of -----------------------------------------------------------------------------------------


Floats = npt.NDArray[np.float64]
NO_OPERATION = -1
OPERATION_OF: Mapping[PartKind, int] = {"cpu": COMPUTE, "wait": WAIT, "blocked": WAIT, "pause": WAIT}


@dataclass(frozen=True, eq=False)
class KnownOperations:
    """The operations of n branches, as far as the parts of their spans are known."""

    is_known: Bools
    wait: Ints
    compute: Ints
    first: Ints
    kind: npt.NDArray[np.int8]
    lasted: Ints

    @classmethod
    def of(cls, model: Model) -> KnownOperations:
        """Read the parts of all branches; those in which calls are made are never known."""
        found, count = stretches(model.nesting.columns, model.branches), len(model.branches)
        operation_of = np.full(len(PART_CODE), NO_OPERATION, np.int8)
        operation_of[[PART_CODE[name] for name in OPERATION_OF]] = list(OPERATION_OF.values())
        kind, until = operation_of[found.kind], np.minimum(found.ended_ns, model.ended[found.owner])
        lasted = (until - found.started_ns).clip(0)
        first = np.searchsorted(found.owner, np.arange(count + 1))
        last = (first[1:] - 1)[model.backpressure > 0]
        kind[last[found.kind[last] == PART_CODE["blocked"]]] = NO_OPERATION  # no room yet in front of the next call
        is_known = ~model.makes_calls
        is_known[found.owner[found.kind == PART_CODE["unknown"]]] = False
        wait, compute = (
            sums(found.owner, np.where(kind == what, lasted, 0), count).astype(np.int64) for what in (WAIT, COMPUTE)
        )
        return cls(is_known, wait, compute, first, kind, lasted)

    def of_branch(self, branch: int, faster: float = 1.0, free: float = 0.0) -> Sequence[Operation]:
        """Return the operations of a branch that is known, of which `free` is the share computed without the GIL."""
        mine = slice(self.first[branch], self.first[branch + 1])
        joined: list[tuple[int, int]] = []
        for kind, lasted in zip(self.kind[mine].tolist(), self.lasted[mine].tolist(), strict=True):
            if kind == NO_OPERATION or not lasted:
                continue
            if joined and joined[-1][0] == kind:
                joined[-1] = (kind, joined[-1][1] + lasted)
            else:
                joined.append((kind, lasted))
        found: list[Operation] = []
        for kind, lasted in joined:
            lasts = round(lasted / faster)
            alone = round(lasts * free) if kind == COMPUTE else 0
            found += in_order((kind, lasts - alone), (COMPUTE_FREE, alone))
        return found


@dataclass(frozen=True, eq=False)
class BranchOperations:
    """The operations of all branches of a run."""

    wait: Ints
    compute: Ints
    gaps: Mapping[int, Sequence[tuple[int, int]]] = field(default_factory=dict)
    computes_first: bool = False
    free: Ints | None = None
    known: KnownOperations | None = None
    faster: Floats | None = None

    @cached_property
    def held(self) -> Ints:
        """Time for which each branch computes with the interpreter [ns]."""
        return self.compute if self.free is None else (self.compute - self.free).clip(0)

    @cached_property
    def durations_ns(self) -> tuple[list[int], list[int], list[int]]:
        """Times for which all branches wait, and compute with and without the interpreter [ns], as lists."""
        return self.wait.tolist(), self.held.tolist(), (self.compute - self.held).tolist()

    @cached_property
    def _made(self) -> dict[int, Sequence[Operation]]:
        return {}  # a branch is replayed many times

    def of_branch(self, branch: int) -> Sequence[Operation]:
        """Return the operations of a branch that makes no call."""
        found = self._made.get(branch)
        if found is not None:
            return found
        if self.known is not None and self.known.is_known[branch]:
            faster = 1.0 if self.faster is None else float(self.faster[branch])
            free = 0.0 if self.free is None else float(self.free[branch] / max(1, self.compute[branch]))
            found = self.known.of_branch(branch, faster, free)
        else:
            waits, held, alone = self.durations_ns
            wait, compute = (WAIT, waits[branch]), ((COMPUTE, held[branch]), (COMPUTE_FREE, alone[branch]))
            found = in_order(*((*compute, wait) if self.computes_first else (wait, *compute)))
        self._made[branch] = found
        return found

    def each_lasts(self, model: Model, branches: Ints) -> Ints:
        """Return the durations of branches that never wait for a turn [ns]; those that make calls keep theirs."""
        own = self.wait[branches] + self.compute[branches]
        return np.where(model.makes_calls[branches], model.service[branches], own)


def in_order(*operations: Operation) -> Sequence[Operation]:
    """Return operations without those that take no time."""
    return tuple(operation for operation in operations if operation[1])
