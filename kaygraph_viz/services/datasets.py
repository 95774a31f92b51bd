"""Read the data files that are shipped with the package.

Belongs here: finding a file in an installed package or a checkout, and turning its rows into plain values.
Does not belong here: how the files are made (the scripts and the README beside them) and judging the records
(``patterns.checks``).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from kaygraph_viz.errors import DataError, OptionError

__all__ = [
    "CUSTOMER_COLUMNS",
    "REFERENCE_DATE",
    "City",
    "Country",
    "KeyEntry",
    "data_path",
    "load_cities",
    "load_countries",
    "load_customers",
    "load_customers_key",
    "load_domains",
]

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
_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / "_data", _PACKAGE.parent / "data")  # of an installed package, of a checkout


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """What is wrong with one customer, as the generator knows it.

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


@dataclass(frozen=True, slots=True)
class City:
    """One city of at least 100,000 inhabitants.

    Parameters
    ----------
    name
        Its usual English or local name, as GeoNames writes it.
    country
        ISO 3166-1 alpha-2 code.
    latitude, longitude
        WGS84 [degrees].
    population
        Inhabitants.
    """

    name: str
    country: str
    latitude: float
    longitude: float
    population: int


@dataclass(frozen=True, slots=True)
class Country:
    """One country with the rules that its phone numbers and postal codes follow.

    Parameters
    ----------
    iso
        ISO 3166-1 alpha-2 code.
    name
        English name.
    phone_prefixes
        Calling codes, digits only; empty when there is none.
    postal_code_regex
        Pattern that a whole postal code matches; empty when the country has no postal codes.
    """

    iso: str
    name: str
    phone_prefixes: tuple[str, ...]
    postal_code_regex: str


def data_path(name: str) -> Path:
    """Return the path of one shipped data file.

    An installed package keeps the files inside itself; a checkout keeps them in ``data/``. The first is looked at
    first.

    Parameters
    ----------
    name
        Plain file name, such as ``"customers.csv"``.

    Returns
    -------
    Path
        An existing file.

    Raises
    ------
    DataError
        When `name` is not a plain file name, or neither place has the file.

    Examples
    --------
    >>> data_path("customers.csv").name
    'customers.csv'
    """
    if not name or name != Path(name).name or "\\" in name or "\0" in name:
        raise DataError(f"a data file is asked for by its plain name, such as 'customers.csv', got {name!r}", name=name)
    for folder in _FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"the data file {name!r} is neither in {_FOLDERS[0]} (installed package) nor in {_FOLDERS[1]} (checkout); "
        "check the spelling, install the package again, or run the command in data/README.md that makes the file",
        name=name,
    )


def load_customers(limit: int | None = None) -> list[dict[str, str]]:
    """Return the generated customers, some of them with a planted fault.

    Every call makes new dictionaries, so a record may be changed freely.

    Parameters
    ----------
    limit
        How many of the first records to return (0 or more); None returns all.

    Returns
    -------
    list of dict
        One dictionary for each customer with the keys `CUSTOMER_COLUMNS`; every value is text.

    Raises
    ------
    OptionError
        When `limit` is negative or not a whole number.
    DataError
        When the file is missing or has other columns.

    Examples
    --------
    >>> [customer["customer_id"] for customer in load_customers(limit=2)]
    ['C00001', 'C00002']
    """
    if limit is not None and not (type(limit) is int and limit >= 0):  # True is no number here
        raise OptionError("limit", limit, "a whole number from 0, or None for all", "load_customers(limit=100)")
    return [dict(zip(CUSTOMER_COLUMNS, row, strict=True)) for row in _customers()[:limit]]


def load_customers_key() -> dict[str, KeyEntry]:
    """Return the answer key: for each customer number, what was planted in the record.

    Returns
    -------
    dict
        From ``customer_id`` to `KeyEntry`, one entry for every customer, clean ones included.

    Raises
    ------
    DataError
        When the file is missing or has other columns.

    Examples
    --------
    >>> load_customers_key()["C00001"].is_clean
    True
    """
    return dict(_customers_key())


@lru_cache(maxsize=1)
def load_cities() -> tuple[City, ...]:
    """Return the cities of at least 100,000 inhabitants, by country, the largest first.

    Returns
    -------
    tuple of City
        The same immutable tuple at every call.

    Raises
    ------
    DataError
        When the file is missing or has other columns.

    Examples
    --------
    >>> len(load_cities())
    6204
    """
    rows = _read("cities.csv", ("name", "country", "latitude", "longitude", "population"))
    return tuple(City(name, code, float(lat), float(lon), int(people)) for name, code, lat, lon, people in rows)


def load_countries() -> dict[str, Country]:
    """Return the countries by ISO code.

    Returns
    -------
    dict
        From ISO 3166-1 alpha-2 code to `Country`; a new dictionary at every call.

    Raises
    ------
    DataError
        When the file is missing or has other columns.

    Examples
    --------
    >>> load_countries()["PT"].phone_prefixes
    ('351',)
    """
    return {country.iso: country for country in _countries()}


def load_domains() -> dict[str, str]:
    """Return what the verification service knows about mail domains.

    Returns
    -------
    dict
        From domain to ``"deliverable"``, ``"undeliverable"`` or ``"disposable"``; a new dictionary at every call.

    Raises
    ------
    DataError
        When the file is missing or has other columns.

    Examples
    --------
    >>> load_domains()["example.com"]
    'deliverable'
    """
    return {row[0]: row[1] for row in _read("domains.csv", ("domain", "status"))}


# Only immutable rows are cached: what a caller gets is built anew, so nobody can change what others will read.


@lru_cache(maxsize=1)
def _customers() -> tuple[tuple[str, ...], ...]:
    return _read("customers.csv", CUSTOMER_COLUMNS)


@lru_cache(maxsize=1)
def _customers_key() -> tuple[tuple[str, KeyEntry], ...]:
    rows = _read("customers_key.csv", ("customer_id", "fault", "field", "check"))
    return tuple((number, KeyEntry(fault, field, check)) for number, fault, field, check in rows)


@lru_cache(maxsize=1)
def _countries() -> tuple[Country, ...]:
    rows = _read("countries.csv", ("iso", "name", "phone_prefix", "postal_code_regex"))
    return tuple(Country(iso, name, tuple(prefixes.split()), regex) for iso, name, prefixes, regex in rows)


def _read(name: str, columns: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    path = data_path(name)
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [tuple(row) for row in csv.reader(file)] or [()]
    if header != tuple(columns):
        raise DataError(f"{path} must start with the columns {', '.join(columns)}, got {', '.join(header)}", path=path)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(columns):
            raise DataError(f"{path}, row {number}: expected {len(columns)} values, got {len(row)}", path=path)
    return tuple(rows)
