"""The answer of a service as an object: its JSON is read strictly, and never trusted.

Belongs here: from the text of an answer to an object of the class that is expected. Does not belong here: requests
(``source_client``), and the classes of answers (``customer_sources``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

from kaygraph_viz._optional import needed
from kaygraph_viz.errors import DataError, short

with needed():
    import cattrs
    from cattrs.v import format_exception

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
    kaygraph_viz.errors.DataError: no answer of the class City: expected int, got 'many' @ $.people
    """
    of_pydantic: Callable[[bytes], T] | None = getattr(kind, "model_validate_json", None)
    if of_pydantic is not None:
        return of_pydantic(body)
    try:
        return _converter().structure(json.loads(body), kind)
    except cattrs.BaseValidationError as error:
        first = cattrs.transform_error(error, format_exception=_told)[0]
        raise DataError(f"no answer of the class {kind.__name__}: {first}") from error
    except (RecursionError, OverflowError) as error:
        why = "it is nested too deeply, or has a number that is too large"
        raise DataError(f"no answer of the class {kind.__name__}: {why}") from error


@cache
def _converter() -> cattrs.Converter:
    """Return what makes objects of dataclasses: values of JSON are taken as they are, and numbers never from texts."""
    converter = cattrs.Converter()
    for kind in (str, int, float, bool):
        converter.register_structure_hook(kind, _as_it_is)
    converter.register_structure_hook_func(_is_tuple, _from_list)
    return converter


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _from_list(value: Any, kind: Any) -> tuple[Any, ...]:
    if type(value) is not list:
        raise TypeError(f"expected a list, got {short(value)}")
    of_what = get_args(kind)[0]
    return tuple(_converter().structure(each, of_what) for each in value)


def _as_it_is(value: Any, kind: type) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {short(value)}")
    if isinstance(value, str):
        value.encode()  # half of a pair of surrogates is no text
    return value


def _told(error: BaseException, kind: Any) -> str:
    return str(error) if isinstance(error, TypeError) else format_exception(error, kind)
