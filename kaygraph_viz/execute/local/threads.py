"""Threads of our own that pull from one lazy iterator: a fraction of the cost of a Future per item.

Belongs here: the executor. Does not belong here: its threads (``core.worker_pool``).

The executor that runs one branch after the other, in the caller's thread: the baseline of comparisons.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial
from typing import Any, ClassVar

from kaygraph_viz.execute.base import Capabilities, Executor
from kaygraph_viz.execute.call import Request
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.worker_pool import ThreadWorkerPool, run_pool, simulated_pool

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


__all__ = ["SerialExecutor"]


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

    def _run(self, request: Request) -> Generator[Outcome, None, None]:
        branches = request.branches
        for index, item in enumerate(_read(request)):
            if request.token.reason is not None:
                raise request.token.reason
            lane = branches.recorder.lanes.mine()
            submitted = branches.now_ns() if request.submitted_ns is None else request.submitted_ns
            yield branches.run(index, item, submitted, lane)


def _read(request: Request) -> Iterator[Any]:
    items = request.opened()
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except BaseException as raised:
            raise request.branches.input_error(raised)  # noqa: B904  (it is the same one, or has its cause)
        yield item
