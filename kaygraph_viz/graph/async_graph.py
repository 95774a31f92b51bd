"""Asynchronous graphs: plain and asynchronous nodes one after the other, or the whole graph for each set of params.

Belongs here: which node is next, in a loop. Does not belong here: how a node is chosen, which is the same for plain
graphs (``graph``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kaygraph_viz.execute.core.outcome import Outcomes
from kaygraph_viz.graph.async_batch import AsyncBranching
from kaygraph_viz.graph.async_node import AsyncBase, run_step
from kaygraph_viz.graph.graph import MAX_STEPS, Graph, Walk, checked_params
from kaygraph_viz.graph.node import BaseNode, Shared

__all__ = ["AsyncBatchGraph", "AsyncGraph", "AsyncParallelBatchGraph"]


class AsyncGraph(AsyncBase, Graph):
    """Run plain and asynchronous nodes from `start` along the actions that they return.

    In a notebook write ``await graph.run_async(shared)``, or ``graph.run(shared)``, which runs a loop of its own.
    A plain node that computes or sleeps blocks the loop; inside `AsyncParallelBatchGraph` it blocks the other runs.

    Parameters
    ----------
    start, node_id, max_steps
        As for `Graph`.

    Examples
    --------
    >>> from kaygraph_viz.graph.async_node import AsyncNode
    >>> class Fetch(AsyncNode):
    ...     async def exec_async(self, _):
    ...         return "page"
    ...
    ...     async def post_async(self, shared, _, page):
    ...         shared["page"] = page
    >>> shared = {}
    >>> AsyncGraph(start=Fetch()).run(shared)
    >>> shared
    {'page': 'page'}
    """

    async def exec_async(self, prep_res: Any) -> Any:
        """Do nothing: a graph runs its nodes instead."""

    async def _phase_async(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        return await self._call_async(name, function, *args)  # a graph has no spans for its own phases

    async def _exec_phase_async(self, shared: Shared, prep_res: Any) -> Any:
        return await self._orchestrate_async(shared, self.params)

    async def _orchestrate_async(self, shared: Shared, params: Mapping[str, Any]) -> str | None:
        walk = Walk(self, params)
        while (step := walk.next_step()) is not None:
            walk.action = await run_step(step, shared)
        return walk.action


class AsyncBatchGraph(AsyncGraph):
    """Run the whole graph once for each set of params that `prep_async` returns, one after the other.

    Parameters
    ----------
    start, node_id, max_steps
        As for `Graph`.
    """

    async def _exec_phase_async(self, shared: Shared, prep_res: Any) -> Any:
        for params in checked_params(self, prep_res):
            await self._orchestrate_async(shared, {**self.params, **params})


class AsyncParallelBatchGraph(AsyncBatchGraph):
    """Run the whole graph once for each set of params that `prep_async` returns, many at once in one loop.

    All runs share one `shared` store, so each should write to its own key.

    Parameters
    ----------
    start, node_id, max_steps
        As for `Graph`.
    max_workers
        The number of runs in progress at once at most, 1 to 1,000,000; default: 100.
    **options
        As for `AsyncParallelBatchNode`. With ``on_error="collect"``, `post_async` gets `Outcomes`.
    """

    _is_parallel = True

    def __init__(
        self,
        start: BaseNode | None = None,
        node_id: str | None = None,
        *,
        max_steps: int = MAX_STEPS,
        max_workers: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(start, node_id, max_steps=max_steps)
        self._runner = AsyncBranching(max_workers, node_id=self.node_id, **options)

    async def _exec_phase_async(self, shared: Shared, prep_res: Any) -> Any:
        async def run_one(params: Mapping[str, Any]) -> str | None:
            return await self._orchestrate_async(shared, {**self.params, **params})

        outcomes = await self._runner.branches_async(checked_params(self, prep_res), run_one)
        return Outcomes(outcomes) if self._runner.on_error_policy == "collect" else None
