"""The shipped customers, their answer key and what is known about their mail domains.

Belongs here: reading the records as text. Does not belong here: how they are made (``data/make_customers.py``) and
judging them (``patterns.checks``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from kaygraph_viz.services.files import checked_limit, read_table

__all__ = ["CUSTOMER_COLUMNS", "REFERENCE_DATE", "KeyEntry", "load_customers", "load_customers_key", "load_domains"]

CUSTOMER_COLUMNS = (
    "customer_id",
    "name",
    "email",
    "phone",
    "birth_date",
    "signup_date",
    "last_order_date",
    "city",
    "country",
    "postal_code",
    "note",
)
REFERENCE_DATE = date(2026, 1, 1)  # "today" for everything that judges the shipped records


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """The fault that the generator planted in a customer record, if any.

    Parameters
    ----------
    fault
        Name of the planted fault; empty for a clean record.
    field
        The column that was changed; empty for a clean record.
    check
        The check that has to find it: ``"security"``, ``"format"``, ``"business"`` or ``"external"``; empty for a
        clean record.

    Examples
    --------
    >>> KeyEntry("", "", "").is_clean
    True
    """

    fault: str
    field: str
    check: str

    @property
    def is_clean(self) -> bool:
        """Whether no fault was planted."""
        return not self.fault


def load_customers(limit: int | None = None) -> list[dict[str, str]]:
    """Return the generated customers, some of them with a planted fault; every value is text.

    Parameters
    ----------
    limit
        How many of the first records to return (0 or more); None returns all.

    Examples
    --------
    >>> [customer["customer_id"] for customer in load_customers(limit=2)]
    ['C00001', 'C00002']
    """
    rows = _customers()[: checked_limit(limit, "load_customers(limit=100)")]
    return [dict(zip(CUSTOMER_COLUMNS, row, strict=True)) for row in rows]


def load_customers_key() -> dict[str, KeyEntry]:
    """Return the answer key: for each customer number, clean ones included, what was planted in the record.

    Examples
    --------
    >>> load_customers_key()["C00001"].is_clean
    True
    """
    return dict(_customers_key())


def load_domains() -> dict[str, str]:
    """Return for each known mail domain ``"deliverable"``, ``"undeliverable"`` or ``"disposable"``.

    Examples
    --------
    >>> load_domains()["example.com"]
    'deliverable'
    """
    return {row[0]: row[1] for row in read_table("domains.csv", ("domain", "status"))}


# Only immutable rows are cached: a caller may change the records that it gets without changing those of others.


@lru_cache(maxsize=1)
def _customers() -> tuple[tuple[str, ...], ...]:
    return read_table("customers.csv", CUSTOMER_COLUMNS)


@lru_cache(maxsize=1)
def _customers_key() -> tuple[tuple[str, KeyEntry], ...]:
    rows = read_table("customers_key.csv", ("customer_id", "fault", "field", "check"))
    return tuple((number, KeyEntry(fault, field, check)) for number, fault, field, check in rows)
