"""The business check: whether the values of a record agree with each other, with the date and with other records.

Belongs here: rules that need more than one value. Does not belong here: how a single value is written (``formats``).
A value that is not well formed is ignored here, since the format check reports it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Self

from kaygraph_viz._optional import needed
from kaygraph_viz.errors import OptionError
from kaygraph_viz.patterns.findings import Finding
from kaygraph_viz.patterns.formats import known_country, parse_date, parse_phone
from kaygraph_viz.patterns.records import text_of, texts

with needed():
    import phonenumbers

__all__ = ["BusinessRules"]

_YOUNGEST, _OLDEST = 18, 120  # years, both allowed
_DATES = ("birth_date", "signup_date", "last_order_date")


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessRules:
    """The rules, with the e-mail addresses and customer numbers of all records.

    Create it with `from_records`; it is immutable, so threads may share it, and it can be pickled.

    Parameters
    ----------
    today
        The day on which ages are counted and after which is the future. It is not read from the clock, so that a
        result can be repeated.

    Examples
    --------
    >>> records = [{"customer_id": "1", "email": "ann@example.com"}, {"customer_id": "2", "email": "Ann@Example.com"}]
    >>> rules = BusinessRules.from_records(records, today=date(2026, 1, 1))
    >>> [finding.code for record in records for finding in rules.check(record)]
    ['duplicate_email']
    """

    today: date
    _first_with_email: Mapping[str, str] = field(default_factory=dict, repr=False)
    _repeated_ids: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        """Check that `today` can be compared with dates."""
        if type(self.today) is not date:  # a datetime cannot be compared with the dates of a record
            raise OptionError("today", self.today, "a datetime.date", "today=date(2026, 1, 1)")

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, str]], *, today: date) -> Self:
        """Return the rules for these records, each of which is read once.

        Parameters
        ----------
        records
            All records; of two duplicates the first one is the original.
        today
            The day on which ages are counted.

        Raises
        ------
        OptionError
            When `today` is not a date.
        DataError
            When one of the records is not a mapping.
        """
        first: dict[str, str] = {}
        ids: Counter[str] = Counter()
        for record in records:
            known = texts(record)
            customer_id = known.get("customer_id", "")
            ids[customer_id] += 1
            if email := _normal_email(known.get("email", "")):
                first.setdefault(email, customer_id)
        repeated = frozenset(customer_id for customer_id, count in ids.items() if count > 1 and customer_id)
        return cls(today=today, _first_with_email=first, _repeated_ids=repeated)

    def check(self, record: Mapping[str, str]) -> list[Finding]:
        """Check that the values of a record agree with each other, with the date and with other records.

        The age is 18 to 120 on the day `today`; birth, signup and last order come in this order and not in the
        future; phone number and postal code are those of the country; no earlier record has the same e-mail address,
        whatever its case; no other record has the same customer number.

        Parameters
        ----------
        record
            One record, usually one of those passed to `from_records`.

        Returns
        -------
        list of Finding
            Empty when all agree. The codes are ``underage``, ``too_old``, ``in_future``, ``signup_before_birth``,
            ``last_order_before_signup``, ``phone_of_other_country``, ``postal_code_of_other_country``,
            ``duplicate_email`` and ``duplicate_customer_id``.

        Raises
        ------
        DataError
            When `record` is not a mapping.
        """
        known = texts(record)
        rules = (self._age(known), self._order(known), _country(known), self._duplicates(known))
        return [Finding("business", *facts) for rule in rules for facts in rule]

    def _age(self, record: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
        birth = parse_date(text_of(record, "birth_date"))
        if birth is None or birth > self.today:
            return
        # By month and day, not by days of 365.25: one born on 29 February is a year older from 1 March on.
        age = self.today.year - birth.year - ((self.today.month, self.today.day) < (birth.month, birth.day))
        if age < _YOUNGEST:
            yield "birth_date", "underage", f"the customer is {age} years old, but must be at least {_YOUNGEST}"
        if age > _OLDEST:
            yield "birth_date", "too_old", f"the customer would be {age} years old; the limit is {_OLDEST}"

    def _order(self, record: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
        birth, signup, last_order = days = [parse_date(text_of(record, name)) for name in _DATES]
        for name, day in zip(_DATES, days, strict=True):
            if day and day > self.today:
                yield name, "in_future", f"it is after {self.today}"
        if birth and signup and signup <= birth:
            yield "signup_date", "signup_before_birth", "the signup is before the birth date"
        if signup and last_order and last_order < signup:
            yield "last_order_date", "last_order_before_signup", "the last order is before the signup"

    def _duplicates(self, record: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
        customer_id = text_of(record, "customer_id")
        first = self._first_with_email.get(_normal_email(text_of(record, "email")), customer_id)
        if first != customer_id:
            yield "email", "duplicate_email", f"customer {first[:40]!r} has the same address"
        if customer_id in self._repeated_ids:
            yield "customer_id", "duplicate_customer_id", "another record has the same customer number"


def _country(record: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    country = known_country(text_of(record, "country"))
    if country is None:
        return
    number = parse_phone(text_of(record, "phone"))
    if number is not None and not phonenumbers.is_valid_number_for_region(number, country.iso):
        yield "phone", "phone_of_other_country", f"it is not a number of {country.name}"
    code = text_of(record, "postal_code")
    # The patterns come from a data set: a bounded text bounds the time that a slow one of them takes.
    if country.postal_code_regex and code and not re.fullmatch(country.postal_code_regex, code[:16]):
        yield "postal_code", "postal_code_of_other_country", f"it is not a postal code of {country.name}"


def _normal_email(email: str) -> str:
    """Return the address in lower case; tags such as ``+news`` stay, since they are separate addresses."""
    return email.strip().casefold()
