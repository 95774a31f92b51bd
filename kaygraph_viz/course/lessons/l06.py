"""Lesson 6: a service that is called many times at once, and whether each call was made.

Belongs here: the service of the exercise. Does not belong here: what is in the notebook.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.course.lessons.goals import Finding, Goal

__all__ = ["Service", "each_called_once"]


class Service:
    """A service that needs so long for each call [s], and counts the calls that it answered."""

    def __init__(self, answer_s: float = 0.2) -> None:
        self.answer_s = answer_s
        self.answered: Counter[Any] = Counter()

    @kv.traced
    async def call(self, number: int) -> str:
        """Return the answer to a call, after some waiting; each call is a bar of its own in the chart."""
        await kv.sleep_async(self.answer_s)
        self.answered[number] += 1
        return f"answer {number}"


def each_called_once(service: Any, numbers: Iterable[int]) -> Goal:
    """Require that a service answered the call with each number once."""
    answered = service.answered if isinstance(service, Service) else Counter()

    def evaluate(_: object) -> Finding:
        wrong = [number for number in numbers if answered[number] != 1]
        if wrong:
            return Finding(False, f"call {wrong[0]} was answered {answered[wrong[0]]} times")
        return Finding(True, f"{answered.total()} calls were answered")

    return Goal("the service answers each call once", evaluate)


SOLUTIONS = {
    "exercise_1": '''
"""Five coroutines in progress.

- How many coroutines may be in progress at once? Only one line decides that.
- The second argument of `get_executor` is the number of coroutines in progress. In plain asyncio, it is a `Semaphore`.
"""

service = Service(answer_s=0.2)


async def all_calls():
    with kv.get_executor("async", 5) as executor:
        async for outcome in executor.aimap(service.call, range(20)):
            outcome.unwrap()


with kv.record(clock="virtual") as mine:
    kv.run(all_calls())
''',
    "puzzle_1": '''
"""All shops asked at once with a task group; the lesson shuffles these lines."""


async def ask_in_a_group():
    async with asyncio.TaskGroup() as group:
        for shop in shops:
            group.create_task(asked(shop))


with kv.record(clock="virtual") as trace:
    kv.run(ask_in_a_group())
''',
}
