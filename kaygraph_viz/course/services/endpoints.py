"""What the services answer, after how long, with which faults: the same over a socket and without one.

Belongs here: the questions and answers of each service from the shipped data, its settings, the choice of the reply to
a request, and the log of requests. Does not belong here: waiting and sending (``server`` over sockets, ``in_process``).

Chance is never drawn in the order in which requests arrive. Each decision is a function of the seed, the question
that is asked and, for faults, how many times it was asked before. So a run with 16 workers meets the same latencies
and faults as a run with one.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qsl

from kaygraph_viz.base.checks import checked_number, checked_whole
from kaygraph_viz.base.errors import OptionError, short
from kaygraph_viz.base.texts import without_secrets
from kaygraph_viz.base.threads import Lock
from kaygraph_viz.course.services.datasets import (
    City,
    load_cities,
    load_companies,
    load_countries,
    load_domains,
    load_profiles,
)

_LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: its parameters and the function that answers."""

    name: str  # the service; its path is ``/name``
    answer: Callable[..., dict[str, Any] | None]  # returns the answer to a question, None when nothing is known
    questions: tuple[tuple[str, ...], ...]  # the parameters of each question that can be asked
    example: str  # A question

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
    """Return the text that names one question to the verification service, the same for every way to spell it."""
    return f"{_plain(city)}|{country.strip().upper()}|{_domain_key(domain)}"


def verify(city: str = "", country: str = "", domain: str = "") -> dict[str, str | bool | None]:
    """Answer whether a city is in a country, and whether a mail domain accepts mail."""
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


