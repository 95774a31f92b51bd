"""The shipped data: customers, orders, cities, profiles, companies and speeches, and their answer keys.

Belongs here: finding the files of an installed package or a checkout, and reading their rows. Does not belong here: how
they are made (the scripts and the README in ``data/``) and judging the records (``patterns``).

Every reader raises `DataError` when its file is missing or has other columns, and `OptionError` for a `limit` that is
no whole number of 0 or more. Lists and dictionaries are new at every call, so they may be changed freely.
"""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from pathlib import Path

from kaygraph_viz.base.checks import checked_whole
from kaygraph_viz.base.errors import DataError, short

_PACKAGE = Path(__file__).resolve().parents[2]
_FOLDERS = (_PACKAGE / "_data", _PACKAGE.parent / "data")  # of an installed package, of a checkout


def data_path(name: str, *, folder: str = "") -> Path:
    """Return the path of one shipped data file."""
    if not _is_plain(name) or not (folder == "" or _is_plain(folder)):
        asked = short(f"{folder}/{name}" if folder else name)
        raise DataError(f"a data file is asked for by its plain name, such as 'customers.csv', got {asked}", name=name)
    places = [place / folder for place in _FOLDERS]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise DataError(
        f"the data file {name!r} is neither in {places[0]} (installed package) nor in {places[1]} (checkout); "
        "check the spelling, install the package again, or run the command in data/README.md that makes the file",
        name=name,
    )


def data_text(name: str, *, folder: str) -> str:
    """Return one of the many texts of a folder; an installed package keeps them in one archive, a third as large."""
    archive = _PACKAGE / "_data" / f"{folder}.tar.bz2"
    if not archive.is_file():
        return data_path(name, folder=folder).read_text(encoding="utf-8")
    try:
        return _texts(archive)[f"{folder}/{name}"]
    except KeyError:
        raise DataError(f"the archive {archive} has no {short(name)}", name=name) from None


@cache
def _texts(archive: Path) -> dict[str, str]:
    with tarfile.open(archive) as files:
        read = ((each.name, files.extractfile(each)) for each in files)
        return {name: content.read().decode("utf-8") for name, content in read if content is not None}


