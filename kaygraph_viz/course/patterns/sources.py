"""Sources of facts about records, asked over HTTP: one question at a time, in a thread or as a coroutine.

Belongs here: a source, a question to it, its result and when there is another attempt; sending requests within the
limits of a source, and reading its answer without trusting it; the sources of facts about customers, and whether their
answers agree. Does not belong here: several sources at once (``enrichment``), the life of connections (``client``), and
the services themselves (``services``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, is_dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, get_args, get_origin

import kaygraph_viz as kv
from kaygraph_viz.base.checks import MAX_SECONDS, checked_seconds
from kaygraph_viz.base.errors import DataError, OptionError, ServiceError, ServiceUnavailable, short
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.clock.clock import InForce, current_clock
from kaygraph_viz.course.patterns.client import MAX_ANSWER_BYTES, PLAINLY, ClientOwner, encoding_of, retry_after_s
from kaygraph_viz.course.patterns.records import Record, can_be_sent, text_of
from kaygraph_viz.course.services.in_process import open_async_client
from kaygraph_viz.execute.coroutines.loops import run_in_private_loop
from kaygraph_viz.trace.row import describe_error

with needed():
    import cattrs
    import httpx2
    from cattrs.v import format_exception

if TYPE_CHECKING:
    from tenacity import RetryCallState


T = TypeVar("T")
SourceStatus = Literal[
    "ok", "not found", "not asked", "refused", "timeout", "rate limited", "unavailable", "broken answer"
]
ANSWERED: tuple[SourceStatus, ...] = ("ok", "not found")

MIN_WAIT_S, MAX_WAIT_S = 0.05, 5.0


@dataclass(frozen=True, slots=True)
class SourceResult:
    """The result of a question to one source about one record."""

    source: str  # the name of the source
    # ``"ok"``: there is a value. ``"not found"``: it answered that it knows nothing. ``"not asked"``: the record
    # lacks fields of the question. ``"refused"``: nothing listens there. ``"timeout"``: no complete answer before the
    # deadline. ``"rate limited"``: its rate limit gave no slot before the deadline. ``"unavailable"``: it answered
    # that it failed, or closed the connection. ``"broken answer"``: the answer is incomplete or malformed.
    status: SourceStatus
    value: Any = None  # the answer; None unless the status is ``"ok"``
    error: str = ""  # the reason why there is no value; empty for ``"ok"`` and ``"not found"``
    attempts: int = 0  # the number of attempts; 0 when it was not asked
    # the time of all attempts and the waits between them [s]; ignored when results are compared
    service_s: float = field(default=0.0, compare=False)

    @property
    def answered(self) -> bool:
        """Whether the source answered, also if it knows nothing."""
        return self.status in ANSWERED

    @classmethod
    def of(cls, source: str, outcome: kv.Outcome) -> Self:
        """Return the result of a question from the outcome of its branch, after any error."""
        error = outcome.error
        if isinstance(outcome.value, cls):
            made = outcome.value
        elif isinstance(error, NoAnswer):
            made = cls(source, error.outcome, error=error.reason)
        elif outcome.status == "timeout":
            made = cls(source, "timeout", error="no complete answer before the deadline")
        else:  # an error of the program itself: one source less must not fail the record
            made = cls(source, "unavailable", error=outcome.status if error is None else describe_error(error))
        attempts = 0 if made.status == "not asked" else outcome.attempts
        return replace(made, attempts=attempts, service_s=outcome.service_s)


class NoAnswer(ServiceUnavailable):
    """An attempt without a usable answer."""

    outcome: SourceStatus
    until_ns: int

    def __init__(
        self,
        outcome: SourceStatus,
        question: Question,
        reason: str,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(question.source.url, reason, status, retry_after_s)
        self.outcome = outcome
        self.until_ns = question.until_ns


@dataclass(frozen=True, slots=True)
class Source:
    """One service that answers questions about records."""

    name: str
    url: str
    fields: tuple[str, ...]
    answer: type
    deadline_s: float = 1.0
    limit: kv.RateLimit | None = None

    def __post_init__(self) -> None:
        """Check the types and ranges."""
        if not isinstance(self.name, str) or not self.name:
            raise OptionError("name", self.name, "a text that is not empty", 'name="profile"')
        if not isinstance(self.url, str) or not self.url.startswith(("http://", "https://")):
            raise OptionError("url", self.url, "an address that starts with http://", 'server.url("/profile")')
        if isinstance(self.fields, str) or not self.fields:
            raise OptionError("fields", self.fields, "names of fields, at least one", 'fields=("city", "country")')
        if not is_answer(self.answer):
            raise OptionError("answer", self.answer, "a dataclass, or a model of pydantic", "answer=ProfileAnswer")
        checked_seconds("deadline_s", self.deadline_s, "deadline_s=2.0", above=True)
        if self.limit is not None and not isinstance(self.limit, kv.RateLimit):
            raise OptionError("limit", self.limit, "a RateLimit, or None", "limit=RateLimit(50)")


@dataclass(frozen=True, slots=True)
class Question:
    """A question to one source about one record."""

    source: Source  # the source
    record: Record  # the record
    until_ns: int  # the deadline of the answer, as a stamp of the clock in force [ns]

    @property
    def missing(self) -> list[str]:
        """The fields of the question that are missing or malformed in the record."""
        return [name for name in self.source.fields if not can_be_sent(text_of(self.record, name))]

    @property
    def params(self) -> dict[str, str]:
        """The parameters of the request."""
        return {name: text_of(self.record, name) for name in self.source.fields}

    def left_s(self) -> float:
        """Return the time until the deadline [s]."""
        left_ns = self.until_ns - current_clock().now_ns()
        if left_ns <= 0:
            raise self.too_late()
        return left_ns / 1e9

    def too_late(self) -> NoAnswer:
        """Return the error for an answer that is not there in time."""
        return NoAnswer("timeout", self, "no complete answer before the deadline")


def retry_in_time(attempts: int = 3) -> kv.RetryPolicy:
    """Return a policy of retries until the deadline of a question."""
    return kv.RetryPolicy(attempts, _wait_in_time, retry_on=(NoAnswer,))


def _wait_in_time(state: RetryCallState) -> float:
    wait_s = wait_for_service(state)
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, NoAnswer) and current_clock().now_ns() + wait_s * 1e9 >= error.until_ns:
        raise error
    return wait_s


def wait_for_service(state: RetryCallState) -> float:
    """Return how long to wait for a service that was unavailable [s]."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked_s: float | None = getattr(error, "retry_after_s", None)
    if asked_s is None:
        return float(min(MAX_WAIT_S, MIN_WAIT_S * 2 ** (state.attempt_number - 1)))
    if asked_s > MAX_WAIT_S and error is not None:
        raise error
    return asked_s


