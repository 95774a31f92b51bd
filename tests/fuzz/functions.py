"""The user code of random graphs: what a function does with a number is drawn from its seed and that number.

Belongs here: functions that workers of all kinds can run. Does not belong here: retries and the like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

import kaygraph_viz as kv
from kaygraph_viz.execute.retries import attempt_number

HANGS_US = 600_000  # longer than any timeout of a graph that also runs in real time


class OddError(Exception):
    """An error of the user's own, with two arguments."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)


class RudeError(Exception):
    """An error without a text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def _made(kind: type[BaseException]) -> Callable[[int], BaseException]:
    return lambda x: kind(f"no {x}")


ERRORS: tuple[Callable[[int], BaseException], ...] = (
    _made(ValueError),
    _made(KeyError),
    _made(OSError),
    _made(TimeoutError),
    lambda x: OddError(x, "odd"),
    RudeError,
    _made(StopIteration),
    _made(StopAsyncIteration),
    _made(GeneratorExit),
    _made(SystemExit),
)


@dataclass(frozen=True)
class Work:
    """A function: its seed, and the shares of numbers for which it fails at first, and lasts very long."""

    seed: int
    failing: float = 0.0
    hanging: float = 0.0


class Facts(NamedTuple):
    """What a function does with one number: it fails so many attempts, each lasts so long [us], and its value."""

    value: int
    fails: int
    lasts_us: int
    error: int


def facts(work: Work, x: int) -> Facts:
    rnd = Random(f"{work.seed} {x}")
    value, error = rnd.randrange(10_000), rnd.randrange(len(ERRORS))
    fails = rnd.choice((1, 1, 2, 3, 99)) if rnd.random() < work.failing else 0
    lasts_us = HANGS_US if rnd.random() < work.hanging else rnd.choice((0, 0, 250, 500, 1000, 2000))
    return Facts(value, fails, lasts_us, error)


def error_for(fact: Facts, x: int) -> BaseException:
    return ERRORS[fact.error](x)


def digest(value: object) -> int:
    """Return a number below 1000 that stands for any value."""
    return crc32(repr(value).encode()) % 1000


def _result(fact: Facts, x: int, attempt: int) -> int:
    if attempt <= fact.fails:
        raise error_for(fact, x)
    return fact.value


def attempt(work: Work, x: int) -> int:
    fact = facts(work, x)
    if fact.lasts_us:
        kv.sleep(fact.lasts_us / 1e6)
    return _result(fact, x, attempt_number())


async def attempt_async(work: Work, x: int) -> int:
    fact = facts(work, x)
    if fact.lasts_us:
        await kv.sleep_async(fact.lasts_us / 1e6)
    return _result(fact, x, attempt_number())


@dataclass(frozen=True)
class Function:
    """A function as an object that can be pickled; where `is_async`, it returns a coroutine."""

    work: Work
    is_async: bool = False

    def __call__(self, x: int) -> Any:
        return attempt_async(self.work, x) if self.is_async else attempt(self.work, x)


@dataclass(frozen=True)
class Mapper:
    work: Work

    def __call__(self, x: int) -> Any:
        value = attempt(self.work, x)
        yield value % 3, value
        yield f"k{value % 5}", x


@dataclass(frozen=True)
class Reducer:
    """Reduces values to a digest that depends on their order, or after a combiner to their sum."""

    work: Work
    is_combined: bool = False

    def __call__(self, key: Any, values: list[Any]) -> int:
        return attempt(self.work, digest(key)) + (sum(values) if self.is_combined else digest(values))


def combine(key: Any, values: list[int]) -> int:
    return sum(values)