def read_table(name: str, columns: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the rows of a shipped CSV file, without its header, which must be `columns`."""
    path = data_path(name)
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [tuple(row) for row in csv.reader(file)] or [()]
    if header != tuple(columns):
        raise DataError(f"{path} must start with the columns {', '.join(columns)}, got {', '.join(header)}", path=path)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(columns):
            raise DataError(f"{path}, row {number}: expected {len(columns)} values, got {len(row)}", path=path)
    return tuple(rows)


def checked_limit(limit: int | None, example: str) -> int | None:
    """Return `limit` when it is a number of records or None."""
    return None if limit is None else checked_whole("limit", limit, 0, example=example)


def _is_plain(name: str) -> bool:
    return bool(name) and name == Path(name).name and "\\" not in name and "\0" not in name


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
    """The fault that the generator planted in a customer record, if any."""

    fault: str  # name of the planted fault; empty for a clean record
    field: str  # the column that was changed; empty for a clean record
    # the check that has to find it: ``"security"``, ``"format"``, ``"business"`` or ``"external"``; empty for a clean
    # record
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
    rows = read_table("customers_key.csv", ("customer_id", "fault", "field", "check"))
    return {number: KeyEntry(fault, field, check) for number, fault, field, check in rows}


def load_domains() -> dict[str, str]:
    """Return for each known mail domain ``"deliverable"``, ``"undeliverable"`` or ``"disposable"``."""
    return {row[0]: row[1] for row in read_table("domains.csv", ("domain", "status"))}


# Only immutable rows are cached: a caller may change the records that it gets without changing those of others.


@lru_cache(maxsize=1)
def _customers() -> tuple[tuple[str, ...], ...]:
    return read_table("customers.csv", CUSTOMER_COLUMNS)


ORDER_COLUMNS = ("order_id", "customer_id", "order_date", "country", "items", "total_cents")
COST_OF_A_LINE_S = 0.002  # so that orders of 1 to 50 lines cost 2 to 100 ms


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of an order."""

    sku: str  # what was ordered, such as ``"P042"``
    quantity: int  # how many; 1 or more unless the order is broken
    unit_price_cents: int  # the price of one [cents of one made-up currency], above 0

    @property
    def amount_cents(self) -> int:
        """Quantity times unit price [cents]."""
        return self.quantity * self.unit_price_cents


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands in the file; only the total has been turned into a number."""

    order_id: str  # such as ``"N00001"``; in the order of the dates
    customer_id: str  # the customer of ``customers.csv`` who ordered
    order_date: str  # ``YYYY-MM-DD``, in the 24 months before `REFERENCE_DATE` unless the order is broken
    country: str  # ISO 3166-1 alpha-2 code of the customer's country
    items: str  # the lines, ``sku:quantity:unit_price_cents`` separated by semicolons
    total_cents: int  # what the order says it costs in all [cents]

    @property
    def line_count(self) -> int:
        """The number of lines: 1 to 50, 0 only when the order is broken."""
        return self.items.count(";") + 1 if self.items else 0

    @property
    def cost_s(self) -> float:
        """The time to process the order at 2 ms a line [s]: 0.002 to 0.1, a 50-fold difference."""
        return max(self.line_count, 1) * COST_OF_A_LINE_S

    def lines(self) -> tuple[OrderLine, ...]:
        """Take the items apart.

        Raises
        ------
        DataError
            When there are none, or a line is not ``sku:quantity:unit_price_cents`` with whole numbers.

        Examples
        --------
        >>> Order("N1", "C00001", "2025-12-01", "FR", "P001:2:", 900).lines()
        Traceback (most recent call last):
        kaygraph_viz.base.errors.DataError: order N1, line 1: expected sku:quantity:unit_price_cents, got 'P001:2:'
        """
        return tuple(self._line(at, text) for at, text in enumerate(self.items.split(";"), start=1))

    def _line(self, at: int, text: str) -> OrderLine:
        try:
            sku, quantity, price = text.split(":")
            return OrderLine(sku, int(quantity), int(price))
        except ValueError:
            raise DataError(
                f"order {self.order_id}, line {at}: expected sku:quantity:unit_price_cents, got {text[:80]!r}",
                order_id=self.order_id,
                line=at,
            ) from None


@dataclass(frozen=True, slots=True)
class OrderFault:
    """The fault that the generator planted in a broken order."""

    fault: str  # name of the planted fault, such as ``"negative_quantity"``; the catalogue is in ``data/README.md``
    field: str  # the column that was changed


def load_orders(limit: int | None = None) -> list[Order]:
    """Return the generated orders by date, a few of them broken.

    Parameters
    ----------
    limit
        How many of the first orders to return (0 or more); None returns all.

    Examples
    --------
    >>> [order.order_id for order in load_orders(limit=2)]
    ['N00001', 'N00002']
    """
    return list(_orders()[: checked_limit(limit, "load_orders(limit=100)")])


def load_orders_key() -> dict[str, OrderFault]:
    """Return the answer key: from ``order_id`` to what is wrong, for the broken orders only.

    Examples
    --------
    >>> "N00001" in load_orders_key()
    False
    """
    rows = read_table("orders_key.csv", ("order_id", "fault", "field"))
    return {number: OrderFault(fault, field) for number, fault, field in rows}


@lru_cache(maxsize=1)
def _orders() -> tuple[Order, ...]:
    rows = read_table("orders.csv", ORDER_COLUMNS)
    return tuple(Order(number, who, day, land, items, int(total)) for number, who, day, land, items, total in rows)


@dataclass(frozen=True, slots=True)
class City:
    """A city of at least 100,000 inhabitants."""

    name: str  # its usual English or local name, as GeoNames writes it
    country: str  # ISO 3166-1 alpha-2 code
    # degrees of WGS84
    latitude: float
    longitude: float
    population: int  # inhabitants


@dataclass(frozen=True, slots=True)
class Country:
    """A country with the rules that its phone numbers and postal codes follow."""

    iso: str  # ISO 3166-1 alpha-2 code
    name: str  # english name
    phone_prefixes: tuple[str, ...]  # calling codes, digits only; empty when there is none
    postal_code_regex: str  # pattern that a whole postal code matches; empty when the country has no postal codes


@lru_cache(maxsize=1)
def load_cities() -> tuple[City, ...]:
    """Return the cities of at least 100,000 inhabitants, by country, the largest first."""
    rows = read_table("cities.csv", ("name", "country", "latitude", "longitude", "population"))
    return tuple(City(name, code, float(lat), float(lon), int(people)) for name, code, lat, lon, people in rows)


def load_countries() -> dict[str, Country]:
    """Return the countries by ISO code."""
    return {country.iso: country for country in _countries()}


@lru_cache(maxsize=1)
def _countries() -> tuple[Country, ...]:
    rows = read_table("countries.csv", ("iso", "name", "phone_prefix", "postal_code_regex"))
    return tuple(Country(iso, name, tuple(prefixes.split()), regex) for iso, name, prefixes, regex in rows)


PROFILE_COLUMNS = ("customer_id", "user_name", "language", "plan", "points", "interests", "accounts", "company_id")
COMPANY_COLUMNS = ("company_id", "name", "domain", "industry", "employees", "founded", "city", "country")


@dataclass(frozen=True, slots=True)
class SocialAccount:
    """An account of a customer in a made-up social network."""

    network: str  # ``"chirrup"``, ``"pictura"``, ``"linkwise"`` or ``"reelbox"``; none of them exists.
    handle: str  # the name there
    followers: int  # how many people follow it, 0 or more


@dataclass(frozen=True, slots=True)
class Profile:
    """The user profile of a customer."""

    customer_id: str  # the customer of ``customers.csv``
    user_name: str  # the name of the user in the shop
    language: str  # ISO 639-1 code
    plan: str  # ``"basic"``, ``"plus"`` or ``"pro"``
    points: int  # bonus points, 0 or more
    interests: tuple[str, ...]  # up to four words
    accounts: tuple[SocialAccount, ...]  # accounts in social networks; empty for one in four
    company_id: str  # where the user works, of ``companies.csv``; empty for one in three


@dataclass(frozen=True, slots=True)
class Company:
    """A made-up company."""

    company_id: str  # such as ``"K001"``
    # what it is called, and its reserved domain
    name: str
    domain: str
    industry: str  # one or two words
    employees: int  # how many people work there, 1 or more
    founded: int  # year
    # where it is: a city of ``cities.csv`` and the ISO 3166-1 alpha-2 code
    city: str
    country: str


def load_profiles() -> dict[str, Profile]:
    """Return the user profiles by ``customer_id``; one customer in twenty has none."""
    return {profile.customer_id: profile for profile in _profiles()}


def load_companies() -> dict[str, Company]:
    """Return the companies by ``company_id``."""
    return {company.company_id: company for company in _companies()}


@lru_cache(maxsize=1)
def _profiles() -> tuple[Profile, ...]:
    profiles = []
    rows = read_table("profiles.csv", PROFILE_COLUMNS)
    for number, user, language, plan, points, interests, accounts, company in rows:
        parts = (account.split(":") for account in accounts.split())
        known = tuple(SocialAccount(network, handle, int(followers)) for network, handle, followers in parts)
        profiles.append(Profile(number, user, language, plan, int(points), tuple(interests.split()), known, company))
    return tuple(profiles)


@lru_cache(maxsize=1)
def _companies() -> tuple[Company, ...]:
    rows = read_table("companies.csv", COMPANY_COLUMNS)
    return tuple(
        Company(number, name, domain, industry, int(employees), int(founded), city, country)
        for number, name, domain, industry, employees, founded, city, country in rows
    )


SPEECH_COLUMNS = ("speech_id", "year", "date", "president", "is_spoken", "source_url", "sha256")


@dataclass(frozen=True, slots=True)
class Speech:
    """An address with its text."""

    speech_id: str  # its own name, such as ``"1790-Washington-1"``: some years have several addresses
    year: int  # when it was given, 1790 to 2026
    president: str  # family name
    is_spoken: bool  # whether it was held before the Congress, rather than sent as a letter
    text: str  # all of it, about 6,000 to 200,000 characters


def load_speeches(spoken_only: bool = True) -> list[Speech]:
    """Return the addresses, the oldest first.

    Parameters
    ----------
    spoken_only
        Whether to return only the 110 that were held before the Congress, rather than all 249.

    Examples
    --------
    >>> speeches = load_speeches()
    >>> len(speeches), speeches[0].year, speeches[0].president
    (110, 1790, 'Washington')
    """
    rows = [row for row in read_table("speeches.csv", SPEECH_COLUMNS) if row[4] == "1" or not spoken_only]
    return [
        Speech(name, int(year), who, spoken == "1", data_text(f"{name}.txt", folder="speeches"))
        for name, year, _, who, spoken, _, _ in rows
    ]
