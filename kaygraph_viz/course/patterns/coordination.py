"""Coordination of coroutines: all at once, a semaphore, a rate limit, a deadline, the first answer wins.

Belongs here: a short function for each way, to read and to use as it is, and graphs that look up the followers of some
customers in each of them.

Every function takes a coroutine function `ask` of one item. Each call of it is a branch of its own in the trace, named
after its item. Branches that still run when a function returns or raises are cancelled and awaited first.

>>> import asyncio
>>> async def ask(seconds):
...     await kv.sleep_async(seconds)
...     return seconds
>>> with kv.record(clock="virtual") as trace:
...     asyncio.run(gather(ask, [3, 1, 2])), asyncio.run(first_wins(ask, [3, 1, 2]))
([3, 1, 2], 1)
>>> trace.makespan_s
4.0

Seven of the graphs have one asynchronous node, each with another way. The eighth is a fan-out of plain and asynchronous
nodes and the fan-in of their results.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeVar

import kaygraph_viz as kv
from kaygraph_viz.base.checks import checked_seconds, checked_whole, checked_word
from kaygraph_viz.base.errors import DataError, DeadlineExceeded, OptionError, short
from kaygraph_viz.base.optional import needed
from kaygraph_viz.course.services.in_process import open_async_client, open_client
from kaygraph_viz.execute.coroutines.executor import MAX_SLOTS, AsyncExecutor
from kaygraph_viz.graph.node import Shared

T = TypeVar("T")
Ask = Callable[[Any], Awaitable[T]]


async def gather(ask: Ask[T], items: Sequence[Any]) -> list[T]:
    """Ask about all items at once and return the answers in the order of the items.

    Parameters
    ----------
    ask
        A coroutine function of one item.
    items
        The arguments of `ask`, one for each branch.

    Raises
    ------
    Exception
        The first error of a branch; the others are cancelled.
    """
    return await _all_values(AsyncExecutor(MAX_SLOTS), ask, items)


async def with_semaphore(in_flight: int, ask: Ask[T], items: Sequence[Any]) -> list[T]:
    """Ask about all items, `in_flight` of them at once at most, and return the answers in the order of the items.

    Parameters
    ----------
    in_flight
        The number of branches in progress at once at most, 1 to 1,000,000.
    ask, items
        As for `gather`.
    """
    checked_whole("in_flight", in_flight, 1, 1_000_000, "in_flight=3")
    return await _all_values(AsyncExecutor(in_flight), ask, items)


async def rate_limited(limit: kv.RateLimit, ask: Ask[T], items: Sequence[Any]) -> list[T]:
    """Ask about all items at the rate that a limit allows, and return the answers in the order of the items."""

    async def ask_in_turn(item: Any) -> T:
        async with limit:
            return await ask(item)

    return await gather(ask_in_turn, items)


def as_completed(ask: Ask[Any], items: Sequence[Any]) -> AsyncGenerator[kv.Outcome, None]:
    """Ask about all items at once and yield the outcomes as the branches end."""
    return AsyncExecutor(MAX_SLOTS).aimap(ask, items, ordered=False, on_error="collect", label=str)


async def until_enough(enough: int, ask: Ask[T], items: Sequence[Any]) -> list[T]:
    """Ask about all items at once and return the first `enough` answers; the other branches are cancelled."""
    checked_whole("enough", enough, 1, 1_000_000_000, "enough=3")
    answers: list[T] = []
    async with aclosing(as_completed(ask, items)) as outcomes:
        async for outcome in outcomes:
            if outcome.ok:
                answers.append(outcome.value)
            if len(answers) == enough:
                break  # the end of the block cancels the branches that still run, and awaits them
    return answers


async def until_deadline(seconds: float, ask: Ask[Any], items: Sequence[Any]) -> kv.Outcomes:
    """Ask about all items at once and return the outcomes before a deadline; the other branches are cancelled."""
    checked_seconds("seconds", seconds, "seconds=0.5")
    options: dict[str, Any] = {"ordered": False, "on_error": "collect", "label": str}
    in_time = kv.Outcomes()
    with suppress(DeadlineExceeded):
        async for outcome in AsyncExecutor(MAX_SLOTS).aimap(ask, items, deadline=seconds, **options):
            in_time.append(outcome)
    return in_time


async def first_wins(ask: Ask[T], mirrors: Sequence[Any], *, hedge_s: float = 0.0) -> T:
    """Ask several mirrors the same and return the first answer; the other branches are cancelled.

    With `hedge_s` this is a hedged request: the second mirror is only asked when the first one is slow, which avoids
    the rare long waits at the price of few more calls.

    Parameters
    ----------
    ask
        A coroutine function of a mirror.
    mirrors
        The mirrors, at least one, the best first.
    hedge_s
        The time between the calls of one mirror and of the next [s], 0 or more.

    Raises
    ------
    ExceptionGroup
        With the errors of all mirrors, if none has answered.
    """
    checked_seconds("hedge_s", hedge_s, "hedge_s=0.05")
    if not mirrors:
        raise OptionError("mirrors", mirrors, "at least one", "mirrors=[near, far]")

    async def ask_later(reserve: str) -> T:
        position = positions[reserve]
        await kv.sleep_async(position * hedge_s)
        with kv.span(f"mirror {position + 1}"):  # its own bar, since that of the branch begins with the wait in reserve
            return await ask(mirrors[position])

    positions = {f"mirror {position + 1} as a reserve": position for position in range(len(mirrors))}
    failed: list[Exception] = []
    async with aclosing(as_completed(ask_later, list(positions))) as outcomes:
        async for outcome in outcomes:
            if outcome.ok:
                winner: T = outcome.value
                return winner
            if isinstance(outcome.error, Exception):
                failed.append(outcome.error)
    raise ExceptionGroup(f"none of {len(mirrors)} mirrors answered", failed)


async def _all_values(executor: AsyncExecutor, ask: Ask[T], items: Sequence[Any]) -> list[T]:
    # Not in order, where an error would be raised only after all branches before it have ended.
    running = executor.aimap(ask, items, ordered=False, label=str)
    outcomes = [outcome async for outcome in running]
    return [outcome.value for outcome in sorted(outcomes, key=attrgetter("index"))]


with needed():
    import httpx2

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
    return (await until_deadline(0.06, look_up, customers)).values


async def _as_completed(look_up: Lookup, customers: Sequence[str]) -> list[Found]:
    async with aclosing(as_completed(look_up, customers)) as outcomes:
        return [outcome.unwrap() async for outcome in outcomes]


async def _first_wins(look_up: Lookup, customers: Sequence[str]) -> list[Found]:
    async def hedged(customer: str) -> Found:
        with kv.span(customer, kind="node"):
            return await first_wins(lambda mirror: look_up(customer, mirror), (0, 1), hedge_s=0.04)

    return [await hedged(customer) for customer in customers]


Way = Callable[[Lookup, Sequence[str]], Awaitable[list[Found]]]
WAYS: Mapping[str, tuple[Way, str]] = MappingProxyType(
    {
        "gather": (gather, "All at once: it takes as long as the slowest answer."),
        "semaphore": (partial(with_semaphore, 3), "At most three at once: the others wait in the queue."),
        "rate limit": (
            lambda look_up, customers: rate_limited(kv.RateLimit(4), look_up, customers),
            "Four calls a second: a call above this rate is blocked.",
        ),
        "deadline": (_deadline, "60 ms for all: answers that are missing then are cancelled, the others are kept."),
        "as completed": (_as_completed, "All at once, and each answer is used as soon as it is there."),
        "first wins": (_first_wins, "A second mirror is asked after 40 ms; the slower one is cancelled."),
        "cancellation": (
            partial(until_enough, 3),
            "All at once; when three answers are there, the rest is cancelled.",
        ),
    }
)


class CoordinationNode(kv.AsyncNode):
    """Look up the followers of ``shared["customer_ids"]`` in one of the `WAYS`."""

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
            return await with_semaphore(self.in_flight, Lookup(client, self.mirrors), prep_res)


# -- fan-out and fan-in -----------------------------------------------------------------------------------------------


class FactNode(kv.Node):
    """Look up one fact about the first customer: a plain node."""

    def __init__(self, url: str, fact: str) -> None:
        super().__init__(node_id=f"{fact} ({'async' if isinstance(self, kv.AsyncNode) else 'plain'})")
        self.url = url
        self.fact = fact

    def prep(self, shared: Shared) -> dict[str, str]:
        """Return the parameters of the request."""
        return {"customer_id": _customers(shared)[0]}

    def exec(self, prep_res: dict[str, str]) -> Any:
        """Send the request and return the fact."""
        with open_client(timeout=TIMEOUT_S) as client:
            return _fact(client.get(self.url, params=prep_res), self.fact)


class AsyncFactNode(kv.AsyncNode, FactNode):
    """Look up one fact about the first customer: an asynchronous node with the parameters of `FactNode`."""

    def __init__(self, url: str, fact: str) -> None:
        FactNode.__init__(self, url, fact)

    async def exec_async(self, prep_res: dict[str, str]) -> Any:
        """Send the request and return the fact."""
        async with open_async_client(timeout=TIMEOUT_S) as client:
            return _fact(await client.get(self.url, params=prep_res), self.fact)


class FactsNode(kv.FanOutNode):
    """Look up several facts at once and store ``shared["facts"]``, the facts by name."""

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[str, Any]) -> None:
        """Store ``shared["facts"]``."""
        shared["facts"] = exec_res


class JoinNode(kv.Node):
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


def coordination_graph(way: str, mirrors: Sequence[str]) -> kv.AsyncGraph:
    """Return a graph that shows one way of coordination."""
    checked_word("way", way, (*WAYS, FAN_OUT), 'coordination_graph("gather", mirrors)')
    if isinstance(mirrors, str) or not mirrors:
        raise OptionError("mirrors", mirrors, "addresses, at least one", "[server.base_url]")
    if way != FAN_OUT:
        return kv.AsyncGraph(start=CoordinationNode(way, mirrors), node_id=way)
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
    return kv.AsyncGraph(start=facts, node_id=FAN_OUT)


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
