"""Executors of this process: its own thread, the baseline of comparisons, and threads that pull from one lazy iterator.

Belongs here: the executors. Does not belong here: the threads (``worker_pool``). They cost a fraction of a Future an
item.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from functools import partial
from typing import ClassVar

from kaygraph_viz.execute.base import Capabilities, Executor
from kaygraph_viz.execute.call import Call
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.worker_pool import ThreadWorkerPool, run_pool, simulated_pool

__all__ = ["SerialExecutor", "ThreadExecutor"]


class ThreadExecutor(Executor):
    """Runs branches in threads of this process: good for waiting (network, disk)."""

    kind: ClassVar[str] = "thread"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs_in_parallel=True, can_kill=False, shares_memory=True, needs_pickling=False
    )

    def _run(self, call: Call) -> Generator[Outcome, None, None]:
        pool = simulated_pool(self.kind) or ThreadWorkerPool
        return run_pool(partial(pool, call, self.workers))


class SerialExecutor(Executor):
    """Runs each item in the thread that reads `imap`, one at a time; the number of workers is always 1."""

    kind: ClassVar[str] = "serial"
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs_in_parallel=False, can_kill=False, shares_memory=True, needs_pickling=False
    )

    @property
    def workers(self) -> int:
        """One, always."""
        return 1

    def _run(self, call: Call) -> Generator[Outcome, None, None]:
        branches, items = call.branches, call.opened()
        for index in itertools.count():
            try:
                item = next(items)
            except StopIteration:
                return
            except BaseException as raised:
                raise branches.input_error(raised)
            if call.token.reason is not None:
                raise call.token.reason
            lane = branches.recorder.lanes.mine()
            submitted = branches.now_ns() if call.submitted_ns is None else call.submitted_ns
            yield branches.run(index, item, submitted, lane)
