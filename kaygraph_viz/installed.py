"""What needs a Python that is installed, and what to do instead in a browser tab.

Belongs here: refusing it before anything starts. Does not belong here: the facts (``machine``).
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from kaygraph_viz.errors import PlatformError
from kaygraph_viz.machine import has_threads

__all__ = ["SIMULATE", "require_installed", "stand_in_for_connections"]

SIMULATE = 'write kv.record(clock="virtual"), which simulates them'


def require_installed(what: str, instead: str) -> None:
    """Do nothing where threads and processes are possible; refuse `what` in a browser tab."""
    if not has_threads():
        raise PlatformError(f"{what} need an installed Python, and this one runs in a browser tab; {instead}")


def stand_in_for_connections() -> None:
    """Let httpx2 be loaded in a browser tab, where it looks for a package that makes connections."""
    name = "httpx2_jsfetch"
    if not has_threads() and name not in sys.modules and importlib.util.find_spec(name) is None:
        missing = ModuleType(name)
        for transport in ("AsyncJavascriptFetchTransport", "JavascriptFetchTransport"):
            setattr(missing, transport, type(transport, (), {}))
        sys.modules[name] = missing
