"""What can be simulated: the steps of a task, and the calls that it makes.

Belongs here: the words of a simulation. Does not belong here: what they mean for the time (``engine``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CALLS", "FREE", "WAIT", "WORK", "Crew", "Step"]

# What a step is: to wait [ns], to compute with the interpreter [ns], to make several calls at once [Crew], to compute
# without the interpreter [ns].
WAIT, WORK, CALLS, FREE = range(4)

Step = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Crew:
    """A parallel call: branches, and the workers that take them.

    Parameters
    ----------
    branches
        Their numbers, in the order in which they are taken.
    workers
        How many there are; never more than branches.
    kind
        Of the workers; those that are neither ``process``, ``dask`` nor ``async`` are threads.
    number
        Names the call in `Replay.calls`.
    after_ns
        How long after its step it begins [ns].
    start_up_ns
        How long each worker takes to start [ns]; those without a number of their own as long as the last one.
    dispatch_ns
        How long it takes to hand a branch to a worker [ns].
    close_ns
        How long it takes to end the workers once all is done [ns].
    is_lazy
        Whether the input comes up with a branch when it is asked for one; else all are there from the begin.
    supply_ns
        How long it takes for that, if any time at all [ns], by branch.
    is_static
        Whether each worker gets one chunk of neighbours instead of the next branch whenever it is free.
    feeder
        The place of the call, among those made at once, whose finished branches are the input of this one.
    follows
        Which branch comes of each finished branch of the feeder.
    is_ordered
        Whether they are taken in the order in which the feeder took them, not in that in which they are finished.
    room
        How many may wait for this call's workers before those of the feeder are blocked; None for any number.
    kept
        How many finished branches may wait for one that was taken before them; None for any number.
    scale
        The call takes this many times as long as its branches do, because they stand for more.
    """

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
