"""Somebody who goes through steps in a simulation: the main program, or a worker with a branch.

Belongs here: waiting, computing in turns, calling. Does not belong here: who gets which branch (``worker_pool``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from kaygraph_viz.analysis.what_if.event_queue import Agenda, Happening, Loop, Turns
from kaygraph_viz.analysis.what_if.steps import CALLS, WAIT, WORK, Crew, Step

__all__ = ["Run", "Task"]

FOREVER = 1 << 62


class Run:
    """What all who take part have in common: the agenda, the cores, and what is noted of the branches.

    Parameters
    ----------
    branches
        How many there are.
    steps_of
        Returns the steps of a branch.
    cores
        How many can compute at once; None for all of them.
    switch_ns
        How long a thread keeps the interpreter, or a core, when others want it [ns].
    has_gil
        Whether one thread of an interpreter computes with it at a time.
    make_call
        Begins calls for a task and tells it when the last one is over.
    """

    def __init__(
        self, branches: int, steps_of: Callable[[int], Sequence[Step]], cores: int | None, switch_ns: int,
        make_call: Callable[[Task, Sequence[Crew], Happening], None], *, has_gil: bool = True,
    ) -> None:  # fmt: skip
        self.agenda = Agenda()
        self.steps_of = steps_of
        self.cores = Turns(self.agenda, cores)
        self.nothing = Turns(self.agenda, None)
        self._has_gil = has_gil
        self.switch_ns = switch_ns
        self.make_call = make_call
        self.started, self.ended, self.submitted, self.worker = ([-1] * branches for _ in range(4))
        self.blocked = [0] * branches
        self.calls: dict[int, tuple[int, int]] = {}
        self.makespan_ns = 0

    def interpreter(self) -> Turns:
        """Return an interpreter of its own."""
        return Turns(self.agenda, 1) if self._has_gil else self.nothing

    def end(self) -> None:
        """Note that the main program has ended."""
        self.makespan_ns = self.agenda.now


def _nothing() -> None:
    pass


class Task:
    """Somebody who goes through steps one after the other.

    Parameters
    ----------
    run
        What it is a part of.
    interpreter
        What it needs to compute.
    is_alone
        Whether nobody else will want that meanwhile, nor a core.
    """

    __slots__ = ("_left", "_needs", "_steps", "_then", "agenda", "interpreter", "is_alone", "loop", "run")

    def __init__(self, run: Run, interpreter: Turns, *, is_alone: bool) -> None:
        self.run = run
        self.agenda = run.agenda
        self.interpreter = interpreter
        self.is_alone = is_alone
        self.loop: Loop | None = None
        self._left = 0
        self._needs = interpreter  # to compute
        self._steps: Iterator[Step] = iter(())
        self._then: Happening = _nothing

    def follow(self, steps: Sequence[Step], then: Happening) -> None:
        """Go through steps, and let something happen at the end of the last one."""
        self._steps, self._then = iter(steps), then
        self._go_on()

    def soon(self, what: Happening) -> None:
        """Let something happen at this instant, after what is due already."""
        self.agenda.soon(what)

    def rest(self) -> None:
        """Wait for others to say that it goes on."""

    def _go_on(self) -> None:
        for kind, what in self._steps:
            if kind == CALLS:
                self._call(what)
            elif kind == WAIT or self.is_alone:
                self._wait(what)
            else:
                self._left, self._needs = what, self.interpreter if kind == WORK else self.run.nothing
                self._compute()
            return
        self._then()

    def _wait(self, duration_ns: int) -> None:
        self.agenda.at(self.agenda.now + duration_ns, self._go_on)

    def _call(self, crews: Sequence[Crew]) -> None:
        self.run.make_call(self, crews, self._go_on)

    # -- computing ----------------------------------------------------------------------------------------------

    def _compute(self) -> None:
        self._needs.take(self._with_interpreter)

    def _with_interpreter(self) -> None:
        self.run.cores.take(self._with_core)

    def _with_core(self) -> None:
        part = min(self._left, self._uncontested_ns())
        self._left -= part
        self.agenda.at(self.agenda.now + part, self._give_way)

    def _uncontested_ns(self) -> int:
        """Return how long nobody else can ask for a turn [ns], in whole intervals, at least one."""
        switch_ns, event_ns = self.run.switch_ns, self.agenda.next_ns()
        if self._needs.queue or self.run.cores.queue:
            return switch_ns
        return FOREVER if event_ns is None else max(1, -((self.agenda.now - event_ns) // switch_ns)) * switch_ns

    def _give_way(self) -> None:
        self.run.cores.leave()
        self._needs.leave()
        if self._left:
            self._compute()
        else:
            self._go_on()
