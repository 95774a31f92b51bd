"""Which services there are: those that look up records, and the one that writes texts.

Belongs here: finding the one that settings are for. Does not belong here: what they answer (``responses``,
``text_service``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from kaygraph_viz.services.responses import Reply, Services
from kaygraph_viz.services.settings import ServiceSettings
from kaygraph_viz.services.text_service import TextService
from kaygraph_viz.services.text_settings import TextSettings

__all__ = ["AnyService", "AnySettings", "service_of"]

AnySettings = ServiceSettings | Mapping[str, ServiceSettings] | TextSettings | None


@runtime_checkable
class AnyService(Protocol):
    """What answers requests."""

    def reply(self, method: str, path: str, query: str, now_ns: int, body: bytes = b"") -> Reply:
        """Choose the reply to one request, and count it."""


def service_of(settings: AnySettings | AnyService) -> AnyService:
    """Return the service that settings are for; one that is there already is returned as it is.

    Examples
    --------
    >>> type(service_of(TextSettings())).__name__, type(service_of(None)).__name__
    ('TextService', 'Services')
    """
    if isinstance(settings, TextSettings):
        return TextService(settings)
    return settings if isinstance(settings, AnyService) else Services(settings)