# -- an answer as an object: its JSON is read strictly, and never trusted ----------------------------------------------


def is_answer(kind: object) -> bool:
    """Return whether answers can be read as objects of `kind`: a dataclass, or a model of pydantic."""
    return isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "model_validate_json"))


def read_answer(kind: type[T], body: bytes) -> T:
    """Return the object that an answer describes; fields that the class does not have are ignored."""
    of_pydantic: Callable[[bytes], T] | None = getattr(kind, "model_validate_json", None)
    if of_pydantic is not None:
        return of_pydantic(body)
    try:
        return _converter().structure(json.loads(body), kind)
    except cattrs.BaseValidationError as error:
        first = cattrs.transform_error(error, format_exception=_told)[0]
        raise DataError(f"no answer of the class {kind.__name__}: {first}") from error
    except (RecursionError, OverflowError) as error:
        why = "it is nested too deeply, or has a number that is too large"
        raise DataError(f"no answer of the class {kind.__name__}: {why}") from error


@cache
def _converter() -> cattrs.Converter:
    """Return what makes objects of dataclasses: values of JSON are taken as they are, and numbers never from texts."""
    converter = cattrs.Converter()
    for kind in (str, int, float, bool):
        converter.register_structure_hook(kind, _as_it_is)
    converter.register_structure_hook_func(_is_tuple, _from_list)
    return converter


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _from_list(value: Any, kind: Any) -> tuple[Any, ...]:
    if type(value) is not list:
        raise TypeError(f"expected a list, got {short(value)}")
    of_what = get_args(kind)[0]
    return tuple(_converter().structure(each, of_what) for each in value)


