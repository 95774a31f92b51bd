"""The verification service: whether a city is in a country, and whether a mail domain accepts mail.

Belongs here: the settings, the seeded latency and faults, and the web application. Does not belong here: running it
(``server``) and asking it (``patterns.checks``).

Chance is never drawn in the order in which requests arrive. Each decision is a function of the seed, the question
that is asked and, for faults, how many times it was asked before. So a run with 16 workers meets the same latencies
and faults as a run with one.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
import unicodedata
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kaygraph_viz.errors import OptionError
from kaygraph_viz.services.datasets import load_cities, load_domains

__all__ = ["ServiceSettings", "create_app", "request_key", "verify"]

_RATE_WINDOW_S = 1.0
_LATENCY_RANGE = (0.2, 5.0)  # multiples of the mean that a latency is clipped to


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """How slow, how unreliable and how strict the verification service is.

    Parameters
    ----------
    seed
        Whole number that every decision depends on.
    latency_s
        Mean latency of an answer [s], 0 to 60.
    latency_spread
        Standard deviation of the logarithm of the latency, 0 (all the same) to 2.
    failure_rate
        Share of the tries that are answered 503, 0 to 1.
    rate_limit
        Calls that are let through in any window of one second, 1 or more; more are answered 429. None: no limit.
    hang_rate
        Share of the tries that are never answered, 0 to 1. Such a request ends when the client goes away or the
        server stops.

    Raises
    ------
    OptionError
        When a value is out of its range.

    Notes
    -----
    The latency is log-normal, ``mean * exp(spread * z - spread**2 / 2)`` with a standard normal ``z``, clipped to
    0.2 to 5 times the mean. A fault needs no latency: 503 and 429 are answered at once.

    Examples
    --------
    >>> settings = ServiceSettings(latency_s=0.1, latency_spread=0)
    >>> settings.latency_of("Paris|FR|example.com")
    0.1
    >>> ServiceSettings(failure_rate=2)
    Traceback (most recent call last):
    kaygraph_viz.errors.OptionError: failure_rate must be a number from 0 to 1, got 2. For example: failure_rate=0
    """

    seed: int = 0
    latency_s: float = 0.02
    latency_spread: float = 0.5
    failure_rate: float = 0.0
    rate_limit: int | None = None
    hang_rate: float = 0.0

    def __post_init__(self) -> None:
        """Refuse impossible settings, the first by name."""
        if type(self.seed) is not int:  # True is no number here
            raise OptionError("seed", self.seed, "a whole number", "seed=0")
        _check_number("latency_s", self.latency_s, 60)
        _check_number("latency_spread", self.latency_spread, 2)
        _check_number("failure_rate", self.failure_rate, 1)
        _check_number("hang_rate", self.hang_rate, 1)
        limit = self.rate_limit
        if limit is not None and not (type(limit) is int and limit >= 1):
            raise OptionError("rate_limit", limit, "a whole number of calls from 1, or None", "rate_limit=50")

    def latency_of(self, key: str) -> float:
        """Return the latency of the answer to one question, whenever and however often it is asked [s]."""
        if not self.latency_s or not self.latency_spread:
            return self.latency_s
        z = NormalDist().inv_cdf(self._draw("latency", key))
        factor = math.exp(self.latency_spread * z - self.latency_spread**2 / 2)
        return self.latency_s * min(max(factor, _LATENCY_RANGE[0]), _LATENCY_RANGE[1])

    def fails(self, key: str, attempt: int) -> bool:
        """Return whether the try number `attempt` (from 1) of one question is answered 503."""
        return self._draw("failure", key, attempt) < self.failure_rate

    def hangs(self, key: str, attempt: int) -> bool:
        """Return whether the try number `attempt` (from 1) of one question is never answered."""
        return self._draw("hang", key, attempt) < self.hang_rate

    def _draw(self, purpose: str, key: str, attempt: int = 0) -> float:
        """Return a number above 0 and below 1 that depends on nothing but the arguments and the seed."""
        text = f"{self.seed}|{purpose}|{attempt}|{key}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return ((int.from_bytes(digest) >> 11) + 0.5) / 2**53


def _check_number(name: str, value: object, most: float) -> None:
    # True is no number here, and NaN fails the comparison.
    if isinstance(value, bool) or not (isinstance(value, int | float) and 0 <= value <= most):
        raise OptionError(name, value, f"a number from 0 to {most}", f"{name}=0")


def request_key(city: str = "", country: str = "", domain: str = "") -> str:
    """Return the text that names one question, the same for every way to spell it.

    Examples
    --------
    >>> request_key(" São Paulo", "br", "Example.COM")
    'sao paulo|BR|example.com'
    """
    return f"{_city_key(city)}|{country.strip().upper()}|{_domain_key(domain)}"


def verify(city: str = "", country: str = "", domain: str = "") -> dict[str, str | bool | None]:
    """Answer one question from the shipped data, without latency or faults.

    Parameters
    ----------
    city
        Name of a city, compared without regard to case and accents; empty: not asked.
    country
        ISO 3166-1 alpha-2 code of the country that the city should be in.
    domain
        Mail domain; empty: not asked.

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
    known = (country.strip().upper(), _city_key(city)) in _known_cities()
    status = _domain_status().get(_domain_key(domain), "unknown")
    return {
        "city": city,
        "country": country,
        "domain": domain,
        "city_known": known if city else None,
        "domain_status": status if domain else None,
    }


