"""Asynchronous nodes that run the same operation on many items, one after the other or at once.

Belongs here: items in, results out, as coroutines of one loop. Does not belong here: slots and loops
(``execute.coroutines.executor``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from kaygraph_viz.checks import checked_workers
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import count_of
from kaygraph_viz.execute.coroutines.executor import MAX_SLOTS, AsyncExecutor
from kaygraph_viz.execute.progress import counter, is_shown
from kaygraph_viz.graph.async_node import AsyncNode
from kaygraph_viz.graph.batch import BranchingNode, by_index
from kaygraph_viz.graph.node import Shared
from kaygraph_viz.trace.recorder import span

__all__ = ["AsyncBatchNode", "AsyncBranching", "AsyncParallelBatchNode"]


class AsyncBranching(BranchingNode):
    """The base of nodes and graphs that run branches as coroutines of the running loop; use one of these."""

    worker_limit: ClassVar[int] = MAX_SLOTS

    def __init__(self, max_workers: int | None = None, **options: Any) -> None:
        checked_workers(max_workers, "max_workers", limit=MAX_SLOTS)
        super().__init__(max_workers, "async", **options)

    async def branches_async(
        self, items: Iterable[Any], fn: Callable[[Any], Any], fallback: Callable[[Any, Exception], Any] | None = None
    ) -> list[Outcome]:
        """Run the branches over `items` and return their outcomes in order."""
        executor = AsyncExecutor(self.max_workers)
        total = count_of(items)
        outcomes: list[Outcome] = []
        facts = {"executor": "async", "workers": executor.slots(total)}
        with span("exec", kind="phase", **facts), counter(self.progress, total, self.node_id) as count:

            def take(outcome: Outcome) -> None:
                outcomes.append(outcome)
                count(outcome.ok)

            options = self._imap_options()
            reader = take if is_shown(self.progress) else outcomes.append
            await executor.gather(fn, items, reader, name=self.node_id, fallback=fallback, **options)
        return sorted(outcomes, key=by_index)


class AsyncParallelBatchNode(AsyncNode, AsyncBranching):
    """Run `exec_async` on every item that `prep_async` returns, many at once in one loop.

    Parameters
    ----------
    max_workers
        The number of items in progress at once at most, 1 to 1,000,000; default: 100.
    **options
        ``max_retries wait on_error timeout deadline progress retry memory node_id`` as for `ParallelBatchNode`.

    Examples
    --------
    >>> import asyncio
    >>> class Squares(AsyncParallelBatchNode):
    ...     async def prep_async(self, shared):
    ...         return shared["numbers"]
    ...
    ...     async def exec_async(self, number):
    ...         await asyncio.sleep(0)
    ...         return number**2
    ...
    ...     async def post_async(self, shared, numbers, squares):
    ...         shared["squares"] = squares
    >>> shared = {"numbers": [1, 2, 3]}
    >>> asyncio.run(Squares(max_workers=2).run_async(shared))
    >>> shared["squares"]
    [1, 4, 9]
    """

    def __init__(self, max_workers: int | None = None, **options: Any) -> None:
        AsyncBranching.__init__(self, max_workers, **options)

    async def _exec_phase_async(self, shared: Shared, prep_res: Any) -> Any:
        items = () if prep_res is None else prep_res
        return self._exec_result(await self.branches_async(items, self._exec_once_async, self.exec_fallback_async))


class AsyncBatchNode(AsyncParallelBatchNode):
    """Run `exec_async` on every item that `prep_async` returns, one after the other.

    Parameters
    ----------
    max_retries, wait, **options
        As for `AsyncParallelBatchNode`, without `max_workers`.
    """

    _is_parallel = False

    def __init__(self, max_retries: int = 1, wait: float = 0, **options: Any) -> None:
        super().__init__(1, max_retries=max_retries, wait=wait, **options)
