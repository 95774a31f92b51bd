"""The format check: whether every field is there, is text, and has the format of such a value.

Belongs here: rules about one value alone. Does not belong here: whether values agree with each other or with other
records (``business_rules``), and whether a city or a domain exists (``external``).
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import lru_cache
from typing import Annotated

from kaygraph_viz._optional import needed
from kaygraph_viz.patterns.findings import Finding
from kaygraph_viz.patterns.records import Record, texts
from kaygraph_viz.services.datasets import Country, load_countries

with needed():
    import phonenumbers
    from email_validator import EmailNotValidError, validate_email
    from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
    from pydantic_core import PydanticCustomError

__all__ = ["check_format", "known_country", "parse_date", "parse_phone"]

_ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PHONE = re.compile(r"\+[0-9][0-9 ().-]{1,38}")
_POSTAL_CODE = re.compile("(?=[A-Za-z -]*[0-9])[A-Za-z0-9]+(?:[ -][A-Za-z0-9]+)*")


def check_format(record: Record) -> list[Finding]:
    """Check that every field is there, is text, and has the format of such a value.

    E-mail addresses follow email-validator (no DNS query is made) and must be in their usual narrow letters; phone
    numbers are international and valid in phonenumbers; dates are ``YYYY-MM-DD`` and exist. ``last_order_date`` and
    ``note`` may be empty, and so may ``postal_code`` in a country that has none.

    Parameters
    ----------
    record
        One record; other fields than those of a customer are ignored. Any type and size of value is safe.

    Returns
    -------
    list of Finding
        At most one for each field; empty when the record passes. The codes are ``missing``, ``string_type``,
        ``string_unicode``, ``string_too_long``, ``blank``, and ``email_invalid``, ``phone_invalid``,
        ``date_invalid``, ``country_invalid``, ``postal_code_invalid``.

    Raises
    ------
    DataError
        When `record` is not a mapping.

    Examples
    --------
    >>> from kaygraph_viz.services.datasets import load_customers
    >>> customer = load_customers(limit=1)[0]
    >>> check_format(customer)
    []
    >>> print(*check_format(customer | {"birth_date": "1990-02-31"}), sep="; ")
    format: birth_date: this date does not exist; dates are written YYYY-MM-DD, such as 1990-05-17
    """
    texts(record)  # refuses what is not a mapping
    try:
        _Customer.model_validate({field: value for field, value in record.items() if isinstance(field, str)})
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
        return [Finding("format", str(detail["loc"][0]), detail["type"], detail["msg"]) for detail in details]
    return []


def parse_date(text: str) -> date | None:
    """Return the date of a text ``YYYY-MM-DD``, or None when it is no such text or there is no such day.

    Examples
    --------
    >>> parse_date("2024-02-29"), parse_date("2024-02-31"), parse_date("20240229")
    (datetime.date(2024, 2, 29), None, None)
    """
    if not _ISO_DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def parse_phone(text: str) -> phonenumbers.PhoneNumber | None:
    """Return an international phone number that is valid in some country, or None.

    Examples
    --------
    >>> parse_phone("+44 20 7946 0000").country_code, parse_phone("020 7946 0000")
    (44, None)
    """
    if not _PHONE.fullmatch(text):
        return None
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def known_country(code: str) -> Country | None:
    """Return the country with this ISO 3166-1 alpha-2 code, or None.

    Examples
    --------
    >>> known_country("FR").name, known_country("fr")
    ('France', None)
    """
    return _countries().get(code)


@lru_cache(maxsize=1)
def _countries() -> dict[str, Country]:
    return load_countries()


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "it is empty")
    return text


def _email(text: str) -> str:
    if unicodedata.normalize("NFKC", text) != text:
        raise PydanticCustomError("email_invalid", "it contains full-width or other compatibility letters")
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        raise PydanticCustomError("email_invalid", "{reason}", {"reason": str(error)}) from None
    return text


def _phone(text: str) -> str:
    if parse_phone(text) is None:
        raise PydanticCustomError("phone_invalid", "it is not a valid international number, such as +44 20 7946 0000")
    return text


def _date(text: str) -> str:
    if parse_date(text) is None:
        form = "dates are written YYYY-MM-DD, such as 1990-05-17"
        raise PydanticCustomError("date_invalid", "this date does not exist; {form}", {"form": form})
    return text


def _country(text: str) -> str:
    if known_country(text) is None:
        raise PydanticCustomError("country_invalid", "it is not a country code of two capital letters, such as FR")
    return text


def _postal_code(text: str, info: ValidationInfo) -> str:
    country = known_country(info.data.get("country", ""))
    may_be_empty = country is not None and not country.postal_code_regex
    if not (text or may_be_empty) or (text and not _POSTAL_CODE.fullmatch(text)):
        raise PydanticCustomError("postal_code_invalid", "no country has postal codes of this form")
    return text


_Line = Annotated[str, Field(max_length=200), AfterValidator(_not_blank)]


class _Customer(BaseModel):
    """The customer record. The length of a value is checked first, so that no parser reads a huge one."""

    model_config = ConfigDict(strict=True, frozen=True)

    customer_id: _Line
    name: _Line
    email: Annotated[str, Field(max_length=254), AfterValidator(_email)]
    phone: Annotated[str, Field(max_length=40), AfterValidator(_phone)]
    birth_date: Annotated[str, Field(max_length=40), AfterValidator(_date)]
    signup_date: Annotated[str, Field(max_length=40), AfterValidator(_date)]
    last_order_date: Annotated[str, Field(max_length=40), AfterValidator(lambda text: text and _date(text))]
    city: _Line
    country: Annotated[str, Field(max_length=40), AfterValidator(_country)]
    postal_code: Annotated[str, Field(max_length=12), AfterValidator(_postal_code)]  # after country, which it needs
    note: Annotated[str, Field(max_length=10_000)]
