"""Coordination of coroutines: all at once, a semaphore, a rate limit, a deadline, the first answer wins.

Belongs here: short functions to read and to use as they are. Does not belong here: requests to services
(``coordination_examples``), and running coroutines (``execute.coroutines.executor``).

Every function takes a coroutine function `ask` of one item. Each call of it is a branch of its own in the trace, named
after its item. Branches that still run when a function returns or raises are cancelled and awaited first.

>>> import asyncio
>>> async def ask(seconds):
...     await sleep_async(seconds)
...     return seconds
>>> from kaygraph_viz.recording import record
>>> with record(clock="virtual") as trace:
...     asyncio.run(gather(ask, [3, 1, 2])), asyncio.run(first_wins(ask, [3, 1, 2]))
([3, 1, 2], 1)
>>> trace.makespan_s
4.0
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from operator import attrgetter
from typing import Any, TypeVar

from kaygraph_viz.checks import checked_seconds, checked_whole
from kaygraph_viz.clock import sleep_async
from kaygraph_viz.errors import DeadlineExceeded, OptionError
from kaygraph_viz.execute.core.outcome import Outcome, Outcomes
from kaygraph_viz.execute.coroutines.executor import MAX_SLOTS, AsyncExecutor
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.trace.recorder import span

__all__ = ["as_completed", "first_wins", "gather", "rate_limited", "until_deadline", "until_enough", "with_semaphore"]

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


async def rate_limited(limit: RateLimit, ask: Ask[T], items: Sequence[Any]) -> list[T]:
    """Ask about all items at the rate that a limit allows, and return the answers in the order of the items.

    Parameters
    ----------
    limit
        The limit, which other branches may share; a branch that waits for it is blocked.
    ask, items
        As for `gather`.
    """

    async def ask_in_turn(item: Any) -> T:
        async with limit:
            return await ask(item)

    return await gather(ask_in_turn, items)


def as_completed(ask: Ask[Any], items: Sequence[Any]) -> AsyncGenerator[Outcome, None]:
    """Ask about all items at once and yield the outcomes as the branches end.

    Parameters
    ----------
    ask, items
        As for `gather`.

    Yields
    ------
    Outcome
        One for each item, also where it failed. Closing the generator cancels the branches that still run, so use it in
        ``async with aclosing(...)`` where the loop over it may end early.
    """
    return AsyncExecutor(MAX_SLOTS).aimap(ask, items, ordered=False, on_error="collect", label=str)


async def until_enough(enough: int, ask: Ask[T], items: Sequence[Any]) -> list[T]:
    """Ask about all items at once and return the first `enough` answers; the other branches are cancelled.

    Parameters
    ----------
    enough
        The number of answers wanted, 1 or more. There are fewer if too many branches fail.
    ask, items
        As for `gather`.
    """
    checked_whole("enough", enough, 1, 1_000_000_000, "enough=3")
    answers: list[T] = []
    async with aclosing(as_completed(ask, items)) as outcomes:
        async for outcome in outcomes:
            if outcome.ok:
                answers.append(outcome.value)
            if len(answers) == enough:
                break  # the end of the block cancels the branches that still run, and awaits them
    return answers


async def until_deadline(seconds: float, ask: Ask[Any], items: Sequence[Any]) -> Outcomes:
    """Ask about all items at once and return the outcomes before a deadline; the other branches are cancelled.

    Parameters
    ----------
    seconds
        The time limit of all items together [s].
    ask, items
        As for `gather`.

    Returns
    -------
    Outcomes
        In the order in which the branches ended; an item that took too long has none.
    """
    checked_seconds("seconds", seconds, "seconds=0.5")
    options: dict[str, Any] = {"ordered": False, "on_error": "collect", "label": str}
    in_time = Outcomes()
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
        await sleep_async(position * hedge_s)
        with span(f"mirror {position + 1}"):  # its own bar, since that of the branch begins with the wait in reserve
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
