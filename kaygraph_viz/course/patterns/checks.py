"""The four checks of a customer record: format, security, business rules, and a service that is asked.

Belongs here: the rules of each check, and running all four beside a service of this machine. Does not belong here:
running them in parallel (``validation``).

Each takes one record, a mapping from field to text, and returns a list of `Finding`, empty when the record passes.
Records may hold anything: `check_format` reports wrong types and missing fields, and no value makes a check crash or
take long. A value that is not well formed is left to the format check by the others.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache, partial
from typing import Annotated, Any, Literal, Self

import kaygraph_viz as kv
from kaygraph_viz.base.checks import checked_seconds
from kaygraph_viz.base.errors import OptionError, ServiceUnavailable
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.base.texts import without_secrets
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.patterns.client import MAX_ANSWER_BYTES, PLAINLY, ClientOwner, encoding_of, retry_after_s
from kaygraph_viz.course.patterns.records import Finding, Record, can_be_sent, text_of, texts
from kaygraph_viz.course.services.datasets import REFERENCE_DATE, Country, load_countries
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.course.services.server import serve

with needed():
    import httpx2
    import phonenumbers
    from email_validator import EmailNotValidError, validate_email
    from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
    from pydantic_core import PydanticCustomError

_ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PHONE = re.compile(r"\+[0-9][0-9 ().-]{1,38}")
_POSTAL_CODE = re.compile("(?=[A-Za-z -]*[0-9])[A-Za-z0-9]+(?:[ -][A-Za-z0-9]+)*")


def check_format(record: Record) -> list[Finding]:
    """Check that every field is there, is text, and has the format of such a value."""
    texts(record)  # refuses what is not a mapping
    try:
        _Customer.model_validate({field: value for field, value in record.items() if isinstance(field, str)})
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
        return [Finding("format", str(detail["loc"][0]), detail["type"], detail["msg"]) for detail in details]
    return []


def parse_date(text: str) -> date | None:
    """Return the date of a text ``YYYY-MM-DD``, or None when it is no such text or there is no such day."""
    if not _ISO_DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def parse_phone(text: str) -> phonenumbers.PhoneNumber | None:
    """Return an international phone number that is valid in some country, or None."""
    if not _PHONE.fullmatch(text):
        return None
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def known_country(code: str) -> Country | None:
    """Return the country with this ISO 3166-1 alpha-2 code, or None."""
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


_STATEMENT = r"""(?:
    drop \s{1,9} (?:table|database|schema|view|index|user) \b
  | (?:alter|truncate|create) \s{1,9} (?:table|database|user) \b
  | insert \s{1,9} into \s{1,9} [\w.]{1,64} \s{0,9} (?:\(|values\b|select\b)
  | update \s{1,9} [\w.]{1,64} \s{1,9} set \s{1,9} [\w.]{1,64} \s{0,9} =
  | delete \s{1,9} from \s{1,9} [\w.]{1,64} \s{0,9} (?:;|where\b|--|\Z)
  | select \s{1,9} (?:\*|[\w.,]{1,64}) \s{1,9} from \s{1,9} [\w.]{1,64} \s{0,9} (?:;|where\b|--|\Z)
  | exec(?:ute)? \s{1,9} (?:master|xp_|sp_)
)"""
_BREAK_OUT = r"""['"] \s{0,9} \){0,4} \s{0,9}"""
_VALUE = r"""(?: '[^'"]{0,64}' | "[^'"]{0,64}" | \d{1,20} )"""
_SQL = re.compile(
    rf"""
    ; \s{{0,9}} {_STATEMENT}
  | \b union \s{{1,9}} (?:(?:all|distinct)\s{{1,9}})? select \s{{1,9}}
    (?: [\w.*'"(@]{{1,64}} \s{{0,9}} (?:,|from\b|--|\#) | (?:\d{{1,20}}|null|\*) \s{{0,9}} \Z )
  | {_BREAK_OUT} (?:or|and|\|\||&&) \s{{0,9}} \(? {_VALUE} \s{{0,9}} (?:=|<|>|like\b)
  | {_BREAK_OUT} (?:or|and) \s{{1,9}} \(? (\w{{1,64}}) \s{{0,9}} = \s{{0,9}} \1 \b
  | \b (?:or|and) \s{{1,9}} (\d{{1,20}}) \s{{0,9}} = \s{{0,9}} \2 \b
  | {_BREAK_OUT} ;? \s{{0,9}} (?:--|\#) \s{{0,99}} \Z
  | \b (?: xp_cmdshell | information_schema | pg_sleep \s{{0,9}}\( | waitfor\s{{1,9}}delay\b | sleep\(\d )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SQL_COMMENT = re.compile(r"/\*[^*]{0,200}\*/")
_SCRIPT = re.compile(
    r"""
    < \s{0,9} /? \s{0,9}
    (?:script|iframe|object|embed|applet|svg|img|video|audio|style|link|meta|base|form|math) (?![\w-])
  | < [a-z!] [^<>]{0,200} [\s/"'] on[a-z]{3,20} \s{0,9} =
  | \b (?:java|vb)script \s{0,9} : \s{0,9} [\w.$]{1,64} \s{0,9} [(=]
  | \b data \s{0,9} : \s{0,9} text/html
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_NOTE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # lines and tabs may be in a note
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")  # not the marks that Arabic and Hebrew text needs
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff\U000e0000-\U000e007f]")  # not the joiners that Persian needs
_WORD = re.compile(r"[^\W\d_]+")
_FULL_WIDTH = {code + 0xFEE0: code for code in range(0x21, 0x7F)}
_CONFUSED_SCRIPTS = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN"}
_NAMES = ("name", "email", "city")  # prose may mix scripts in a word, a name does not


def check_security(record: Record) -> list[Finding]:
    """Check a record for injected SQL and scripts, and for characters that hide or disguise text."""
    return [
        Finding("security", field, code, message)
        for field, text in texts(record).items()
        for code, message in _threats(field, text)
    ]


def _threats(field: str, text: str) -> Iterator[tuple[str, str]]:
    plain = text.translate(_FULL_WIDTH) if not text.isascii() else text
    if _SQL.search(_SQL_COMMENT.sub(" ", plain)):
        yield "sql_injection", "it looks like SQL code"
    if _SCRIPT.search(plain):
        yield "script_injection", "it contains HTML or an address that could run a script"
    if found := (_CONTROL_IN_NOTE if field == "note" else _CONTROL).search(text):
        yield "control_character", f"it contains the control character {_code_point(found)}"
    if found := _BIDI.search(text):
        yield (
            "bidi_override",
            f"{_code_point(found)} changes the text direction: the shown order differs from the stored one",
        )
    if found := _INVISIBLE.search(text):
        yield "invisible_character", f"it contains the invisible character {_code_point(found)}"
    if field in _NAMES and (mixed := _mixed_scripts(plain)):
        yield "homoglyph", f"one word mixes {' and '.join(mixed)} letters that look alike"


def _code_point(found: re.Match[str]) -> str:
    return f"U+{ord(found.group()):04X}"


def _mixed_scripts(text: str) -> list[str]:
    """Return the scripts, by name, of the first word that mixes several which are easily confused."""
    if text.isascii():
        return []
    for word in _WORD.finditer(text):
        scripts = {_script(letter) for letter in set(word.group())} & _CONFUSED_SCRIPTS
        if len(scripts) > 1:
            return sorted(script.title() for script in scripts)
    return []


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """Return the Unicode script of a letter, which is the first word of its name."""
    return unicodedata.name(letter, "").partition(" ")[0]


with needed():
    import httpx2
    import phonenumbers

_YOUNGEST, _OLDEST = 18, 120  # years, both allowed
_DATES = ("birth_date", "signup_date", "last_order_date")


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessRules:
    """The rules, with the e-mail addresses and customer numbers of all records."""

    today: date
    _first_with_email: Mapping[str, str] = field(default_factory=dict, repr=False)
    _repeated_ids: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        """Check that `today` can be compared with dates."""
        if type(self.today) is not date:  # a datetime cannot be compared with the dates of a record
            raise OptionError("today", self.today, "a datetime.date", "today=date(2026, 1, 1)")

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, str]], *, today: date) -> Self:
        """Return the rules for these records, each of which is read once."""
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
        rules = (self._age(known), self._order(known), _country_rules(known), self._duplicates(known))
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


def _country_rules(record: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
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


# -- with a service: whether city and mail domain exist ------------------------------------------------------------


_DOMAIN_MESSAGES = {
    "undeliverable": "the domain accepts no mail",
    "disposable": "the domain provides disposable addresses",
    "unknown": "the service knows no such domain",
}


class _Reply(BaseModel):
    """The answer of the service, in which a number is never read from a text."""

    model_config = ConfigDict(strict=True)

    city_known: bool
    domain_status: Literal["deliverable", "undeliverable", "disposable", "unknown"]


class AddressVerifier(ClientOwner):
    """Ask the verification service about the city and the mail domain of a record."""

    when_closed = "this AddressVerifier is closed; make a new one: AddressVerifier(base_url)"

    def __init__(self, base_url: str, *, timeout_s: float = 2.0, client: httpx2.Client | None = None) -> None:
        if not isinstance(base_url, str) or not base_url.startswith(("http://", "https://")):
            raise OptionError("base_url", base_url, "an address that starts with http://", "server.base_url")
        self.base_url = base_url.rstrip("/")
        self.timeout_s = checked_seconds("timeout_s", timeout_s, "timeout_s=2.0", above=True)
        super().__init__(client)

    def check(self, record: Record) -> list[Finding]:
        """Check that the city is in the country, and that the mail domain accepts mail and is not disposable.

        Parameters
        ----------
        record
            One record with ``city``, ``country`` and ``email``.

        Returns
        -------
        list of Finding
            Empty when both pass. The codes are ``unknown_city``, ``undeliverable_domain``, ``disposable_domain``,
            ``unknown_domain``, and ``not_verifiable`` for a missing or malformed field, without a request.

        Raises
        ------
        ServiceUnavailable
            When the service is down, slow, over its rate or failing, or its answer is malformed. Then nothing is known
            about the record.
        ServiceError
            When the verifier was closed.
        DataError
            When `record` is not a mapping.
        """
        known = texts(record)
        _, at, domain = text_of(known, "email").rpartition("@")
        question = {
            "city": text_of(known, "city"),
            "country": text_of(known, "country"),
            "email": domain.strip() if at else "",
        }
        broken = [field for field, value in question.items() if not can_be_sent(value)]
        if broken:
            message = "it is missing or too damaged to ask the service about"
            return [Finding("external", field, "not_verifiable", message) for field in broken]
        reply = self._ask({"city": question["city"], "country": question["country"], "domain": question["email"]})
        findings = []
        if not reply.city_known:
            why = "the service knows no such city in this country"
            findings.append(Finding("external", "city", "unknown_city", why))
        if reply.domain_status != "deliverable":
            why = _DOMAIN_MESSAGES[reply.domain_status]
            findings.append(Finding("external", "email", f"{reply.domain_status}_domain", why))
        return findings

    def _ask(self, params: dict[str, str]) -> _Reply:
        url = f"{self.base_url}/verify"
        client = self._opened()
        deadline_ns = current_clock().now_ns() + round(self.timeout_s * 1e9)
        try:
            with client.stream("GET", url, params=params, timeout=self.timeout_s, **PLAINLY) as response:
                if encoding := encoding_of(response):
                    why = f"the answer is compressed ({encoding}), although it was asked for plainly"
                    raise ServiceUnavailable(url, why, response.status_code)
                if response.status_code != 200:
                    wait_s = retry_after_s(response.headers.get("Retry-After", ""))
                    why = f"it answered {response.status_code}"
                    raise ServiceUnavailable(url, why, response.status_code, wait_s)
                body = self._read(url, response, deadline_ns)
        except httpx2.TimeoutException:
            raise self._too_slow(url) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ServiceUnavailable(url, f"{type(error).__name__}: {error}") from error
        try:
            return _Reply.model_validate_json(body)
        except ValidationError as error:
            raise ServiceUnavailable(url, "the answer does not have the expected fields", 200) from error

    def _read(self, url: str, response: httpx2.Response, deadline_ns: int) -> bytes:
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise ServiceUnavailable(url, f"the answer is longer than {MAX_ANSWER_BYTES} bytes", 200)
            if current_clock().now_ns() > deadline_ns:  # the timeout of the client is for each part alone
                raise self._too_slow(url)
        return bytes(body)

    def _too_slow(self, url: str) -> ServiceUnavailable:
        return ServiceUnavailable(url, f"no complete answer within {self.timeout_s:g} s")

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the settings; connections and locks stay behind."""
        return partial(AddressVerifier, self.base_url, timeout_s=self.timeout_s), ()

    def __repr__(self) -> str:
        """Return how it was made."""
        return f"AddressVerifier({without_secrets(self.base_url)!r}, timeout_s={self.timeout_s:g})"


# -- all four ------------------------------------------------------------

COSTS_S = {"security": 25e-6, "format": 60e-6, "business": 30e-6, "external": 1e-3}  # CPU of a check, as measured
Check = Callable[[Record], list[Finding]]


@contextmanager
def local_checks(
    records: Sequence[Record], settings: ServiceSettings | None = None, *, timeout_s: float = 2.0
) -> Iterator[dict[str, Check]]:
    """Start the verification service on this machine and yield the four checks of a record by name."""
    rules = BusinessRules.from_records(records, today=REFERENCE_DATE)
    with serve(settings) as server, AddressVerifier(server.base_url, timeout_s=timeout_s) as verifier:
        checks: dict[str, Check] = {
            "security": check_security,
            "format": check_format,
            "business": rules.check,
            "external": verifier.check,
        }
        yield {name: partial(_at_cost, check, COSTS_S[name]) for name, check in checks.items()}


def _at_cost(check: Check, cpu_s: float, record: Record) -> list[Finding]:
    """Run a check and declare its CPU time, which simulated time cannot measure."""
    kv.cost(cpu_s)
    return check(record)
