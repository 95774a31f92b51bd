"""Optional packages: loaded where they are used, with an error that says how to install them.

Belongs here: which extra installs which package. Does not belong here: using them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.errors import MissingDependencyError
from kaygraph_viz.installed import stand_in_for_connections

__all__ = ["EXTRAS", "needed", "require"]

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
