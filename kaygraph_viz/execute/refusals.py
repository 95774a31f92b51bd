"""What an error says about a service that is asked too often: that it was that, and how long it asks to wait.

Belongs here: reading errors of any library. Does not belong here: what follows from it (``limits``, ``rate_limit``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from kaygraph_viz.checks import MAX_SECONDS

__all__ = ["asked_s", "is_refusal"]

TOO_MANY_REQUESTS = 429  # the HTTP status of a call above a limit

T = TypeVar("T")


def asked_s(error: BaseException | None) -> float:
    """Return the wait that an error asks for [s]; 0 where it asks for none, or for one that makes no sense."""
    return _read(lambda: _sensible_s(getattr(error, "retry_after_s", None)) or _header_s(error), 0.0)


def is_refusal(error: BaseException | None) -> bool:
    """Return whether an error says that a service has too much to do: it asks to wait, or its status is 429."""
    return asked_s(error) > 0 or _read(lambda: TOO_MANY_REQUESTS in _statuses(error), False)


def _read(read: Callable[[], T], otherwise: T) -> T:
    try:
        return read()
    except KeyboardInterrupt:
        raise
    except BaseException:  # the attributes are the user's, and may raise anything
        return otherwise


def _sensible_s(asked: object) -> float:
    is_number = isinstance(asked, int | float) and not isinstance(asked, bool)
    return float(asked) if is_number and 0 < asked <= MAX_SECONDS else 0.0  # type: ignore[arg-type,operator]


def _header_s(error: Any) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None)
    text = None if headers is None else headers.get("Retry-After")
    return _sensible_s(float(text)) if text else 0.0


def _statuses(error: Any) -> list[object]:
    response = getattr(error, "response", None)
    return [getattr(each, name, None) for each in (error, response) for name in ("status", "status_code")]
