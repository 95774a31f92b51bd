"""Answers of services are read as strictly as a model of pydantic reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from kaygraph_viz.patterns.answers import read_answer


@dataclass(frozen=True)
class Point:
    x: float


@dataclass(frozen=True)
class Answer:
    name: str
    count: int
    share: float
    plan: Literal["basic", "pro"]
    note: str | None
    points: tuple[Point, ...]
    known: bool = True


class PointModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    x: float


class AnswerModel(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    name: str
    count: int
    share: float
    plan: Literal["basic", "pro"]
    note: str | None
    points: tuple[PointModel, ...]
    known: bool = True


GOOD = {"name": "é", "count": 3, "share": 0.5, "plan": "pro", "note": None, "points": [{"x": 1}], "known": False}
VALUES = (
    "",
    "pro",
    "basic",
    "x",
    0,
    7,
    -1.5,
    1e300,
    True,
    False,
    None,
    [],
    {},
    [{"x": 2}],
    [{"x": "2"}],
    [3],
    "\ud800",
)


def test_an_answer_is_an_object_of_its_class():
    found = read_answer(Answer, json.dumps(GOOD | {"more": 1}).encode())
    assert found == Answer("é", 3, 0.5, "pro", None, (Point(1.0),), known=False)


@pytest.mark.parametrize("field", GOOD)
def test_each_value_is_taken_or_refused_as_by_pydantic(field):
    for value in VALUES:
        body = json.dumps(GOOD | {field: value}).encode()
        assert _taken(Answer, body) == _taken(AnswerModel, body), (field, value)


@pytest.mark.parametrize("field", GOOD)
def test_a_field_may_be_missing_only_where_it_has_a_default(field):
    body = json.dumps({name: value for name, value in GOOD.items() if name != field}).encode()
    assert _taken(Answer, body) is _taken(AnswerModel, body) is (field == "known")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"fine",
        b"[]",
        b"{}",
        b"7",
        b"\xff",
        b"{" + b'"a":{' * 60_000,
        b"[" * 60_000,
        b'{"x": 1' + b"0" * 400 + b"}",
    ],
)
def test_nonsense_is_refused(body):
    assert not _taken(Point, body)


def test_a_model_of_pydantic_reads_answers_itself():
    assert read_answer(PointModel, b'{"x": 2}') == PointModel(x=2.0)
    with pytest.raises(ValidationError):
        read_answer(PointModel, b'{"x": "2"}')


def _taken(kind, body):
    try:
        return bool(read_answer(kind, body))
    except ValueError:
        return False
