"""The external check: whether the verification service knows the city and the mail domain.

Belongs here: the request to the service and the findings of its answer. Does not belong here: the service itself
(``kaygraph_viz.services``), and retries and reviews when it fails (``validation``).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from kaygraph_viz._optional import needed
from kaygraph_viz.checks import checked_seconds
from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import OptionError, ServiceUnavailable
from kaygraph_viz.patterns.client import MAX_ANSWER_BYTES, PLAINLY, ClientOwner, encoding_of, retry_after_s
from kaygraph_viz.patterns.findings import Finding
from kaygraph_viz.patterns.records import Record, can_be_sent, text_of, texts
from kaygraph_viz.texts import without_secrets

with needed():
    import httpx2
    from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["AddressVerifier"]


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
    """Ask the verification service about the city and the mail domain of a record.

    Threads may share one verifier. Close it, or use it as a context manager. A pickled verifier opens its own
    connections in the other process.

    Parameters
    ----------
    base_url
        The address of the service, such as ``LocalServer.base_url``.
    timeout_s
        The time limit of an answer [s], above 0. A service that sends slowly has at most twice this time.
    client
        An ``httpx2.Client`` to use instead of its own; it stays open when the verifier is closed, and is not pickled.

    Raises
    ------
    OptionError
        When `base_url` is no HTTP address or `timeout_s` is not a positive number.

    Examples
    --------
    >>> from kaygraph_viz.services.server import serve
    >>> with serve() as server, AddressVerifier(server.base_url) as verifier:
    ...     record = {"city": "Lyon", "country": "DE", "email": "ann@throwaway.example.org"}
    ...     [finding.code for finding in verifier.check(record)]
    ['unknown_city', 'disposable_domain']
    """

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
