"""Reading what others have sent: records and answers that may hold anything.

Belongs here: the texts of a record, the records and items of a shared store, what a check reports (`Finding`), and the
JSON of an answer as an object of the class that is expected. Does not belong here: any rule (``checks``), and requests
(``sources``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

from kaygraph_viz.base.errors import DataError, short
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.graph.node import Shared

MAX_SENT = 255
Record = Mapping[str, str]


def texts(record: Record) -> dict[str, str]:
    """Return the fields of a record whose values are text; the format check reports the others.

    Raises
    ------
    DataError
        When `record` is not a mapping.

    Examples
    --------
    >>> texts({"name": "Ada", "email": None})
    {'name': 'Ada'}
    """
    if not isinstance(record, Mapping):
        raise DataError(f"a record must be a mapping from field to text, got {short(record)}")
    return {str(field): value for field, value in record.items() if isinstance(value, str)}


def text_of(record: Record, field: str) -> str:
    """Return one field of a record; the empty text when it is missing or no text, or the record is no mapping.

    Examples
    --------
    >>> text_of({"city": "Lyon"}, "city"), text_of({"city": 7}, "city"), text_of(None, "city")
    ('Lyon', '', '')
    """
    value: object = record.get(field) if isinstance(record, Mapping) else None
    return value if isinstance(value, str) else ""


def can_be_sent(value: str) -> bool:
    """Return whether a text can be a parameter of a request: not blank, printable, at most 255 characters long.

    Examples
    --------
    >>> can_be_sent("Lyon"), can_be_sent("  "), can_be_sent("x" * 256)
    (True, False, False)
    """
    return bool(value.strip()) and len(value) <= MAX_SENT and value.isprintable()


def records_of(shared: Shared) -> Sequence[Record]:
    """Return ``shared["records"]``.

    Raises
    ------
    DataError
        When they are missing or not a list.
    """
    records = shared.get("records")
    if not isinstance(records, Sequence) or isinstance(records, (str, bytes)):
        raise DataError(f'shared["records"] must be a list of records, got {short(records)}')
    return records


def value_of(shared: Shared, key: str, example: str = "...") -> Any:
    """Return ``shared[key]``.

    Raises
    ------
    DataError
        When it is missing; `example` is what the message writes for it.

    Examples
    --------
    >>> value_of({"orders": []}, "orders", "load_orders()")
    []
    """
    if key not in shared:
        raise DataError(f'shared["{key}"] is not there; run the graph with graph.run({{"{key}": {example}}})')
    return shared[key]


CHECKS = ("security", "format", "business", "external")


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault of one field of a record.

    Examples
    --------
    >>> print(Finding("format", "email", "email_invalid", "there is no @-sign"))
    format: email: there is no @-sign
    """

    check: str  # the check that found it, one of `CHECKS`
    field: str  # the field it is about
    code: str  # the short fixed name of the fault, for counting and comparing
    message: str  # the fault in one sentence; it never repeats the value, which may be hostile

    def __str__(self) -> str:
        """Return the finding as one line."""
        return one_line(f"{self.check}: {self.field}: {self.message}", 1_000)


with needed():
    import cattrs
    from cattrs.v import format_exception

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
    kaygraph_viz.base.errors.DataError: no answer of the class City: expected int, got 'many' @ $.people
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
