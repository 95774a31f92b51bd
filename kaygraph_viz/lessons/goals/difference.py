"""What differs between a result and the expected one, in one sentence.

Belongs here: comparing values and telling the first difference. Does not belong here: the goal (``results``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set as AbstractSet
from typing import Any

import numpy as np

from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.errors import short

__all__ = ["difference"]

LONGEST = 60  # characters of a value
DEEPEST = 20  # keys of a path
BEFORE = 15  # characters shown before the first one that differs
ROUNDING = 1e-9  # sums of the same numbers in another order differ by less


def difference(value: Any, expected: Any) -> str:
    """Return what differs between a value and the expected one, or "" if they are the same.

    Lists and tuples with the same items are the same, and so are numbers that differ by rounding only.

    Examples
    --------
    >>> difference([1, 2, 4, 8], [1, 2, 3, 7])
    '2 of 4 items differ; the first is [2]: expected 3, got 4'
    >>> difference({"a": 1, "c": 3}, {"a": 1, "b": {"x": [2]}, "c": 3})
    "1 key is missing: 'b'"
    >>> difference(0.1 + 0.2, 0.3)
    ''
    """
    if _is_same(value, expected):
        return ""
    if isinstance(value, Mapping) and isinstance(expected, Mapping):
        differ = [key for key in expected if key in value and not _is_same(value[key], expected[key])]
        keys = _of_keys(value.keys(), expected.keys(), "key")
        first = _differing(differ, len(expected), "value", value, expected)
        return "; ".join(filter(None, [keys, first]))
    if _is_list(value) and _is_list(expected):
        return _of_lists(value, expected)
    if isinstance(value, AbstractSet) and isinstance(expected, AbstractSet):
        return _of_keys(value, expected, "item")
    return _pair(value, expected)


def _is_same(value: Any, expected: Any) -> bool:
    try:
        if isinstance(value, float) and isinstance(expected, float):
            both_nan = math.isnan(value) and math.isnan(expected)
            return both_nan or math.isclose(value, expected, rel_tol=ROUNDING)
        if isinstance(value, Mapping) and isinstance(expected, Mapping):
            return value.keys() == expected.keys() and all(_is_same(value[key], expected[key]) for key in expected)
        if _is_list(value) and _is_list(expected):
            return len(value) == len(expected) and all(map(_is_same, value, expected))
        return bool(np.all(value == expected))
    except Exception:  # what cannot be compared is not the same; a reader's class may raise anything
        return False


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _of_keys(value: Iterable[Any], expected: Iterable[Any], word: str) -> str:
    """Return which keys or items are missing, and which are too many."""
    has, wanted = set(value), set(expected)
    parts = []
    missing, more = [key for key in expected if key not in has], [key for key in value if key not in wanted]
    for found, what in ((missing, "missing"), (more, "too many")):
        if found:
            verb, such = ("is", "") if len(found) == 1 else ("are", "such as ")
            parts.append(f"{counted(len(found), word)} {verb} {what}: {such}{short(found[0], LONGEST)}")
    return "; ".join(parts)


def _of_lists(value: Sequence[Any], expected: Sequence[Any]) -> str:
    differ = [
        place for place, (one, other) in enumerate(zip(value, expected, strict=False)) if not _is_same(one, other)
    ]
    counts = ""
    if len(value) != len(expected):
        few = len(expected) - len(value)
        what = f"{few} missing" if few > 0 else f"{-few} too many"
        counts = f"{counted(len(value), 'item')} instead of {len(expected)}: {what}"
    elif _has_the_same_items(value, expected):
        counts = "the right items in another order"
    return "; ".join(filter(None, [counts, _differing(differ, len(expected), "item", value, expected)]))


def _has_the_same_items(value: Sequence[Any], expected: Sequence[Any]) -> bool:
    try:
        return Counter(value) == Counter(expected)
    except Exception:  # not hashable
        return False


def _differing(differ: Sequence[Any], total: int, word: str, value: Any, expected: Any) -> str:
    """Return how many of the values at some places differ, and how the first of them does."""
    if not differ:
        return ""
    where, one, other = _innermost(value, expected, differ[0])
    how_many = f"{len(differ):,} of {counted(total, word)} {'differs' if len(differ) == 1 else 'differ'}"
    return f"{how_many}; the first is {where}: {_pair(one, other)}"


def _innermost(value: Any, expected: Any, place: Any) -> tuple[str, Any, Any]:
    """Return the path to the first value that differs, from a place on, and the two values there."""
    where = ""
    for _ in range(DEEPEST):
        where += f"[{short(place, LONGEST)}]"
        value, expected = value[place], expected[place]
        if isinstance(value, Mapping) and isinstance(expected, Mapping) and value.keys() == expected.keys():
            places: Iterable[Any] = expected
        elif _is_list(value) and _is_list(expected) and len(value) == len(expected):
            places = range(len(expected))
        else:
            break
        place = next(place for place in places if not _is_same(value[place], expected[place]))
    return where, value, expected


def _pair(value: Any, expected: Any) -> str:
    """Return two values that differ, in words."""
    if isinstance(value, str) and isinstance(expected, str) and max(len(value), len(expected)) > LONGEST:
        same = next(
            (at for at, (a, b) in enumerate(zip(value, expected, strict=False)) if a != b),
            min(len(value), len(expected)),
        )
        cut = max(0, same - BEFORE)
        return (
            f"from character {cut + 1} on, expected {short(expected[cut:], LONGEST)}, got {short(value[cut:], LONGEST)}"
        )
    shown, wanted = short(value, LONGEST), short(expected, LONGEST)
    if shown == wanted:
        return f"expected {wanted} of class {type(expected).__name__}, got one of class {type(value).__name__}"
    return f"expected {wanted}, got {shown}"
