"""The answer of a service as an object: its JSON is read strictly, and never trusted.

Belongs here: from the text of an answer to an object of the class that is expected. Does not belong here: requests
(``source_client``), and the classes of answers (``customer_sources``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from kaygraph_viz.errors import DataError, short

__all__ = ["is_answer", "read_answer"]

T = TypeVar("T")


def is_answer(kind: object) -> bool:
    """Return whether answers can be read as objects of `kind`: a dataclass, or a model of pydantic."""
    return isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "model_validate_json"))


def read_answer(kind: type[T], body: bytes) -> T:
    """Return the object that an answer describes; fields that the class does not have are ignored.

    Parameters
    ----------
    kind
        A dataclass whose fields are texts, numbers, ``None``, literals, tuples of them and dataclasses; or a model of
        pydantic.
    body
        The answer as JSON. A number is never read from a text.

    Raises
    ------
    ValueError
        If the answer does not have these fields. `DataError` is one, and so is the error of pydantic.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class City:
    ...     name: str
    ...     people: int
    >>> read_answer(City, b'{"name": "Lyon", "people": 520774, "river": "Rhone"}')
    City(name='Lyon', people=520774)
    >>> read_answer(City, b'{"name": "Lyon", "people": "many"}')
    Traceback (most recent call last):
    ...
    kaygraph_viz.errors.DataError: people: expected int, got 'many'
    """
    of_pydantic: Callable[[bytes], T] | None = getattr(kind, "model_validate_json", None)
    if of_pydantic is not None:
        return of_pydantic(body)
    try:
        return _object(kind, json.loads(body))
    except (RecursionError, OverflowError) as error:
        raise DataError("the answer is nested too deeply, or has a number that is too large") from error


def _object(kind: type[T], found: Any) -> T:
    """Return a dataclass with the values of an object of JSON."""
    if not isinstance(found, dict):
        raise DataError(f"expected an object with the fields of {kind.__name__}, got {short(found)}")
    types, values = _types(kind), {}  # type: ignore[arg-type]  # a class can be hashed
    for field in fields(kind):  # type: ignore[arg-type]  # it is a dataclass
        if field.name in found:
            values[field.name] = _value(types[field.name], found[field.name], field.name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise DataError(f"the field {field.name} of {kind.__name__} is missing")
    return kind(**values)


@lru_cache
def _types(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(wanted: Any, found: Any, name: str) -> Any:
    """Return a value of JSON as one of the wanted type."""
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin is UnionType and found is None and NoneType in parts:
        return None
    if origin is UnionType:
        return _value(parts[0], found, name)
    if origin is tuple and isinstance(found, list):
        return tuple(_value(parts[0], each, name) for each in found)
    if origin is Literal and found in parts and isinstance(found, str):
        return found
    if is_dataclass(wanted) and isinstance(wanted, type):
        return _object(wanted, found)
    if wanted is float and type(found) is int:
        return float(found)
    if type(found) is not wanted:
        raise DataError(f"{name}: expected {getattr(wanted, '__name__', wanted)}, got {short(found)}")
    if wanted is str:
        found.encode()  # half of a pair of surrogates is no text
    return found
