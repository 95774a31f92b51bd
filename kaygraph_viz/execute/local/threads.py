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
    """Runs branches in threads of this process: good for waiting (network, disk).

    With a GIL, Python code of one process computes in one thread at a time. Code that releases the GIL does not wait
    for that: hashing, compression, most of NumPy. Nor does any code of a Python without one (see `this_machine`).

    Each `imap` call has a pool of its own, of daemon threads, so a nested call can never wait for a thread that its
    own caller holds.
    """

    kind: ClassVar[str] = "thread"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs_in_parallel=True, can_kill=False, shares_memory=True, needs_pickling=False
    )

    def _run(self, request: Request) -> Generator[Outcome, None, None]:
        pool = simulated_pool(self.kind) or ThreadWorkerPool
        return run_pool(partial(pool, request, self.workers))
