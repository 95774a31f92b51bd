"""Reading records that may hold anything: wrong types, missing fields, no record at all.

Belongs here: the texts of a record, the records and items of a shared store, and what a check reports (`Finding`). Does
not belong here: any rule (``checks``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kaygraph_viz.base.errors import DataError, short
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
    """Return one field of a record; the empty text when it is missing or no text, or the record is no mapping."""
    value: object = record.get(field) if isinstance(record, Mapping) else None
    return value if isinstance(value, str) else ""


def can_be_sent(value: str) -> bool:
    """Return whether a text can be a parameter of a request: not blank, printable, at most 255 characters long."""
    return bool(value.strip()) and len(value) <= MAX_SENT and value.isprintable()


def records_of(shared: Shared) -> Sequence[Record]:
    """Return ``shared["records"]``."""
    records = shared.get("records")
    if not isinstance(records, Sequence) or isinstance(records, (str, bytes)):
        raise DataError(f'shared["records"] must be a list of records, got {short(records)}')
    return records


def value_of(shared: Shared, key: str, example: str = "...") -> Any:
    """Return ``shared[key]``."""
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
