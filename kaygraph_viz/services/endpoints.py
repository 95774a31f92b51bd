"""The endpoints of the services: their parameters, and the answers they give from the shipped data.

Belongs here: the questions and answers of each service, without latency, faults or limits. Does not belong here:
those (``settings``, ``responses``), and the files (``datasets``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from kaygraph_viz.services.datasets import (
    City,
    load_cities,
    load_companies,
    load_countries,
    load_domains,
    load_profiles,
)

__all__ = ["ENDPOINTS", "Endpoint", "company", "location", "profile", "request_key", "social", "verify"]

_LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: its parameters and the function that answers.

    Parameters
    ----------
    name
        The service; its path is ``/name``.
    answer
        Returns the answer to a question, None when nothing is known.
    questions
        The parameters of each question that can be asked.
    example
        A question.
    """

    name: str
    answer: Callable[..., dict[str, Any] | None]
    questions: tuple[tuple[str, ...], ...]
    example: str

    @property
    def usage(self) -> str:
        """The parameters that it takes, in words."""
        ways = ", or for ".join(" and ".join(names) for names in self.questions)
        return f"ask for {ways}, such as /{self.name}?{self.example}"

    def question(self, params: Mapping[str, str]) -> dict[str, str] | None:
        """Return the parameters that count, without blanks around them; None when they make no question."""
        names = dict.fromkeys(name for names in self.questions for name in names)
        asked = {name: value for name in names if (value := params.get(name, "").strip())}
        return asked if any(set(question) == set(asked) for question in self.questions) else None

    def key(self, question: Mapping[str, str]) -> str:
        """Return the text that names a question, the same for every way to spell it."""
        if self.name == "verify":
            return request_key(**question)
        return "|".join((self.name, *(f"{name}={_plain(value)}" for name, value in question.items())))


def request_key(city: str = "", country: str = "", domain: str = "") -> str:
    """Return the text that names one question to the verification service, the same for every way to spell it.

    Examples
    --------
    >>> request_key(" São Paulo", "br", "Example.COM")
    'sao paulo|BR|example.com'
    """
    return f"{_plain(city)}|{country.strip().upper()}|{_domain_key(domain)}"


def verify(city: str = "", country: str = "", domain: str = "") -> dict[str, str | bool | None]:
    """Answer whether a city is in a country, and whether a mail domain accepts mail.

    Cities are compared without regard to case and accents; what is empty is not asked.

    Returns
    -------
    dict
        ``city``, ``country`` and ``domain`` as asked; ``city_known``: True or False, None when not asked;
        ``domain_status``: ``"deliverable"``, ``"undeliverable"``, ``"disposable"`` or ``"unknown"``, None when not
        asked.

    Examples
    --------
    >>> verify("Lyon", "FR", "example.com")["city_known"]
    True
    >>> verify(domain="throwaway.example.org")["domain_status"]
    'disposable'
    """
    known = (country.strip().upper(), _plain(city)) in _cities()
    status = _domain_status().get(_domain_key(domain), "unknown")
    return {
        "city": city,
        "country": country,
        "domain": domain,
        "city_known": known if city else None,
        "domain_status": status if domain else None,
    }


def profile(customer_id: str) -> dict[str, Any] | None:
    """Answer with the user profile of a customer.

    Returns
    -------
    dict or None
        ``customer_id user_name language plan points interests company_id``, the last one None without an employer;
        None when there is no profile.

    Examples
    --------
    >>> profile("C00002")["interests"]
    ['cycling', 'gardening', 'jazz', 'knitting']
    """
    found = _users().get(customer_id.strip().upper())
    if found is None:
        return None
    facts = asdict(found)
    del facts["accounts"]
    return facts | {"interests": list(found.interests), "company_id": found.company_id or None}


def social(customer_id: str) -> dict[str, Any] | None:
    """Answer which accounts in social networks a customer has.

    Returns
    -------
    dict or None
        ``customer_id``, ``accounts`` with ``network handle followers`` each, and ``followers`` of all together; None
        when the customer has no profile.

    Examples
    --------
    >>> social("C00001")
    {'customer_id': 'C00001', 'accounts': [], 'followers': 0}
    """
    found = _users().get(customer_id.strip().upper())
    if found is None:
        return None
    accounts = [asdict(account) for account in found.accounts]
    followers = sum(account.followers for account in found.accounts)
    return {"customer_id": found.customer_id, "accounts": accounts, "followers": followers}


def company(company_id: str = "", customer_id: str = "") -> dict[str, Any] | None:
    """Answer what is known about a company, or about the one that a customer works for.

    Returns
    -------
    dict or None
        ``company_id name domain industry employees founded city country``; None when there is no such company, or
        the customer works for none.

    Examples
    --------
    >>> company("K001")["employees"]
    9
    """
    user = _users().get(customer_id.strip().upper())
    found = _firms().get(user.company_id if user else company_id.strip().upper())
    return None if found is None else asdict(found)


def location(city: str, country: str) -> dict[str, Any] | None:
    """Answer where a city is.

    Returns
    -------
    dict or None
        ``city country country_name latitude longitude population phone_prefixes``; degrees are those of WGS84; None
        when there is no such city of 100,000 inhabitants or more in the country.

    Examples
    --------
    >>> location("sao paulo", "BR")["city"]
    'São Paulo'
    """
    found = _cities().get((country.strip().upper(), _plain(city)))
    if found is None:
        return None
    land = _lands()[found.country]
    facts = asdict(found)
    more = {"country_name": land.name, "phone_prefixes": list(land.phone_prefixes)}
    return {"city": facts.pop("name")} | facts | more


ENDPOINTS = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint(
            "verify", verify, (("city", "country"), ("domain",), ("city", "country", "domain")), "city=Lyon&country=FR"
        ),
        Endpoint("profile", profile, (("customer_id",),), "customer_id=C00001"),
        Endpoint("location", location, (("city", "country"),), "city=Lyon&country=FR"),
        Endpoint("social", social, (("customer_id",),), "customer_id=C00001"),
        Endpoint("company", company, (("customer_id",), ("company_id",)), "customer_id=C00003"),
    )
}


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFD", name.strip()[:_LONGEST_VALUE])
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()


def _domain_key(domain: str) -> str:
    return domain.strip().rstrip(".").lower()


@lru_cache(maxsize=1)
def _cities() -> dict[tuple[str, str], City]:
    # The first of a name in a country is the largest: put in last, it stays.
    return {(city.country, _plain(city.name)): city for city in reversed(load_cities())}


# Read once: each of these makes a new dictionary at every call.
_domain_status = lru_cache(maxsize=1)(load_domains)
_users = lru_cache(maxsize=1)(load_profiles)
_firms = lru_cache(maxsize=1)(load_companies)
_lands = lru_cache(maxsize=1)(load_countries)
