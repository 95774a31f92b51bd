"""What a check says about a record.

Belongs here: the `Finding` that all checks return, and reading the text of a record without trusting it.
Does not belong here: any rule; each check has a module of its own (``security``, ``formats``, ``business``,
``external``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kaygraph_viz.errors import DataError, short

__all__ = ["CHECKS", "Finding", "text_of", "texts"]

CHECKS = ("security", "format", "business", "external")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one field of a record.

    Parameters
    ----------
    check
        The check that found it, one of `CHECKS`.
    field
        The field it is about.
    code
        A short fixed name, for counting and comparing.
    message
        One sentence for people; it never repeats the value, which may be hostile.

    Examples
    --------
    >>> print(Finding("format", "email", "email_invalid", "there is no @-sign"))
    format: email: there is no @-sign
    """

    check: str
    field: str
    code: str
    message: str

    def __str__(self) -> str:
        """Return the finding as one line."""
        return f"{self.check}: {self.field}: {self.message}"


def texts(record: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a record whose values are text.

    Other values are left to the format check, which reports each of them.

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


def text_of(record: Mapping[str, str], field: str) -> str:
    """Return one field of a record, or the empty text when it is missing or no text."""
    value: object = record.get(field)
    return value if isinstance(value, str) else ""
