"""What may be missing: optional packages, and in a browser tab threads, processes and connections.

Belongs here: which extra installs which package, and refusing what cannot be done before anything starts. Does not
belong here: the facts about this machine (``machine``).
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from kaygraph_viz.base.errors import MissingDependencyError, PlatformError
from kaygraph_viz.base.machine import has_threads
from kaygraph_viz.base.parts import contextmanager

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


# The package that is imported, and the extra of kaygraph-viz that installs it. pyproject.toml says the same.
EXTRAS = {
    "IPython": "notebook",
    "anywidget": "notebook",
    "cattrs": "lessons",
    "distributed": "dask",
    "email_validator": "lessons",
    "httpx2": "lessons",
    "ipywidgets": "notebook",
    "jupyter_client": "lab",
    "jupyterlab": "lab",
    "opentelemetry.sdk": "export",
    "pandas": "export",
    "phonenumbers": "lessons",
    "pydantic": "lessons",
    "starlette": "lessons",
    "uvicorn": "lessons",
    "viztracer": "bench",
}


@contextmanager
def needed() -> Iterator[None]:
    """Import optional packages in a block: one that is not installed is named with its extra."""
    try:
        stand_in_for_connections()
        yield
    except ModuleNotFoundError as error:
        missing = [package for package in EXTRAS if error.name and f"{package}.".startswith(f"{error.name}.")]
        if not missing:
            raise
        raise MissingDependencyError(missing[0], EXTRAS[missing[0]]) from None


def require(package: str) -> ModuleType:
    """Import and return an optional package."""
    with needed():
        return import_module(package)
