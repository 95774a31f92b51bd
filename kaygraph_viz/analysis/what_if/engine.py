"""A discrete-event simulation of workers that take branches, wait and compute.

Belongs here: running it and collecting its times. Does not belong here: the rules for tasks and workers (``tasks``,
``worker_pool``), where the durations come from (``model``), and what is made of the result (``replay``).

The rules are those of the virtual clock. Workers take branches in their order. Of the threads of an interpreter one
computes at a time, and it passes to the next one every 5 ms, in the order in which they came. A coroutine keeps its
loop for as long as it computes. Processes have an interpreter each; they, and threads that compute without the
interpreter, share the cores. Events of one instant come in the order in which they were entered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kaygraph_viz.analysis.what_if.tasks import Operation, Simulation, Task
from kaygraph_viz.analysis.what_if.worker_pool import make_calls

__all__ = ["MAX_TURNS", "SWITCH_NS", "Replay", "simulate"]

SWITCH_NS = 5_000_000  # sys.getswitchinterval()
MAX_TURNS = 20_000  # of the interpreter: in longer runs turns are longer, or each second would cost 200 events


@dataclass(frozen=True, slots=True)
class Replay:
    """The times of a simulated run."""

    started: list[int]
    ended: list[int]
    submitted: list[int]
    blocked: list[int]
    worker: list[int]
    calls: dict[int, tuple[int, int]]
    makespan_ns: int


def simulate(
    program: Sequence[Operation], branches: int, operations_of: Callable[[int], Sequence[Operation]], *,
    cores: int | None = None, switch_ns: int = SWITCH_NS, has_gil: bool = True,
) -> Replay:  # fmt: skip
    """Simulate a program and return its times."""
    simulation = Simulation(branches, operations_of, cores, switch_ns, make_calls, has_gil=has_gil)
    main = Task(simulation, simulation.new_interpreter(), is_alone=cores is None)
    simulation.events.call_at(0, lambda: main.perform(program, simulation.end))
    simulation.events.run()
    return Replay(
        simulation.started, simulation.ended, simulation.submitted, simulation.blocked, simulation.worker,
        simulation.calls, simulation.makespan_ns,
    )  # fmt: skip
