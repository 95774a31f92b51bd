"""The shipped cities and countries, as GeoNames knows them.

Belongs here: reading the tables. Does not belong here: how they were chosen (``data/make_cities.py``) and the rules
that follow from them (``patterns``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kaygraph_viz.services.files import read_table

__all__ = ["City", "Country", "load_cities", "load_countries"]


@dataclass(frozen=True, slots=True)
class City:
    """A city of at least 100,000 inhabitants.

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
    """A country with the rules that its phone numbers and postal codes follow.

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


@lru_cache(maxsize=1)
def load_cities() -> tuple[City, ...]:
    """Return the cities of at least 100,000 inhabitants, by country, the largest first.

    Examples
    --------
    >>> len(load_cities())
    6204
    """
    rows = read_table("cities.csv", ("name", "country", "latitude", "longitude", "population"))
    return tuple(City(name, code, float(lat), float(lon), int(people)) for name, code, lat, lon, people in rows)


def load_countries() -> dict[str, Country]:
    """Return the countries by ISO code.

    Examples
    --------
    >>> load_countries()["PT"].phone_prefixes
    ('351',)
    """
    return {country.iso: country for country in _countries()}


@lru_cache(maxsize=1)
def _countries() -> tuple[Country, ...]:
    rows = read_table("countries.csv", ("iso", "name", "phone_prefix", "postal_code_regex"))
    return tuple(Country(iso, name, tuple(prefixes.split()), regex) for iso, name, prefixes, regex in rows)
