"""The sources of facts about customers: their parameters, the classes of their answers, and whether answers agree.

Belongs here: what is particular to customers and to the services that are shipped. Does not belong here: sources in
general (``sources``), several at once (``enrichment``), and the services themselves (``kaygraph_viz.services``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeVar

from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.patterns.records import Record, text_of
from kaygraph_viz.patterns.source_client import Sources
from kaygraph_viz.patterns.sources import Source, SourceResult

__all__ = [
    "AGREEMENTS",
    "Account",
    "Agreement",
    "CityAnswer",
    "CompanyAnswer",
    "LocationAnswer",
    "ProfileAnswer",
    "Results",
    "SocialAnswer",
    "customer_sources",
]

Results = Mapping[str, SourceResult]
Agreement = Callable[[Record, Results], bool | None]
T = TypeVar("T")


@dataclass(frozen=True)
class ProfileAnswer:
    """The profile that a customer has filled in; the fields are those of `Profile`."""

    customer_id: str
    user_name: str
    language: str
    plan: Literal["basic", "plus", "pro"]
    points: int
    interests: tuple[str, ...]
    company_id: str | None


@dataclass(frozen=True)
class LocationAnswer:
    """The location of a city; the fields are those of `City` and `Country`."""

    city: str
    country: str
    country_name: str
    latitude: float
    longitude: float
    population: int
    phone_prefixes: tuple[str, ...]


@dataclass(frozen=True)
class Account:
    """One account in a social network; the fields are those of `SocialAccount`."""

    network: str
    handle: str
    followers: int


@dataclass(frozen=True)
class SocialAnswer:
    """The accounts of a customer in social networks, and the number of followers of all of them together."""

    customer_id: str
    accounts: tuple[Account, ...]
    followers: int


@dataclass(frozen=True)
class CompanyAnswer:
    """The company that a customer works for; the fields are those of `Company`."""

    company_id: str
    name: str
    domain: str
    industry: str
    employees: int
    founded: int
    city: str
    country: str


@dataclass(frozen=True)
class CityAnswer:
    """Whether the verification service knows a city in a country."""

    city_known: bool


DEFAULT_NAMES = ("profile", "location", "social", "company")
_REQUESTS: Mapping[str, tuple[tuple[str, ...], type]] = {
    "profile": (("customer_id",), ProfileAnswer),
    "location": (("city", "country"), LocationAnswer),
    "social": (("customer_id",), SocialAnswer),
    "company": (("customer_id",), CompanyAnswer),
    "verify": (("city", "country"), CityAnswer),
}


def customer_sources(
    base_url: str,
    names: tuple[str, ...] = DEFAULT_NAMES,
    *,
    deadline_s: float = 1.0,
    limits: Mapping[str, RateLimit] | RateLimit | None = None,
) -> Sources:
    """Return the shipped services as sources of facts about customers.

    Parameters
    ----------
    base_url
        The address of the services, such as ``server.base_url``.
    names
        Some of ``profile location social company verify``.
    deadline_s
        The time limit of each source for one record with all attempts [s], above 0.
    limits
        The rate limits of sources, by name. A limit alone is one for each source: none counts the calls of another.

    Returns
    -------
    Sources
        Close them, or use them as a context manager.

    Raises
    ------
    OptionError
        When there is no such source, or an option is out of its range.

    Examples
    --------
    >>> customer_sources("http://127.0.0.1:8000")
    <Sources: profile, location, social, company>
    """
    limits = _by_name(limits, names)
    unknown = [name for name in (*names, *limits) if name not in _REQUESTS]
    if unknown:
        raise OptionError("names", unknown, f"some of {', '.join(_REQUESTS)}", 'names=("profile", "social")')
    base = base_url.rstrip("/") if isinstance(base_url, str) else base_url
    return Sources(Source(name, f"{base}/{name}", *_REQUESTS[name], deadline_s, limits.get(name)) for name in names)


def _by_name(limits: Mapping[str, RateLimit] | RateLimit | None, names: tuple[str, ...]) -> Mapping[str, RateLimit]:
    if isinstance(limits, RateLimit):
        same = {"per_minute": limits.per_minute, "units_per_minute": limits.units_per_minute}
        return {name: RateLimit(limits.per_second, limits.in_flight, **same, name=limits.name) for name in names}
    if limits is not None and not isinstance(limits, Mapping):
        raise OptionError(
            "limits", limits, "a RateLimit, or a dict of them by name", 'limits={"social": RateLimit(50)}'
        )
    return limits or {}


def same_employer(record: Record, results: Results) -> bool | None:
    """Return whether the company is the one that the profile names; None when one of the two did not answer."""
    profile, company = _value(results, "profile", ProfileAnswer), results.get("company")
    if profile is None or company is None or not company.answered:
        return None
    found = _value(results, "company", CompanyAnswer)
    return profile.company_id == (None if found is None else found.company_id)


def same_customer(record: Record, results: Results) -> bool | None:
    """Return whether profile and social service know the same customers; None when one of the two did not answer."""
    profile, social = results.get("profile"), results.get("social")
    if profile is None or social is None or not (profile.answered and social.answered):
        return None
    return profile.status == social.status


def phone_of_country(record: Record, results: Results) -> bool | None:
    """Return whether the record's phone number begins like those of the city's country; None when one is unknown."""
    location, phone = _value(results, "location", LocationAnswer), text_of(record, "phone")
    digits = "".join(mark for mark in phone if mark in "0123456789")
    if location is None or not phone.startswith("+") or not location.phone_prefixes:
        return None
    return digits.startswith(location.phone_prefixes)


AGREEMENTS: Mapping[str, Agreement] = MappingProxyType(
    {"employer": same_employer, "customer": same_customer, "phone": phone_of_country}
)


def _value(results: Results, name: str, kind: type[T]) -> T | None:
    result = results.get(name)
    return result.value if result is not None and isinstance(result.value, kind) else None
