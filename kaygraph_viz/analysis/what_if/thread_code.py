"""The code of branches, as far as a run tells: how much of it threads can compute at the same time.

Belongs here: which branches are evidence, and what is assumed where there is none. Does not belong here: the proof
(``gil_free``), and replays (``replay``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaygraph_viz.analysis.gil_free import Code, code_of
from kaygraph_viz.analysis.intervals import Ints, concurrency
from kaygraph_viz.analysis.what_if.model import Model
from kaygraph_viz.analysis.workers import process_of_lane

__all__ = ["ThreadCode", "thread_code"]


@dataclass(frozen=True, eq=False)
class ThreadCode:
    """The time for which each of n branches computes without the GIL [ns]."""

    free: Ints
    otherwise: Ints
    is_in_turns: bool = False

    @property
    def is_certain(self) -> bool:
        """Whether the run leaves no doubt."""
        return bool((self.free == self.otherwise).all())


def thread_code(model: Model, cores: int | None, *, has_gil: bool = True) -> ThreadCode:
    """Return what is known of the code of the branches of a run."""
    if not has_gil:
        return ThreadCode(model.cpu, model.cpu)
    is_threads = np.zeros(len(model.branches), np.bool_)
    for call in model.calls:
        is_threads[call.members] = call.kind == "thread"
    its = np.flatnonzero(is_threads & (model.cpu > 0) & ~model.makes_calls)
    low, high = np.zeros(len(is_threads)), (model.cpu > 0).astype(np.float64)
    code = _proven(model, its, cores)
    low[its], high[its] = code.low, code.high
    is_free = low > 0
    free = np.where(is_free, high, 0.0)
    otherwise = np.where(is_free, low, 0.0 if model.is_exact else high)
    in_turns = concurrency(model.started[its], model.ended[its])[1].max(initial=0) <= 1
    free_ns, otherwise_ns = (np.rint(share * model.cpu).astype(np.int64) for share in (free, otherwise))
    return ThreadCode(free_ns, otherwise_ns, bool(in_turns))


def _proven(model: Model, its: Ints, cores: int | None) -> Code:
    columns, positions = model.nesting.columns, model.branches[its]
    process = [process_of_lane(lane) for lane in columns.lanes]
    number = {name: place for place, name in enumerate(dict.fromkeys(process))}
    of_lane = np.array([number[name] for name in process], np.int64)
    return code_of(columns, positions, of_lane[columns.column("lane")[positions]], cores)
