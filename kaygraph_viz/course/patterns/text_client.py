"""Asking the text service: whole answers, or word by word.

Belongs here: the client, and what its errors say. Does not belong here: the service (``services.text_service``), and
how many calls may be made (``execute.rate_limit``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from kaygraph_viz.base.errors import ServiceUnavailable
from kaygraph_viz.base.optional import needed
from kaygraph_viz.course.services.in_process import open_async_client, open_client

with needed():
    import httpx2

TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """An answer of the text service."""

    text: str  # what it wrote
    # how many tokens the prompt and the answer have
    input_tokens: int
    output_tokens: int
    credits: float  # what the call cost [credits]

    @property
    def tokens(self) -> int:
        """The tokens of prompt and answer together."""
        return self.input_tokens + self.output_tokens


class TextClient:
    """A client of the text service, for any number of threads and coroutines; in real and in simulated time.

    Parameters
    ----------
    base_url
        The address of the service.
    timeout_s
        How long to wait for an answer, or for the next part of one [s].

    Raises
    ------
    ServiceUnavailable
        From a call: the service refused it (status 429; ``retry_after_s`` says for how long), or did not answer.

    Examples
    --------
    >>> from kaygraph_viz.course.services.server import serve
    >>> from kaygraph_viz.course.services.text_service import TextSettings
    >>> settings = TextSettings(first_token_s=0, token_s=0, spread=0, answer_tokens=3)
    >>> with serve(settings) as server, TextClient(server.base_url) as client:
    ...     client.write("one two").text, "".join(client.stream("one two"))
    ('one two one', 'one two one ')
    """

    def __init__(self, base_url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = f"{base_url}/write"
        self._timeout_s = timeout_s
        self._client = open_client(timeout=timeout_s)

    def write(self, prompt: str, max_tokens: int = 200) -> TextAnswer:
        """Return the answer to a prompt.

        Parameters
        ----------
        prompt
            What is asked.
        max_tokens
            The most tokens that the answer may have.
        """
        try:
            response = self._client.post(self._url, json=_order(prompt, max_tokens))
        except httpx2.HTTPError as error:
            raise self._no_answer(error) from error
        return self._answer(response)

    async def write_async(self, prompt: str, max_tokens: int = 200) -> TextAnswer:
        """Return what `write` returns; for coroutines."""
        try:
            async with open_async_client(timeout=self._timeout_s) as client:
                response = await client.post(self._url, json=_order(prompt, max_tokens))
        except httpx2.HTTPError as error:
            raise self._no_answer(error) from error
        return self._answer(response)

    def stream(self, prompt: str, max_tokens: int = 200) -> Iterator[str]:
        """Yield the answer to a prompt part by part, as the service writes it; arguments as for `write`."""
        order = _order(prompt, max_tokens) | {"stream": True}
        try:
            with self._client.stream("POST", self._url, json=order) as response:
                if response.status_code != httpx2.codes.OK:
                    response.read()
                    raise self._refused(response)
                for line in response.iter_lines():
                    if line.startswith("data: ") and "text" in (event := json.loads(line[6:])):
                        yield event["text"]
        except httpx2.HTTPError as error:
            raise self._no_answer(error) from error

    def _answer(self, response: httpx2.Response) -> TextAnswer:
        if response.status_code != httpx2.codes.OK:
            raise self._refused(response)
        return TextAnswer(**response.json())

    def _refused(self, response: httpx2.Response) -> ServiceUnavailable:
        facts: dict[str, Any] = response.json()
        reason = f"it answered {response.status_code}: {facts.get('error', '')}"
        return ServiceUnavailable(self._url, reason, response.status_code, facts.get("retry_after_s"))

    def _no_answer(self, error: httpx2.HTTPError) -> ServiceUnavailable:
        return ServiceUnavailable(self._url, f"{type(error).__name__}: {error}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._client.close()


def _order(prompt: str, max_tokens: int) -> dict[str, Any]:
    return {"prompt": prompt, "max_tokens": max_tokens}
