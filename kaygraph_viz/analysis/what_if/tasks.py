"""The tasks of a simulation: operations, the calls among them, and performing them one after the other.

Belongs here: waiting, computing in turns, calling. Does not belong here: which worker gets which branch
(``worker_pool``), and the order of events (``event_queue``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kaygraph_viz.analysis.what_if.event_queue import Callback, EventLoop, EventQueue, Slots

__all__ = ["CALL", "COMPUTE", "COMPUTE_FREE", "WAIT", "CallSpec", "Operation", "Simulation", "Task"]

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
    """The state that all tasks share: the event queue, the cores, and the times of the branches."""

    def __init__(
        self, branches: int, operations_of: Callable[[int], Sequence[Operation]], cores: int | None, switch_ns: int,
        make_calls: Callable[[Task, Sequence[CallSpec], Callback], None], *, has_gil: bool = True,
    ) -> None:  # fmt: skip
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


def _nothing() -> None:
    pass


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
        self._then: Callback = _nothing

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