def _as_it_is(value: Any, kind: type) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {short(value)}")
    if isinstance(value, str):
        value.encode()  # half of a pair of surrogates is no text
    return value


def _told(error: BaseException, kind: Any) -> str:
    return str(error) if isinstance(error, TypeError) else format_exception(error, kind)


# -- requests ----------------------------------------------------------------------------------------------------


_async_client: InForce[httpx2.AsyncClient | None] = InForce("kaygraph_viz_source_client", None)


class Sources(ClientOwner):
    """Several sources and the connections to them."""

    when_closed = "these sources are closed; make new ones: with customer_sources(base_url) as sources"

    def __init__(self, sources: Iterable[Source]) -> None:
        super().__init__()
        self._sources = tuple(sources)
        names = [source.name if isinstance(source, Source) else None for source in self._sources]
        if not names or None in names or len({*names}) < len(names):
            expected = "objects of the class Source, at least one, with different names"
            raise OptionError("sources", self._sources, expected, "customer_sources(server.base_url)")
        self._closed_until_ns: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sources."""
        return tuple(source.name for source in self._sources)

    def ask(self, question: Question) -> SourceResult:
        """Send a question once, in a thread, and return the result.

        Parameters
        ----------
        question
            The question, with its source and deadline.

        Returns
        -------
        SourceResult
            With the status ``"ok"``, ``"not found"`` or ``"not asked"``.

        Raises
        ------
        NoAnswer
            With any other status; another attempt may help.
        """
        if question.missing:
            return _not_asked(question)
        while (wait_s := self._pause_s(question)) > 0:
            with kv.span("asked to wait", kind="wait"):
                kv.sleep(wait_s)
        if question.source.limit is not None:  # in a loop, since only a coroutine can leave the queue at a deadline
            run_in_private_loop(lambda: _take_turn(question))
        with (
            self._request(question) as request,
            self._opened().stream("GET", **request) as response,
            _Answer(question, response) as answer,
        ):
            for part in response.iter_bytes():
                answer.add(part)
        return answer.result()

    async def ask_async(self, question: Question) -> SourceResult:
        """Send a question once, as a coroutine inside ``async with sources.opened()``; else like `ask`."""
        if question.missing:
            return _not_asked(question)
        while (wait_s := self._pause_s(question)) > 0:
            with kv.span("asked to wait", kind="wait"):
                await kv.sleep_async(wait_s)
        await _take_turn(question)
        client = _async_client.get()
        if client is None:
            raise ServiceError("no connections are open for coroutines; write: async with sources.opened(): ...")
        with self._request(question) as request:
            # The timeout of the client is for each part of the header, not for all of it.
            async with asyncio.timeout(question.left_s()), client.stream("GET", **request) as response:
                with _Answer(question, response) as answer:
                    async for part in response.aiter_bytes():
                        answer.add(part)
        return answer.result()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open connections for the coroutines of the running loop that are started in the block."""
        async with open_async_client() as client:
            with _async_client.set_to(client):
                yield

    @contextmanager
    def _request(self, question: Question) -> Iterator[dict[str, Any]]:
        """Yield the request of one attempt; turn its errors into `NoAnswer`, and note the Retry-After of the source."""
        with ExitStack() as turn:
            if question.source.limit is not None:
                turn.push(question.source.limit)  # `_take_turn` has entered it
            try:
                yield {"url": question.source.url, "params": question.params, "timeout": question.left_s(), **PLAINLY}
            except NoAnswer as error:
                if error.retry_after_s:
                    name, wait_s = question.source.name, min(error.retry_after_s, MAX_SECONDS)
                    with self._lock:
                        until_ns = current_clock().now_ns() + round(wait_s * 1e9)
                        self._closed_until_ns[name] = max(until_ns, self._closed_until_ns.get(name, 0))
                raise
            except (TimeoutError, httpx2.TimeoutException):
                raise question.too_late() from None
            except httpx2.ConnectError as error:
                raise NoAnswer("refused", question, "no connection could be made") from error
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise NoAnswer("unavailable", question, str(error)) from error

    def _pause_s(self, question: Question) -> float:
        """Return the time until a noted Retry-After has passed [s], or raise if that is after the deadline."""
        until_ns = self._closed_until_ns.get(question.source.name, 0)
        wait_s = max(0.0, (until_ns - current_clock().now_ns()) / 1e9)
        if wait_s and until_ns >= question.until_ns:
            why = f"it asked for a pause of {wait_s:.3g} s more"
            raise NoAnswer("rate limited", question, why, retry_after_s=wait_s)
        return wait_s

    def __iter__(self) -> Iterator[Source]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the sources; connections and locks stay behind."""
        return Sources, (self._sources,)

    def __repr__(self) -> str:
        return f"<Sources: {', '.join(map(one_line, self.names))}>"


class _Answer:
    """The answer of a source while it is being read; an error meanwhile makes it a broken answer."""

    def __init__(self, question: Question, response: httpx2.Response) -> None:
        self._question = question
        self._response = response
        self._body = bytearray()

    def __enter__(self) -> Self:
        status = self._response.status_code
        if encoding := encoding_of(self._response):
            why = f"the answer is compressed ({encoding}), although it was asked for plainly"
            raise NoAnswer("broken answer", self._question, why, status)
        if status in (200, 404):
            return self
        wait_s = retry_after_s(self._response.headers.get("Retry-After", ""))
        outcome: SourceStatus = "rate limited" if status == 429 else "unavailable"
        raise NoAnswer(outcome, self._question, f"it answered {status}", status, wait_s)

    def add(self, part: bytes) -> None:
        self._body += part
        if len(self._body) > MAX_ANSWER_BYTES:
            raise NoAnswer("broken answer", self._question, f"the answer is longer than {MAX_ANSWER_BYTES} bytes", 200)
        self._question.left_s()  # the timeout of the client is for each part, not for the whole answer

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, (httpx2.NetworkError, httpx2.ProtocolError, httpx2.DecodingError)):
            raise NoAnswer("broken answer", self._question, f"the answer is incomplete: {error}", 200) from error

    def result(self) -> SourceResult:
        source = self._question.source
        if self._response.status_code == 404:
            return SourceResult(source.name, "not found")
        try:
            return SourceResult(source.name, "ok", read_answer(source.answer, bytes(self._body)))
        except ValueError as error:
            why = "the answer does not have the expected fields"
            raise NoAnswer("broken answer", self._question, why, 200) from error


async def _take_turn(question: Question) -> None:
    """Wait for the rate limit of the source, at most until the deadline."""
    limit = question.source.limit
    if limit is None:
        return
    try:
        async with asyncio.timeout(question.left_s()):
            await limit.__aenter__()  # `_request` exits it after the attempt
    except TimeoutError:
        raise NoAnswer("rate limited", question, "its rate limit gave no slot before the deadline") from None


def _not_asked(question: Question) -> SourceResult:
    why = f"missing or too damaged to ask with: {', '.join(question.missing)}"
    return SourceResult(question.source.name, "not asked", error=why)


Results = Mapping[str, SourceResult]
Agreement = Callable[[Record, Results], bool | None]


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
    limits: Mapping[str, kv.RateLimit] | kv.RateLimit | None = None,
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


def _by_name(
    limits: Mapping[str, kv.RateLimit] | kv.RateLimit | None, names: tuple[str, ...]
) -> Mapping[str, kv.RateLimit]:
    if isinstance(limits, kv.RateLimit):
        same = {"per_minute": limits.per_minute, "units_per_minute": limits.units_per_minute}
        return {name: kv.RateLimit(limits.per_second, limits.in_flight, **same, name=limits.name) for name in names}
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
