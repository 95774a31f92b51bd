"""Checks of what users pass: numbers, durations, words, functions.

Belongs here: returning an argument that can be used, and else raising the error that says what to write instead; the
bounds that several modules share; refusing what plain functions must not return. Does not belong here: checks of
objects of this package, which stand beside their classes.

Each function takes the name of the argument as the caller writes it, the value, what is allowed, and a call that works.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from types import AsyncGeneratorType, CoroutineType
from typing import Any, TypeVar

from kaygraph_viz.base.errors import BranchError, OptionError

MAX_SECONDS = 1e9  # 30 years; the system's own waits overflow at some 292
MAX_WORKERS = 4096
LARGEST = sys.float_info.max  # a bound below infinity also refuses NaN, and integers that no float holds

F = TypeVar("F", bound=Callable[..., Any])
W = TypeVar("W", bound=str)
B = TypeVar("B", bound=bool | None)


def checked_whole(name: str, value: Any, low: int, high: int | None = None, example: str = "") -> int:
    """Return `value` if it is a whole number in a range; True and False are none."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= (value if high is None else high):
        allowed = f", {low} or more" if high is None else f" from {low} to {high}"
        raise OptionError(name, value, f"a whole number{allowed}", example or f"{name}={max(low, 1)}")
    return value


def checked_workers(workers: int | None, name: str = "max_workers", *, limit: int = MAX_WORKERS) -> int | None:
    """Return `workers` if it is a number of workers, or None for the default."""
    return None if workers is None else checked_whole(name, workers, 1, limit, f"{name}={min(4, limit)}")


def checked_number(
    name: str,
    value: Any,
    low: float = 0.0,
    high: float = LARGEST,
    example: str = "",
    *,
    above: bool = False,
    what: str = "a number",
) -> float:
    """Return `value` as a float if it is a finite number in a range; True and False are none."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or (above and value == low):
        least, most = (f"{bound:g}".replace("e+0", "e") for bound in (low, high))  # 1e9 and not Python's 1e+09
        if above:
            expected = f" above {least}" + ("" if high == LARGEST else f", at most {most}")
        else:
            expected = f", {least} or more" if high == LARGEST else f" from {least} to {most}"
        raise OptionError(name, value, what + expected, example or f"{name}={low:g}")
    return float(value)


def checked_seconds(name: str, value: Any, example: str = "", *, low: float = 0.0, above: bool = False) -> float:
    """Return `value` as a float if it is a number of seconds from `low` to 1e9."""
    return checked_number(name, value, low, MAX_SECONDS, example, above=above, what="a number of seconds")


def checked_word(name: str, value: W, known: Collection[str], example: str = "") -> W:
    """Return `value` if it is one of the known words."""
    words = list(known)
    if not isinstance(value, str) or value not in words:
        listed = " or ".join(map(repr, words)) if len(words) < 3 else f"one of {', '.join(map(repr, words))}"
        raise OptionError(name, value, listed, example or f'{name}="{words[-1]}"')
    return value


def checked_flag(name: str, value: B, example: str = "", *, or_none: bool = False) -> B:
    """Return `value` if it is True or False, or where `or_none` allows it None."""
    if not isinstance(value, bool) and not (or_none and value is None):
        raise OptionError(name, value, "True, False or None" if or_none else "True or False", example or f"{name}=True")
    return value


def checked_function(name: str, value: F, expected: str, example: str = "") -> F:
    """Return `value` if it can be called."""
    if not callable(value):
        raise OptionError(name, value, expected, example)
    return value


def refuse_if_async(value: Any, where: str) -> None:
    """Raise `BranchError` if plain code returned a coroutine or an asynchronous generator: nothing would run it."""
    if type(value) is CoroutineType:
        value.close()
        raise BranchError(f"{where} returned a coroutine; write a plain function, or use an async node")
    if type(value) is AsyncGeneratorType:
        raise BranchError(f"{where} returned an asynchronous generator, which nothing reads; write return, not yield")
