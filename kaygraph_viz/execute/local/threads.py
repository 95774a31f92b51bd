"""Threads of our own that pull from one lazy iterator: a fraction of the cost of a Future per item.

Belongs here: the executor. Does not belong here: its threads (``core.worker_pool``).
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import ClassVar

from kaygraph_viz.execute.core.base import Capabilities, Executor
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import Request
from kaygraph_viz.execute.core.worker_pool import ThreadWorkerPool, run_pool
from kaygraph_viz.execute.local.simulated import simulated_pool

__all__ = ["ThreadExecutor"]


class ThreadExecutor(Executor):
    """Runs branches in threads of this process: good for waiting (network, disk)."""

    kind: ClassVar[str] = "thread"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs_in_parallel=True, can_kill=False, shares_memory=True, needs_pickling=False
    )

    def _run(self, request: Request) -> Generator[Outcome, None, None]:
        pool = simulated_pool(self.kind) or ThreadWorkerPool
        return run_pool(partial(pool, request, self.workers))
