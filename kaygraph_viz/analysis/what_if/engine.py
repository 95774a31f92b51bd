"""Workers that take branches, wait and compute, replayed event by event.

Belongs here: who does what when, if it is known how long everything takes. Does not belong here: where the durations
come from (``model``), and what is made of the result (``replay``).

The rules are those of the virtual clock. Workers take branches in their order. Of the threads of an interpreter one
computes at a time, and it passes to the next one every 5 ms, in the order in which they came. A coroutine keeps its
loop for as long as it computes. Processes have an interpreter each; they, and whoever computes without the interpreter,
share the cores. What is due at one instant comes in the order in which that was fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kaygraph_viz.analysis.what_if.steps import Step
from kaygraph_viz.analysis.what_if.tasks import Run, Task
from kaygraph_viz.analysis.what_if.worker_pool import make_call

__all__ = ["SWITCH_NS", "Replay", "simulate"]

SWITCH_NS = 5_000_000  # sys.getswitchinterval()


@dataclass(frozen=True, slots=True)
class Replay:
    """What happened when.

    Parameters
    ----------
    started, ended
        Times of each branch [ns]; -1 for those that no call had.
    submitted
        When each branch was there to be taken [ns].
    blocked
        How long each branch was done and had no place in the next queue [ns].
    worker
        The number of its worker within its call, from 0.
    calls
        When each call begun and ended [ns], by its number.
    makespan_ns
        When all was done [ns].
    """

    started: list[int]
    ended: list[int]
    submitted: list[int]
    blocked: list[int]
    worker: list[int]
    calls: dict[int, tuple[int, int]]
    makespan_ns: int


def simulate(
    program: Sequence[Step], branches: int, steps_of: Callable[[int], Sequence[Step]], *, cores: int | None = None,
    switch_ns: int = SWITCH_NS, has_gil: bool = True,
) -> Replay:  # fmt: skip
    """Return what happens when a program is run.

    Parameters
    ----------
    program
        The steps of the main thread.
    branches
        How many there are, numbered from 0.
    steps_of
        Returns the steps of a branch.
    cores
        How many can compute at once; None for all of them.
    switch_ns
        How long a thread keeps the interpreter, or a core, when others want it [ns], above 0.
    has_gil
        Whether one thread of an interpreter computes with it at a time.

    Examples
    --------
    >>> from kaygraph_viz.analysis.what_if.steps import CALLS, WAIT, WORK, Crew
    >>> branches = [[(WAIT, 5)], [(WAIT, 3), (WORK, 2)], [(WORK, 4)]]
    >>> simulate([(CALLS, [Crew(range(3), workers=2)])], 3, branches.__getitem__).ended
    [5, 5, 9]
    >>> simulate([(CALLS, [Crew(range(3), workers=1)])], 3, branches.__getitem__).makespan_ns
    14
    """
    run = Run(branches, steps_of, cores, switch_ns, make_call, has_gil=has_gil)
    main = Task(run, run.interpreter(), is_alone=cores is None)
    run.agenda.at(0, lambda: main.follow(program, run.end))
    run.agenda.run()
    return Replay(run.started, run.ended, run.submitted, run.blocked, run.worker, run.calls, run.makespan_ns)
