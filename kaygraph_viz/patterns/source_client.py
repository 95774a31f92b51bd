"""Requests to sources over HTTP: one question at a time, in a thread or as a coroutine.

Belongs here: sending requests within the limits of a source, and reading its answer without trusting it. Does not
belong here: sources, questions and results (``sources``), connections (``client``), and several sources at once
(``enrichment``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Self

from kaygraph_viz._optional import needed
from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.checks import MAX_SECONDS
from kaygraph_viz.clock import current_clock, sleep, sleep_async
from kaygraph_viz.errors import OptionError, ServiceError
from kaygraph_viz.execute.coroutines.loops import run_in_private_loop
from kaygraph_viz.in_force import InForce
from kaygraph_viz.patterns.answers import read_answer
from kaygraph_viz.patterns.client import MAX_ANSWER_BYTES, PLAINLY, ClientOwner, encoding_of, retry_after_s
from kaygraph_viz.patterns.sources import NoAnswer, Question, Source, SourceResult, SourceStatus
from kaygraph_viz.services.in_process import open_async_client
from kaygraph_viz.texts import one_line
from kaygraph_viz.trace.recorder import span

with needed():
    import httpx2

__all__ = ["Sources"]

_async_client: InForce[httpx2.AsyncClient | None] = InForce("kaygraph_viz_source_client", None)


class Sources(ClientOwner):
    """Several sources and the connections to them.

    Threads share one client, which is opened when it is first used, so close the sources or use them as a context
    manager. Coroutines share the client of the block ``async with sources.opened()``. Pickled sources open their own
    connections in the other process, and obey only the Retry-After headers that they receive there.

    Parameters
    ----------
    sources
        The sources, at least one, with different names.

    Raises
    ------
    OptionError
        When there is none, or two have the same name.
    """

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
            with span("asked to wait", kind="wait"):
                sleep(wait_s)
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
            with span("asked to wait", kind="wait"):
                await sleep_async(wait_s)
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
