"""Calls of `imap` whose workers are simulated, since the clock is virtual.

Belongs here: which pool a call gets. Does not belong here: the pools (``simulated_threads``, ``simulated_processes``).
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from weakref import WeakKeyDictionary

from kaygraph_viz.clock import current_clock
from kaygraph_viz.execute.core.base import Executor
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import Request
from kaygraph_viz.execute.core.worker_pool import run_pool
from kaygraph_viz.execute.local.simulated_processes import SimulatedProcessPool
from kaygraph_viz.execute.local.simulated_threads import SimulatedThreadPool

__all__ = ["SimulatedProcessPool", "SimulatedThreadPool", "simulated"]

_started: WeakKeyDictionary[Executor, tuple[object, list[None]]] = WeakKeyDictionary()  # by which clock, how many


def simulated(executor: Executor, request: Request) -> Generator[Outcome, None, None]:
    """Yield the outcomes of a call whose workers are simulated, as `run_pool` does."""
    if executor.kind == "thread":
        return run_pool(partial(SimulatedThreadPool, request, executor.workers, "thread"))
    clock = current_clock()
    if executor not in _started or _started[executor][0] is not clock:
        _started[executor] = clock, []
    return run_pool(partial(SimulatedProcessPool, request, executor.workers, executor.kind, _started[executor][1]))
