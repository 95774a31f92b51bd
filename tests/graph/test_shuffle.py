"""Which partition a key belongs to: the same in every process, for equal keys, spread evenly."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.errors import OptionError
from kaygraph_viz.graph.shuffle import partition_of

MANY = 1 << 32  # so that two keys meet in one partition only if they have one hash


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


class Unit(StrEnum):
    METRE = "m"


class Point(NamedTuple):
    x: int
    y: int


KEYS = [
    None, "", "tea", "thé", "\ud800", b"tea", 0, -1, 10**30, 0.5, float("inf"), date(1790, 1, 8), Colour.RED,
    ("tea", 1), (), ("a", ("b", None)), frozenset({"a", "b", 3}),
]  # fmt: skip
PINNED = [0, 0, 2, 6, 0, 2, 1, 2, 6, 5, 4, 4, 5, 2, 0, 2, 4]


def test_partitions_are_those_of_earlier_versions():
    assert [partition_of(key, 8) for key in KEYS] == PINNED


@pytest.mark.processes
@pytest.mark.parametrize("seed", ["1", "2"])
def test_partitions_are_the_same_in_every_process(seed):
    program = f"import runpy; m = runpy.run_path({__file__!r}); print([m['partition_of'](k, 8) for k in m['KEYS']])"
    env = os.environ | {"PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(PINNED)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (0, -0.0), (1, Level.LOW), ("m", Unit.METRE), (Point(1, 2), (1.0, 2)), (2**70, 2.0**70)],
)
def test_equal_keys_of_different_types_belong_together(one, other):
    assert one == other
    assert partition_of(one, MANY) == partition_of(other, MANY)


@given(st.lists(st.one_of(st.text(), st.integers(), st.binary()), unique=True))
def test_the_order_of_a_set_does_not_matter(members):
    assert partition_of(frozenset(members), MANY) == partition_of(frozenset(reversed(members)), MANY)


@given(st.one_of(st.text(), st.binary(), st.integers(), st.floats(allow_nan=False)), st.integers(1, 100))
def test_a_partition_is_one_of_those_that_there_are(key, partitions):
    assert 0 <= partition_of(key, partitions) < partitions


def test_keys_that_differ_little_are_spread():
    decades = [partition_of(decade, 8) for decade in range(1790, 2030, 10)]
    words = [partition_of(f"word {number}", 8) for number in range(8000)]
    assert len(set(decades)) == 8
    assert 900 < min(map(words.count, range(8))) <= max(map(words.count, range(8))) < 1100


class Odd:
    pass


class CaseBlind(str):
    __slots__ = ()

    def __eq__(self, other):
        return self.lower() == other.lower()

    def __hash__(self):
        return hash(self.lower())


@pytest.mark.parametrize(
    "key",
    [Odd(), object, Decimal(1), datetime(2026, 1, 1, tzinfo=UTC), CaseBlind("a"), ("a", Odd())],
    ids=lambda key: str(type(key)),
)
def test_a_key_whose_hash_may_differ_elsewhere_is_refused(key):
    with pytest.raises(OptionError, match="a key must be a text, bytes, a number") as caught:
        partition_of(key, 8)
    assert "yield str(key), value" in str(caught.value)


def test_not_a_number_is_no_key():
    with pytest.raises(OptionError, match="equal to itself"):
        partition_of(float("nan"), 8)