_RANGE = (0.2, 5.0)  # multiples of the mean that a number is clipped to


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Latency, fault rates and rate limit of a service.

    Parameters
    ----------
    seed
        Whole number that every decision depends on.
    latency_s
        Mean latency of an answer [s], 0 to 60.
    latency_spread
        Standard deviation of the logarithm of the latency, 0 (all the same) to 2.
    failure_rate
        Share of the attempts that are answered `failure_status`, 0 to 1.
    fail_first
        How many attempts of each question are answered `failure_status` before another answer is possible, 0 or more.
    failure_status
        HTTP status of a failure, 500 to 599.
    rate_limit
        Calls that are let through in any window of one second, 1 or more; more are answered 429. None: no limit.
    hang_rate
        Share of the attempts that are never answered, 0 to 1. Such a request ends when the client goes away or the
        server stops.
    drop_rate
        Share of the attempts whose connection is closed without an answer, 0 to 1.
    cut_rate
        Share of the attempts whose answer breaks off in the middle of its body, 0 to 1.

    Notes
    -----
    The latency is log-normal, ``mean * exp(spread * z - spread**2 / 2)`` with a standard normal ``z``, clipped to
    0.2 to 5 times the mean. Faults need no latency, except the answer that breaks off: failures and refusals (429) come
    at once. When several faults fall on one try, the first of these happens: hang, drop, failure, cut. A service that
    refuses connections is one whose server was stopped.

    Examples
    --------
    >>> settings = ServiceSettings(latency_s=0.1, latency_spread=0)
    >>> settings.latency_of("Paris|FR|example.com")
    0.1
    >>> ServiceSettings(failure_rate=2)
    Traceback (most recent call last):
    kaygraph_viz.base.errors.OptionError: failure_rate must be a number from 0 to 1, got 2. For example: failure_rate=0
    """

    seed: int = 0
    latency_s: float = 0.02
    latency_spread: float = 0.5
    failure_rate: float = 0.0
    rate_limit: int | None = None
    hang_rate: float = 0.0
    drop_rate: float = 0.0
    cut_rate: float = 0.0
    fail_first: int = 0
    failure_status: int = 503

    def __post_init__(self) -> None:
        """Refuse impossible settings, the first by name."""
        checked_whole("seed", self.seed, 0, 1 << 62, "seed=0")
        checked_number("latency_s", self.latency_s, 0, 60)
        checked_number("latency_spread", self.latency_spread, 0, 2)
        for name in ("failure_rate", "hang_rate", "drop_rate", "cut_rate"):
            checked_number(name, getattr(self, name), 0, 1)
        if self.rate_limit is not None:
            checked_whole("rate_limit", self.rate_limit, 1, example="rate_limit=50")
        checked_whole("fail_first", self.fail_first, 0)
        checked_whole("failure_status", self.failure_status, 500, 599)

    def latency_of(self, key: str) -> float:
        """Return the latency of the answer to one question, whenever and however often it is asked [s]."""
        return log_normal(self.latency_s, self.latency_spread, self._draw("latency", key))

    def fails(self, key: str, attempt: int) -> bool:
        """Return whether the try number `attempt` (from 1) of one question is answered `failure_status`."""
        return attempt <= self.fail_first or self._draw("failure", key, attempt) < self.failure_rate

    def hangs(self, key: str, attempt: int) -> bool:
        """Return whether the try number `attempt` (from 1) of one question is never answered."""
        return self._draw("hang", key, attempt) < self.hang_rate

    def drops(self, key: str, attempt: int) -> bool:
        """Return whether the connection of try number `attempt` (from 1) of one question is closed without a word."""
        return self._draw("drop", key, attempt) < self.drop_rate

    def cuts(self, key: str, attempt: int) -> bool:
        """Return whether the answer to try number `attempt` (from 1) of one question breaks off."""
        return self._draw("cut", key, attempt) < self.cut_rate

    def _draw(self, purpose: str, key: str, attempt: int = 0) -> float:
        return draw(self.seed, purpose, key, attempt)


def draw(seed: int, purpose: str, key: str, attempt: int = 0) -> float:
    """Return a number above 0 and below 1 that depends on nothing but the arguments.

    Examples
    --------
    >>> draw(1, "latency", "Paris") == draw(1, "latency", "Paris") != draw(2, "latency", "Paris")
    True
    """
    text = f"{seed}|{purpose}|{attempt}|{key}"
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return ((int.from_bytes(digest) >> 11) + 0.5) / 2**53


def log_normal(mean: float, spread: float, chance: float) -> float:
    """Return the log-normal number that a share of `chance` is below, clipped to 0.2 to 5 times the mean."""
    if not mean or not spread:
        return mean
    factor = math.exp(spread * NormalDist().inv_cdf(chance) - spread**2 / 2)
    return mean * min(max(factor, _RANGE[0]), _RANGE[1])


# A plain look-up in a table is quick; social networks are slow, and sometimes very slow.
DEFAULT_SETTINGS: Mapping[str, ServiceSettings] = MappingProxyType(
    {
        "verify": ServiceSettings(),
        "profile": ServiceSettings(latency_s=0.02, latency_spread=0.3),
        "location": ServiceSettings(latency_s=0.03, latency_spread=0.2),
        "social": ServiceSettings(latency_s=0.06, latency_spread=0.8),
        "company": ServiceSettings(latency_s=0.04, latency_spread=0.4),
    }
)


def settings_of_all(settings: ServiceSettings | Mapping[str, ServiceSettings] | None) -> dict[str, ServiceSettings]:
    """Return the settings of every service; `settings` is as for `kaygraph_viz.course.services.server.serve`."""
    given = dict.fromkeys(DEFAULT_SETTINGS, settings) if isinstance(settings, ServiceSettings) else settings
    given = {} if given is None else given
    is_known = isinstance(given, Mapping) and given.keys() <= DEFAULT_SETTINGS.keys()
    if not is_known or not all(isinstance(one, ServiceSettings) for one in given.values()):
        expected = f"a ServiceSettings, or one for each of some of the services {', '.join(DEFAULT_SETTINGS)}"
        raise OptionError("settings", settings, expected, 'serve({"social": ServiceSettings(hang_rate=0.1)})')
    return {**DEFAULT_SETTINGS, **given}


Fault = Literal["", "hang", "drop", "cut"]
_RATE_WINDOW_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a service to one request."""

    status: int  # HTTP status
    content: Mapping[str, Any]  # the body, before it is encoded as JSON
    headers: Mapping[str, str] = field(default_factory=dict)  # HTTP headers beside those of every reply
    latency_s: float = 0.0  # how long the service takes for it [s]
    # ``"hang"``: it is never sent; ``"drop"``: the connection is closed instead; ``"cut"``: the connection is closed
    # in the middle of the body; empty: none of these
    fault: Fault = ""
    # how long it takes to each part of a body that is sent part by part [s], and the part; empty: the content is the
    # body
    pieces: tuple[tuple[float, bytes], ...] = ()

    @property
    def media_type(self) -> str:
        """The type of the body."""
        return "text/event-stream" if self.pieces else "application/json"

    @property
    def body(self) -> bytes:
        """The content as JSON."""
        return json.dumps(self.content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    @property
    def half_body(self) -> bytes:
        """The first half of the body, which is sent before the connection is closed."""
        return self.body[: len(self.body) // 2]


class Services:
    """All services, with the attempts and calls that they have counted. Any number of threads may send requests."""

    def __init__(self, settings: ServiceSettings | Mapping[str, ServiceSettings] | None = None) -> None:
        self.settings: Mapping[str, ServiceSettings] = settings_of_all(settings)
        self._endpoints = {name: _CountedEndpoint(ENDPOINTS[name], one) for name, one in self.settings.items()}
        self._lock = Lock()  # a real one also in simulated time: no thread waits while it holds this lock

    def reply(self, method: str, path: str, query: str, now_ns: int, body: bytes = b"") -> Reply:
        """Choose the reply to one request, and count it; nothing is read from a body."""
        name = path.strip("/")
        if name != "health" and name not in self._endpoints:
            known = ", ".join(f"/{one}" for one in (*self._endpoints, "health"))
            return problem(404, f"there is no service {short(path)}; there are {known}")
        if method != "GET":
            return problem(405, f"{short(method)} is not supported here; write GET {path}", {"Allow": "GET"})
        if name == "health":
            return Reply(200, {"status": "ok"})
        with self._lock:
            return self._endpoints[name].reply(dict(parse_qsl(query)), now_ns)


class _CountedEndpoint:
    """An endpoint with its counters of attempts and calls."""

    def __init__(self, endpoint: Endpoint, settings: ServiceSettings) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self.attempts: Counter[str] = Counter()
        self.limit = None if settings.rate_limit is None else _SlidingWindow(settings.rate_limit)

    def reply(self, params: Mapping[str, str], now_ns: int) -> Reply:
        question = self.endpoint.question(params)
        if question is None:
            return problem(400, self.endpoint.usage)
        wait_ns = 0 if self.limit is None else self.limit.wait_ns(now_ns)
        if wait_ns > 0:
            return refusal(wait_ns)
        key, chance = self.endpoint.key(question), self.settings
        self.attempts[key] += 1
        attempt = self.attempts[key]
        if chance.hangs(key, attempt):
            return replace(problem(503, "never answered"), fault="hang")
        if chance.drops(key, attempt):
            return replace(problem(503, "the connection was closed"), fault="drop")
        if chance.fails(key, attempt):
            return problem(chance.failure_status, "the service failed; try again")
        fault: Fault = "cut" if chance.cuts(key, attempt) else ""
        found = self.endpoint.answer(**question)
        if found is None:
            reply = problem(404, f"no data about {short(' '.join(question.values()))}")
        else:
            reply = Reply(200, found)
        return replace(reply, latency_s=chance.latency_of(key), fault=fault)


class _SlidingWindow:
    """A limit of so many calls in any window of one second; a refused call does not count."""

    def __init__(self, limit: int) -> None:
        self._admitted_ns: deque[int] = deque(maxlen=limit)

    def wait_ns(self, now_ns: int) -> int:
        """Return 0 and count the call, or return how long it is until the next one is admitted [ns]."""
        calls = self._admitted_ns
        if len(calls) == calls.maxlen and now_ns - calls[0] < _RATE_WINDOW_NS:
            return calls[0] + _RATE_WINDOW_NS - now_ns
        calls.append(now_ns)
        return 0


def refusal(wait_ns: int) -> Reply:
    """Return the reply to a call above a limit, which asks to wait [ns].

    Examples
    --------
    >>> refusal(1_500_000_000).headers
    {'Retry-After': '2'}
    """
    # Rounded up, as rounding down would invite a call that is refused again. The header knows whole seconds only.
    headers = {"Retry-After": str(math.ceil(wait_ns / 1e9))}
    return problem(429, "too many calls", headers, retry_after_s=math.ceil(wait_ns / 1e3) / 1e6)


def problem(status: int, error: str, headers: Mapping[str, str] | None = None, **facts: float) -> Reply:
    """Return the reply to a question that gets no answer.

    Examples
    --------
    >>> problem(404, "no such city").content
    {'error': 'no such city'}
    """
    return Reply(status, {"error": error, **facts}, headers or {})


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request in the log of the server."""

    # what was asked, such as ``"GET"``, ``"/verify"`` and ``"domain=example.com"``; credentials are masked
    method: str
    path: str
    query: str
    # when it arrived, on the axis of the clock of the service [ns]: that of ``time.perf_counter_ns``, or simulated
    # time
    received_ns: int
    # when the last byte of the answer was sent [ns]; None as long as there is no answer
    answered_ns: int | None = None
    status: int | None = None  # HTTP status of the answer; None as long as there is none.


class RequestLog:
    """The requests to one server, in the order of arrival; any number of threads may write."""

    def __init__(self) -> None:
        self._requests: list[LoggedRequest] = []
        self._lock = Lock()

    def arrived(self, method: str, path: str, query: str, received_ns: int) -> int:
        """Add a request and return its position in the log."""
        with self._lock:
            self._requests.append(LoggedRequest(method, path, without_secrets(query), received_ns))
            return len(self._requests) - 1

    def note(self, at: int, **facts: Any) -> None:
        """Change fields of the request at a position."""
        self._requests[at] = replace(self._requests[at], **facts)

    def __getitem__(self, at: int) -> LoggedRequest:
        return self._requests[at]

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """All requests so far."""
        return tuple(self._requests)