def create_app(
    settings: ServiceSettings | None = None,
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> Starlette:
    """Return the verification service as a web application with ``GET /verify`` and ``GET /health``.

    ``/verify`` takes ``city`` with ``country``, ``domain``, or all three, and answers what `verify` returns.
    ``/health`` is answered at once, whatever the settings.

    Parameters
    ----------
    settings
        How slow, unreliable and strict it is; None takes the defaults.
    clock
        Returns seconds on a monotonic axis; measures the rate where no server has stamped the request [s].
    sleep
        Waits for a latency [s].

    Returns
    -------
    Starlette
        To be run with `kaygraph_viz.services.server.LocalServer`, or any other ASGI server.
    """
    service = _Service(settings or ServiceSettings(), clock, sleep)
    return Starlette(routes=[Route("/verify", service.answer), Route("/health", _health)])


class _Service:
    """The state behind one application; only its event loop touches it, so it needs no lock."""

    def __init__(
        self, settings: ServiceSettings, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.sleep = sleep
        self.tries: Counter[str] = Counter()
        self.limit = None if settings.rate_limit is None else _SlidingWindow(settings.rate_limit)

    async def answer(self, request: Request) -> Response:
        city, country, domain = (request.query_params.get(name, "").strip() for name in ("city", "country", "domain"))
        if not (domain or city) or bool(city) != bool(country):
            return _problem(400, "ask for city and country, for domain, or for all: /verify?city=Lyon&country=FR")
        wait_s = 0.0 if self.limit is None else self.limit.wait_s(self._arrival_s(request))
        if wait_s > 0:
            # The header knows whole seconds only, and rounding down would invite a call that is refused again.
            headers = {"Retry-After": str(math.ceil(wait_s))}
            return _problem(429, "too many calls", headers, retry_after_s=round(wait_s, 6))
        return await self._admitted(request, city, country, domain)

    def _arrival_s(self, request: Request) -> float:
        # The stamp of the request log, when there is one: then the log shows exactly the rate that was allowed.
        received_ns: int | None = request.scope.get("received_ns")
        return self.clock() if received_ns is None else received_ns / 1e9

    async def _admitted(self, request: Request, city: str, country: str, domain: str) -> Response:
        key = request_key(city, country, domain)
        self.tries[key] += 1
        if self.settings.hangs(key, self.tries[key]):
            await _until_client_is_gone(request)
            return _problem(503, "never answered")
        if self.settings.fails(key, self.tries[key]):
            return _problem(503, "the service failed; try again")
        await self.sleep(self.settings.latency_of(key))
        return JSONResponse(verify(city, country, domain))


class _SlidingWindow:
    """Let at most `limit` calls through in any window of one second; a refused call does not count."""

    def __init__(self, limit: int) -> None:
        self._admitted_s: deque[float] = deque(maxlen=limit)

    def wait_s(self, now_s: float) -> float:
        """Return 0 and count the call, or return how long to wait before the next one is let through [s]."""
        calls = self._admitted_s
        if len(calls) == calls.maxlen and now_s - calls[0] < _RATE_WINDOW_S:
            return calls[0] + _RATE_WINDOW_S - now_s
        calls.append(now_s)
        return 0.0


async def _health(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _until_client_is_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _problem(status: int, error: str, headers: dict[str, str] | None = None, **facts: float) -> JSONResponse:
    return JSONResponse({"error": error, **facts}, status_code=status, headers=headers)


def _city_key(city: str) -> str:
    letters = unicodedata.normalize("NFD", city.strip()[:200])
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()


def _domain_key(domain: str) -> str:
    return domain.strip().rstrip(".").lower()


@lru_cache(maxsize=1)
def _known_cities() -> frozenset[tuple[str, str]]:
    return frozenset((city.country, _city_key(city.name)) for city in load_cities())


@lru_cache(maxsize=1)
def _domain_status() -> dict[str, str]:
    return load_domains()
