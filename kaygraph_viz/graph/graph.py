"""Graphs: they run nodes one after the other, by the actions these return, once or for each set of params.

Belongs here: which node is next, in plain graphs and in asynchronous ones. Does not belong here: what a node does
(``node``) and several branches (``batch``).
"""

from __future__ import annotations

import copy
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

from kaygraph_viz.base.checks import checked_whole, refuse_if_async
from kaygraph_viz.base.errors import GraphError, OptionError, StepLimitExceeded, WiringError, short, warn
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.call import all_of
from kaygraph_viz.execute.outcome import Outcomes
from kaygraph_viz.graph.async_node import AsyncBase, run_step
from kaygraph_viz.graph.batch import AsyncBranching, BranchingNode
from kaygraph_viz.graph.node import DEFAULT, BaseNode, NodeT, Shared, readable_id, refuse_to_contain_itself
from kaygraph_viz.trace.trace import EdgeView, GraphView, NodeView

MAX_STEPS = 1_000_000


class Graph(BaseNode):
    """Run nodes from `start` along the actions that they return, until there is no successor.

    A graph is a node itself and can be part of another graph, but not of itself. Its `prep` and `post` run around its
    nodes.

    Parameters
    ----------
    start
        The first node.
    node_id
        Its name in charts and diagrams; default: the name of its class.
    max_steps
        The number of nodes run at most, 1 or more, so that a loop without an exit ends with an error.

    Raises
    ------
    WiringError
        If `start` is not a node.

    Examples
    --------
    >>> from kaygraph_viz.graph.node import Node
    >>> class Countdown(Node):
    ...     def post(self, shared, prep_res, exec_res):
    ...         shared["count"] -= 1
    ...         return "again" if shared["count"] else "done"
    >>> countdown = Countdown()
    >>> countdown - "again" >> countdown
    <Countdown>
    >>> countdown - "done" >> Node(node_id="end")
    <Node 'end'>
    >>> shared = {"count": 3}
    >>> Graph(start=countdown).run(shared)
    >>> shared
    {'count': 0}
    """

    _kind = "graph"

    def __init__(
        self, start: BaseNode | None = None, node_id: str | None = None, *, max_steps: int = MAX_STEPS
    ) -> None:
        super().__init__(node_id)
        self.start_node = None if start is None else self.start(start)
        self.max_steps = checked_whole("max_steps", max_steps, 1, 1_000_000_000, "max_steps=1000")

    def start(self, node: NodeT) -> NodeT:
        """Make `node` the first one and return it."""
        if not isinstance(node, BaseNode):
            raise WiringError(f"Graph(start={short(node)}): start is {type(node).__name__}, expected a node")
        self.start_node = node
        return node

    def post(self, shared: Shared, prep_res: Any, exec_res: Any) -> str | None:
        """Return the action of this graph; by default the last action of its nodes, which `exec_res` is."""
        return exec_res if isinstance(exec_res, str) else None

    def get_next_node(self, curr: BaseNode, action: str | None) -> BaseNode | None:
        """Return the successor of `curr` for `action`, or None at the end; an unknown action gives one warning."""
        if action is not None and not isinstance(action, str):
            raise GraphError(f"{curr!r} returned {short(action)} from post, expected the name of an action or None")
        following = curr.successors.get(action or DEFAULT)
        if following is None and curr.successors:
            warn(
                f"Graph ends: {short(action or DEFAULT)} not found in {short(list(curr.successors), 1000)}",
                stacklevel=2,
            )
        return following

    def _phase(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        return self._call(name, function, *args)  # a graph has no spans for its own phases

    def _exec_phase(self, shared: Shared, prep_res: Any) -> Any:
        return self._orchestrate(shared, self.params)

    def _orchestrate(self, shared: Shared, params: Mapping[str, Any]) -> str | None:
        """Run the nodes one after the other and return the last action."""
        walk = Walk(self, params)
        while (step := walk.next_step()) is not None:
            walk.action = step._run(shared)
        return walk.action

    # -- its shape ----------------------------------------------------------------------------------------------

    def inner_nodes(self) -> list[BaseNode]:
        """Return its nodes, as `nodes` does."""
        return self.nodes()

    def nodes(self) -> list[BaseNode]:
        """Return the nodes that can be reached from the start, breadth first."""
        queue = deque([self.start_node] if self.start_node is not None else [])
        found: dict[BaseNode, None] = dict.fromkeys(queue)
        while queue:
            for node in queue.popleft().successors.values():
                if node not in found:
                    found[node] = None
                    queue.append(node)
        return list(found)

    def _names(self) -> dict[BaseNode, str]:
        """Return a name for each node that is unique in this graph."""
        seen: Counter[str] = Counter()
        names: dict[BaseNode, str] = {}
        taken = set()
        for node in self.nodes():
            base = name = readable_id(node.node_id, type(node).__name__)
            while name in taken:
                seen[base] += 1
                name = f"{base} #{seen[base] + 1}"
            taken.add(name)
            names[node] = name
        return names

    def structure(self) -> GraphView:
        """Return the nodes and edges of this graph as plain data, for a diagram."""
        refuse_to_contain_itself(self)
        names = self._names()
        edges = [
            EdgeView(names[node], names[following], action)
            for node in names
            for action, following in node.successors.items()
        ]
        return GraphView(self.node_id, tuple(node.structure_view(name) for node, name in names.items()), tuple(edges))

    _shown_structure = structure

    def structure_view(self, name: str) -> NodeView:
        """Return what a diagram shows of this graph as a node of another one."""
        return NodeView(name, type(self).__name__, is_parallel=self._is_parallel, graph=self.structure())


class BatchGraph(Graph):
    """Run the whole graph once for each set of params that `prep` returns, one after the other.

    Parameters
    ----------
    start, node_id, max_steps
        As for `Graph`.

    Examples
    --------
    >>> from kaygraph_viz.graph.node import Node
    >>> class Greet(Node):
    ...     def prep(self, shared):
    ...         shared["greeted"].append(self.params["name"])
    >>> class GreetAll(BatchGraph):
    ...     def prep(self, shared):
    ...         return [{"name": "Ada"}, {"name": "Grace"}]
    >>> GreetAll(start=Greet()).run(shared := {"greeted": []})
    >>> shared
    {'greeted': ['Ada', 'Grace']}
    """

    def _exec_phase(self, shared: Shared, prep_res: Any) -> Any:
        for params in checked_params(self, prep_res):
            self._orchestrate(shared, {**self.params, **params})


class ParallelBatchGraph(BatchGraph):
    """Run the whole graph once for each set of params that `prep` returns, several at once.

    Each run has its own copies of the nodes, but all share one `shared` store, so each should write to its own key.

    Parameters
    ----------
    start, node_id, max_steps
        As for `Graph`.
    max_workers, executor, **options
        As for `ParallelBatchNode`, but ``"serial"``, ``"thread"`` or ``"async"``: in other processes, nodes would lose
        what they write to `shared`. With ``on_error="collect"``, `post` gets `Outcomes`.

    Raises
    ------
    OptionError
        If an option is out of its range, or the executor runs branches in other processes.
    """

    _is_parallel = True

    def __init__(
        self,
        start: BaseNode | None = None,
        node_id: str | None = None,
        *,
        max_steps: int = MAX_STEPS,
        max_workers: int | None = None,
        executor: str | Executor = "thread",
        **options: Any,
    ) -> None:
        super().__init__(start, node_id, max_steps=max_steps)
        self._runner = BranchingNode(max_workers, executor, node_id=self.node_id, **options)
        if self._runner._crosses_processes:
            what = "one that shares memory with the caller: in other processes, nodes would lose what they write"
            raise OptionError("executor", executor, what, 'executor="thread"')

    def _exec_phase(self, shared: Shared, prep_res: Any) -> Any:
        def run_one(params: Mapping[str, Any]) -> str | None:
            return self._orchestrate(shared, {**self.params, **params})

        outcomes = self._runner._branches(checked_params(self, prep_res), fn=run_one, name=self.node_id)
        return Outcomes(outcomes) if self._runner.on_error_policy == "collect" else None


# -- asynchronous ----------------------------------------------------------------------------------------------------


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


# -- steps -----------------------------------------------------------------------------------------------------------


class Walk:
    """A way through a graph: the nodes to run, each a copy with its name and params; plain or asynchronous."""

    def __init__(self, graph: Graph, params: Mapping[str, Any]) -> None:
        if graph.start_node is None:
            raise GraphError(f"{graph!r} has no start; write: Graph(start=first_node)")
        refuse_to_contain_itself(graph)
        self.action: str | None = None
        self._graph = graph
        self._params = params
        self._names = graph._names()
        self._node: BaseNode | None = None
        self._count = 0

    def next_step(self) -> BaseNode | None:
        """Return the next node to run, or None at the end."""
        graph, last = self._graph, self._node
        self._node = node = graph.start_node if last is None else graph.get_next_node(last, self.action)
        if node is None:
            return None
        if not isinstance(node, BaseNode):
            refuse_if_async(node, where := f"get_next_node of {graph!r}")
            raise GraphError(f"{where} returned {short(node)}, expected a node, or None at the end")
        self._count += 1
        if self._count > graph.max_steps:
            raise StepLimitExceeded(
                f"{graph!r} took {graph.max_steps:,} steps and was at {node!r}; is there a loop without an exit? "
                "Return an action that leaves it, or write: Graph(start=..., max_steps=...)"
            )
        step = copy.copy(node)
        step.node_id = self._names.get(node, node.node_id)
        step.set_params({**node.params, **self._params})
        return step


def checked_params(graph: Graph, batch: Any) -> list[Mapping[str, Any]]:
    """Return the sets of params that a batch graph runs with; raise `GraphError` if one is not a mapping."""
    sets: list[Any] = [] if batch is None else all_of(batch, f"what prep of {graph!r} returned")
    for position, params in enumerate(sets):
        if not isinstance(params, Mapping):
            raise GraphError(
                f"prep of {graph!r} returned {short(params)} at position {position}, expected a dict of params; "
                'write: return [{"name": "Ada"}, {"name": "Grace"}]'
            )
    return sets
