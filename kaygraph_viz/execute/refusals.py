"""What an error says about a service that is asked too often: that it was that, and how long it asks to wait.

Belongs here: reading errors of any library. Does not belong here: what follows from it (``limits``, ``rate_limit``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from kaygraph_viz.base.checks import MAX_SECONDS

__all__ = ["asked_s", "is_refusal"]

TOO_MANY_REQUESTS = 429  # the HTTP status of a call above a limit

T = TypeVar("T")


def asked_s(error: BaseException | None) -> float:
    """Return the wait that an error asks for [s]; 0 where it asks for none, or for one that makes no sense."""

    def asked(error: Any) -> float:
        if seconds := _sensible_s(getattr(error, "retry_after_s", None)):
            return seconds
        headers = getattr(getattr(error, "response", None), "headers", None)
        text = None if headers is None else headers.get("Retry-After")
        return _sensible_s(float(text)) if text else 0.0

    return _read(asked, error, 0.0)


def is_refusal(error: BaseException | None) -> bool:
    """Return whether an error says that a service has too much to do: it asks to wait, or its status is 429."""

    def is_told(error: Any) -> bool:
        said = (error, getattr(error, "response", None))
        return TOO_MANY_REQUESTS in [getattr(each, name, None) for each in said for name in ("status", "status_code")]

    return asked_s(error) > 0 or _read(is_told, error, False)


def _read(read: Callable[[Any], T], error: Any, otherwise: T) -> T:
    try:
        return read(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # the attributes are the user's, and may raise anything
        return otherwise


def _sensible_s(asked: object) -> float:
    if isinstance(asked, int | float) and not isinstance(asked, bool) and 0 < asked <= MAX_SECONDS:
        return float(asked)
    return 0.0
