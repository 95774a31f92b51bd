"""What differs between a result and the expected one."""

from __future__ import annotations

from collections import Counter, UserDict

import numpy as np
import pytest

from kaygraph_viz.lessons.goals.difference import difference


class Broken:
    def __eq__(self, other):
        raise RuntimeError("no")

    __hash__ = None

    def __repr__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        ([1, (2, 3)], (1, [2, 3])),
        (sum([0.1] * 10), 1.0),
        (float("nan"), float("nan")),
        (Counter("abca"), {"a": 2, "b": 1, "c": 1}),
        (np.arange(3), np.arange(3)),
        ([{"a": np.ones(2)}], [{"a": np.ones(2)}]),
        ({1, 2}, {2, 1}),
    ],
)
def test_what_is_the_same(value, expected):
    assert difference(value, expected) == ""


@pytest.mark.parametrize(
    ("value", "expected", "told"),
    [
        (None, [1, 2], "expected [1, 2], got None"),
        ([1, 2, 4], [1, 2, 3], "1 of 3 items differs; the first is [2]: expected 3, got 4"),
        (
            [2, 1, 3],
            [1, 2, 3],
            "the right items in another order; 2 of 3 items differ; the first is [0]: expected 1, got 2",
        ),
        ([1, 2], [1, 2, 3], "2 items instead of 3: 1 missing"),
        ([1], [2, 2], "1 item instead of 2: 1 missing; 1 of 2 items differs; the first is [0]: expected 2, got 1"),
        ([1, 2, 3, 4], [1, 2], "4 items instead of 2: 2 too many"),
        (
            [{"name": "a", "age": [1, 2]}],
            [{"name": "a", "age": [1, 3]}],
            "1 of 1 item differs; the first is [0]['age'][1]: expected 3, got 2",
        ),
        ({"a": 1}, {"a": 1, "b": 2, "c": 3}, "2 keys are missing: such as 'b'"),
        (
            {"a": 1, "z": 0},
            {"a": 2},
            "1 key is too many: 'z'; 1 of 1 value differs; the first is ['a']: expected 2, got 1",
        ),
        ({1, 2, 9}, {1, 2, 3}, "1 item is missing: 3; 1 item is too many: 9"),
        ([[1, 2]], [[1, 2, 3]], "1 of 1 item differs; the first is [0]: expected [1, 2, 3], got [1, 2]"),
        ("x" * 70 + "b", "x" * 70 + "a", f"from character 56 on, expected '{'x' * 15}a', got '{'x' * 15}b'"),
        (UserDict({"a": 1}), {"a": 2}, "1 of 1 value differs; the first is ['a']: expected 2, got 1"),
        (np.ones(2), np.zeros(2), "expected array([0., 0.]), got array([1., 1.])"),
        (np.ones(2), np.zeros(3), "expected array([0., 0., 0.]), got array([1., 1.])"),
    ],
)
def test_the_first_difference_is_told(value, expected, told):
    assert difference(value, expected) == told


def test_values_that_cannot_be_compared_or_shown_are_told_by_their_class():
    assert difference(Broken(), Broken()) == "expected <Broken> of class Broken, got one of class Broken"
    assert difference([Broken()], [1]).startswith("1 of 1 item differs; the first is [0]: expected 1, got <Broken>")


def test_a_difference_is_short_and_inert():
    text = difference(["\x1b[31m" * 1000] * 3, ["a" * 100_000] * 3)
    assert len(text) < 400
    assert "\x1b" not in text


def test_what_contains_itself_ends():
    one, other = [1], [1]
    one.append(one)
    other.append(other)
    assert isinstance(difference(one, other), str)
