"""Examples of each way of coordination: graphs that look up the followers of some customers at the local services.

Belongs here: the requests, the graphs, and a sentence about each. Does not belong here: the ways of coordination
(``coordination``).

Seven graphs have one asynchronous node, each with another way. The eighth is a fan-out of plain and asynchronous nodes
and the fan-in of their results.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from kaygraph_viz._optional import needed
from kaygraph_viz.checks import checked_word
from kaygraph_viz.errors import DataError, OptionError, short
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.graph.async_graph import AsyncGraph
from kaygraph_viz.graph.async_node import AsyncNode
from kaygraph_viz.graph.fan_out import FanOutNode
from kaygraph_viz.graph.node import Node, Shared
from kaygraph_viz.patterns import coordination
from kaygraph_viz.services.in_process import open_async_client, open_client
from kaygraph_viz.trace.recorder import span

with needed():
    import httpx2

__all__ = ["FAN_OUT", "WAYS", "CoordinationNode", "SemaphoreNode", "coordination_graph"]

TIMEOUT_S = 30.0
FAN_OUT = "fan-out"
Found = tuple[str, Any]  # the customer or the name of the fact, and the answer


@dataclass(frozen=True, slots=True)
class Lookup:
    """Looks up the followers of a customer at one of several mirrors of the services."""

    client: httpx2.AsyncClient
    mirrors: tuple[str, ...]

    async def __call__(self, customer: str, mirror: int = 0) -> Found:
        """Return the customer and the number of followers, None for a customer without a profile."""
        reply = await self.client.get(f"{self.mirrors[mirror]}/social", params={"customer_id": customer})
        return customer, _fact(reply, "followers")


# -- the ways, each with its arguments --------------------------------------------------------------------------------


async def _deadline(look_up: Lookup, customers: Sequence[str]) -> list[Found]:
    return (await coordination.until_deadline(0.06, look_up, customers)).values


async def _as_completed(look_up: Lookup, customers: Sequence[str]) -> list[Found]:
    async with aclosing(coordination.as_completed(look_up, customers)) as outcomes:
        return [outcome.unwrap() async for outcome in outcomes]


async def _first_wins(look_up: Lookup, customers: Sequence[str]) -> list[Found]:
    async def hedged(customer: str) -> Found:
        with span(customer, kind="node"):
            return await coordination.first_wins(lambda mirror: look_up(customer, mirror), (0, 1), hedge_s=0.04)

    return [await hedged(customer) for customer in customers]


Way = Callable[[Lookup, Sequence[str]], Awaitable[list[Found]]]
WAYS: Mapping[str, tuple[Way, str]] = MappingProxyType(
    {
        "gather": (coordination.gather, "All at once: it takes as long as the slowest answer."),
        "semaphore": (partial(coordination.with_semaphore, 3), "At most three at once: the others wait in the queue."),
        "rate limit": (
            lambda look_up, customers: coordination.rate_limited(RateLimit(4), look_up, customers),
            "Four calls a second: a call above this rate is blocked.",
        ),
        "deadline": (_deadline, "60 ms for all: answers that are missing then are cancelled, the others are kept."),
        "as completed": (_as_completed, "All at once, and each answer is used as soon as it is there."),
        "first wins": (_first_wins, "A second mirror is asked after 40 ms; the slower one is cancelled."),
        "cancellation": (
            partial(coordination.until_enough, 3),
            "All at once; when three answers are there, the rest is cancelled.",
        ),
    }
)


class CoordinationNode(AsyncNode):
    """Look up the followers of ``shared["customer_ids"]`` in one of the `WAYS`.

    It stores ``shared["answers"]``: pairs of customer and followers, in the order that the way returns.

    Parameters
    ----------
    way
        A key of `WAYS`.
    mirrors
        Addresses of the services, at least one; ``"first wins"`` asks the first and the last.
    """

    def __init__(self, way: str, mirrors: Sequence[str]) -> None:
        super().__init__(node_id=way)
        self.way = way
        self.mirrors = (mirrors[0], mirrors[-1])

    async def prep_async(self, shared: Shared) -> Sequence[str]:
        """Return ``shared["customer_ids"]``."""
        return _customers(shared)

    async def exec_async(self, prep_res: Sequence[str]) -> list[Found]:
        """Look up the customers with one client for all requests."""
        async with open_async_client(timeout=TIMEOUT_S) as client:
            return await WAYS[self.way][0](Lookup(client, self.mirrors), prep_res)

    async def post_async(self, shared: Shared, prep_res: Any, exec_res: list[Found]) -> None:
        """Store ``shared["answers"]``."""
        shared["answers"] = exec_res


class SemaphoreNode(CoordinationNode):
    """Look up the followers of ``shared["customer_ids"]``, at most `in_flight` at once; 1: one after the other."""

    def __init__(self, in_flight: int, mirrors: Sequence[str], node_id: str = "semaphore") -> None:
        super().__init__(node_id, mirrors)
        self.in_flight = in_flight

    async def exec_async(self, prep_res: Sequence[str]) -> list[Found]:
        """Look up the customers with one client for all requests."""
        async with open_async_client(timeout=TIMEOUT_S) as client:
            return await coordination.with_semaphore(self.in_flight, Lookup(client, self.mirrors), prep_res)


# -- fan-out and fan-in -----------------------------------------------------------------------------------------------


class FactNode(Node):
    """Look up one fact about the first customer: a plain node.

    Parameters
    ----------
    url
        The address of the service.
    fact
        The key of its answer.
    """

    def __init__(self, url: str, fact: str) -> None:
        super().__init__(node_id=f"{fact} ({'async' if isinstance(self, AsyncNode) else 'plain'})")
        self.url = url
        self.fact = fact

    def prep(self, shared: Shared) -> dict[str, str]:
        """Return the parameters of the request."""
        return {"customer_id": _customers(shared)[0]}

    def exec(self, prep_res: dict[str, str]) -> Any:
        """Send the request and return the fact."""
        with open_client(timeout=TIMEOUT_S) as client:
            return _fact(client.get(self.url, params=prep_res), self.fact)


class AsyncFactNode(AsyncNode, FactNode):
    """Look up one fact about the first customer: an asynchronous node with the parameters of `FactNode`."""

    def __init__(self, url: str, fact: str) -> None:
        FactNode.__init__(self, url, fact)

    async def exec_async(self, prep_res: dict[str, str]) -> Any:
        """Send the request and return the fact."""
        async with open_async_client(timeout=TIMEOUT_S) as client:
            return _fact(await client.get(self.url, params=prep_res), self.fact)


class FactsNode(FanOutNode):
    """Look up several facts at once and store ``shared["facts"]``, the facts by name."""

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[str, Any]) -> None:
        """Store ``shared["facts"]``."""
        shared["facts"] = exec_res


class JoinNode(Node):
    """Collect the facts in ``shared["answers"]``, pairs of name and fact in alphabetical order."""

    def prep(self, shared: Shared) -> dict[str, Any]:
        """Return ``shared["facts"]``."""
        facts: dict[str, Any] = shared["facts"]
        return facts

    def exec(self, prep_res: dict[str, Any]) -> list[Found]:
        """Return the facts as sorted pairs."""
        return sorted(prep_res.items())

    def post(self, shared: Shared, prep_res: Any, exec_res: list[Found]) -> None:
        """Store ``shared["answers"]``."""
        shared["answers"] = exec_res


def coordination_graph(way: str, mirrors: Sequence[str]) -> AsyncGraph:
    """Return a graph that shows one way of coordination.

    Parameters
    ----------
    way
        A key of `WAYS`, or `FAN_OUT`: two plain and two asynchronous nodes look up facts about one customer at once,
        and a fifth node collects them.
    mirrors
        As for `CoordinationNode`, such as ``[server.base_url]``.

    Returns
    -------
    AsyncGraph
        Run it with ``graph.run({"customer_ids": ["C00003", "C00004"]})``, or await ``graph.run_async(...)``.

    Raises
    ------
    OptionError
        If there is no such way, or no address.

    Examples
    --------
    >>> from kaygraph_viz.services.server import serve
    >>> from kaygraph_viz.recording import record
    >>> shared = {"customer_ids": ["C00003", "C00004", "C00005", "C00006"]}
    >>> with record(clock="virtual") as trace, serve() as server:
    ...     coordination_graph("as completed", [server.base_url]).run(shared)
    >>> [customer for customer, _ in shared["answers"]]
    ['C00003', 'C00005', 'C00004', 'C00006']
    """
    checked_word("way", way, (*WAYS, FAN_OUT), 'coordination_graph("gather", mirrors)')
    if isinstance(mirrors, str) or not mirrors:
        raise OptionError("mirrors", mirrors, "addresses, at least one", "[server.base_url]")
    if way != FAN_OUT:
        return AsyncGraph(start=CoordinationNode(way, mirrors), node_id=way)
    base = mirrors[0]
    facts = FactsNode(
        {
            "plan": FactNode(f"{base}/profile", "plan"),
            "industry": FactNode(f"{base}/company", "industry"),
            "language": AsyncFactNode(f"{base}/profile", "language"),
            "followers": AsyncFactNode(f"{base}/social", "followers"),
        }
    )
    facts >> JoinNode()
    return AsyncGraph(start=facts, node_id=FAN_OUT)


def _customers(shared: Shared) -> Sequence[str]:
    customers = shared.get("customer_ids")
    if not isinstance(customers, Sequence) or isinstance(customers, str) or not customers:
        raise DataError(f'shared["customer_ids"] must be a list of numbers, at least one, got {short(customers)}')
    return customers


def _fact(reply: httpx2.Response, name: str) -> Any:
    """Return one fact of an answer, None for status 404."""
    if reply.status_code == 404:
        return None
    return reply.raise_for_status().json()[name]
