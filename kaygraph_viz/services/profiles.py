"""The made-up data of the profile, social media and company services about the shipped customers.

Belongs here: reading profiles and companies. Does not belong here: how they are made (``data/make_profiles.py``) and
what a service answers (``endpoints``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kaygraph_viz.services.files import read_table

__all__ = [
    "COMPANY_COLUMNS",
    "PROFILE_COLUMNS",
    "Company",
    "Profile",
    "SocialAccount",
    "load_companies",
    "load_profiles",
]

PROFILE_COLUMNS = ("customer_id", "user_name", "language", "plan", "points", "interests", "accounts", "company_id")
COMPANY_COLUMNS = ("company_id", "name", "domain", "industry", "employees", "founded", "city", "country")


@dataclass(frozen=True, slots=True)
class SocialAccount:
    """An account of a customer in a made-up social network.

    Parameters
    ----------
    network
        ``"chirrup"``, ``"pictura"``, ``"linkwise"`` or ``"reelbox"``; none of them exists.
    handle
        The name there.
    followers
        How many people follow it, 0 or more.
    """

    network: str
    handle: str
    followers: int


@dataclass(frozen=True, slots=True)
class Profile:
    """The user profile of a customer.

    Parameters
    ----------
    customer_id
        The customer of ``customers.csv``.
    user_name
        The name of the user in the shop.
    language
        ISO 639-1 code.
    plan
        ``"basic"``, ``"plus"`` or ``"pro"``.
    points
        Bonus points, 0 or more.
    interests
        Up to four words.
    accounts
        Accounts in social networks; empty for one in four.
    company_id
        Where the user works, of ``companies.csv``; empty for one in three.
    """

    customer_id: str
    user_name: str
    language: str
    plan: str
    points: int
    interests: tuple[str, ...]
    accounts: tuple[SocialAccount, ...]
    company_id: str


@dataclass(frozen=True, slots=True)
class Company:
    """A made-up company.

    Parameters
    ----------
    company_id
        Such as ``"K001"``.
    name, domain
        What it is called, and its reserved domain.
    industry
        One or two words.
    employees
        How many people work there, 1 or more.
    founded
        Year.
    city, country
        Where it is: a city of ``cities.csv`` and the ISO 3166-1 alpha-2 code.
    """

    company_id: str
    name: str
    domain: str
    industry: str
    employees: int
    founded: int
    city: str
    country: str


def load_profiles() -> dict[str, Profile]:
    """Return the user profiles by ``customer_id``; one customer in twenty has none.

    Examples
    --------
    >>> load_profiles()["C00001"].plan
    'basic'
    """
    return {profile.customer_id: profile for profile in _profiles()}


def load_companies() -> dict[str, Company]:
    """Return the companies by ``company_id``.

    Examples
    --------
    >>> load_companies()["K001"].domain.endswith(".example.com")
    True
    """
    return {company.company_id: company for company in _companies()}


@lru_cache(maxsize=1)
def _profiles() -> tuple[Profile, ...]:
    profiles = []
    for number, user, language, plan, points, interests, accounts, company in read_table(
        "profiles.csv", PROFILE_COLUMNS
    ):
        parts = (account.split(":") for account in accounts.split())
        known = tuple(SocialAccount(network, handle, int(followers)) for network, handle, followers in parts)
        profiles.append(Profile(number, user, language, plan, int(points), tuple(interests.split()), known, company))
    return tuple(profiles)


@lru_cache(maxsize=1)
def _companies() -> tuple[Company, ...]:
    return tuple(
        Company(number, name, domain, industry, int(employees), int(founded), city, country)
        for number, name, domain, industry, employees, founded, city, country in read_table(
            "companies.csv", COMPANY_COLUMNS
        )
    )
