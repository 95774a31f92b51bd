"""Ways for coroutines to work together: all at once, so many at a time, until a deadline, the first one wins.

Belongs here: short functions that can be read in a minute and used as they are. Does not belong here: asking services
with them (``coordination_examples``), and what runs coroutines (``execute.coroutines.executor``).

Every function takes a coroutine function `ask` of one item. Each call of it is a branch of its own in the trace, named
after its item. Whatever is still running when a function returns or raises is cancelled before, and has ended.

>>> import asyncio
>>> async def ask(seconds):
...     await sleep_async(seconds)
...     return seconds
>>> from kaygraph_viz.trace.recorder import record
>>> with record(clock="virtual") as trace:  # nobody has to wait for this example
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
from kaygraph_viz.execute.coroutines.executor import AsyncExecutor
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.trace.recorder import span

__all__ = ["as_completed", "at_most", "first_wins", "gather", "paced", "until_deadline", "until_enough"]

T = TypeVar("T")
Ask = Callable[[Any], Awaitable[T]]


async def gather(ask: Ask[T], items: Sequence[Any]) -> list[T]:
    """Ask about all items at once and return the answers in the order of the items.

    Parameters
    ----------
    ask
        A coroutine function of one item.
    items
        What to ask about.

    Raises
    ------
    Exception
        The first error of a branch; the others are cancelled.
    """
    return await _all_values(AsyncExecutor(), ask, items)


async def at_most(in_flight: int, ask: Ask[T], items: Sequence[Any]) -> list[T]:
    """Do as `gather` does, with no more than so many branches in progress: a semaphore.

    Parameters
    ----------
    in_flight
        The most branches at once, 1 to 1,000,000.
    ask, items
        As for `gather`.
    """
    checked_whole("in_flight", in_flight, 1, 1_000_000, "in_flight=3")
    return await _all_values(AsyncExecutor(in_flight), ask, items)


async def paced(limit: RateLimit, ask: Ask[T], items: Sequence[Any]) -> list[T]:
    """Do as `gather` does, with no more calls a second than a limit allows, which other branches may share.

    Parameters
    ----------
    limit
        Who waits for it is blocked, and drawn so.
    ask, items
        As for `gather`.
    """

    async def ask_in_turn(item: Any) -> T:
        async with limit:
            return await ask(item)

    return await gather(ask_in_turn, items)


def as_completed(ask: Ask[Any], items: Sequence[Any]) -> AsyncGenerator[Outcome, None]:
    """Ask about all items at once and yield the outcomes as they come, the quickest first.

    Parameters
    ----------
    ask, items
        As for `gather`.

    Yields
    ------
    Outcome
        One for each item, also where it failed. Leaving early cancels the others if the generator is closed: put it
        into ``async with aclosing(...)``.
    """
    return AsyncExecutor().aimap(ask, items, ordered=False, on_error="collect", label=str)


async def until_enough(enough: int, ask: Ask[T], items: Sequence[Any]) -> list[T]:
    """Ask about all items at once and return the first answers; when there are enough, the rest is cancelled.

    Parameters
    ----------
    enough
        How many answers are wanted, 1 or more. There are fewer if too many branches fail.
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
                break  # leaving the block cancels what still runs, and waits until it has ended
    return answers


async def until_deadline(seconds: float, ask: Ask[Any], items: Sequence[Any]) -> Outcomes:
    """Ask about all items at once and return what is there when the time is up; the rest is cancelled.

    Parameters
    ----------
    seconds
        The time that all have together [s].
    ask, items
        As for `gather`.

    Returns
    -------
    Outcomes
        As they came; of an item that took too long there is none.
    """
    checked_seconds("seconds", seconds, "seconds=0.5")
    options: dict[str, Any] = {"ordered": False, "on_error": "collect", "label": str}
    there = Outcomes()
    with suppress(DeadlineExceeded):
        async for outcome in AsyncExecutor().aimap(ask, items, deadline=seconds, **options):
            there.append(outcome)
    return there


async def first_wins(ask: Ask[T], mirrors: Sequence[Any], *, hedge_s: float = 0.0) -> T:
    """Ask several mirrors the same and return the first answer; those that lost are cancelled.

    With `hedge_s` this is a hedged request: the second mirror is only asked when the first one is slow, which cuts off
    the rare long waits and costs hardly any more calls.

    Parameters
    ----------
    ask
        A coroutine function of a mirror.
    mirrors
        Whom to ask, at least one, the best first.
    hedge_s
        How long the next mirror waits for an answer of those before it [s], 0 or more.

    Raises
    ------
    ExceptionGroup
        With the errors of all mirrors, if none has answered.
    """
    checked_seconds("hedge_s", hedge_s, "hedge_s=0.05")
    if not mirrors:
        raise OptionError("mirrors", mirrors, "at least one", "mirrors=[near, far]")

    async def ask_later(reserve: str) -> T:
        position = places[reserve]
        await sleep_async(position * hedge_s)
        with span(f"mirror {position + 1}"):  # the bar in the chart begins when it is asked
            return await ask(mirrors[position])

    places = {f"mirror {position + 1} in reserve": position for position in range(len(mirrors))}
    failed: list[Exception] = []
    async with aclosing(as_completed(ask_later, list(places))) as outcomes:
        async for outcome in outcomes:
            if outcome.ok:
                winner: T = outcome.value
                return winner
            if isinstance(outcome.error, Exception):
                failed.append(outcome.error)
    raise ExceptionGroup(f"none of {len(mirrors)} mirrors answered", failed)


async def _all_values(executor: AsyncExecutor, ask: Ask[T], items: Sequence[Any]) -> list[T]:
    running = executor.aimap(ask, items, ordered=False, label=str)  # in order, an error would wait for those before it
    outcomes = [outcome async for outcome in running]
    return [outcome.value for outcome in sorted(outcomes, key=attrgetter("index"))]
