"""Packages that are not needed by everyone: loaded where they are used, with an error that says how to get them.

Belongs here: which extra brings which package. Does not belong here: using them.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from kaygraph_viz.errors import MissingDependencyError

__all__ = ["EXTRAS", "require"]

# The package that is imported, and the extra of kaygraph-viz that installs it. pyproject.toml says the same.
EXTRAS = {
    "distributed": "dask",
    "jupyterlab": "lab",
    "opentelemetry.sdk": "export",
    "pandas": "export",
    "viztracer": "bench",
}


def require(package: str) -> ModuleType:
    """Return an optional package.

    Parameters
    ----------
    package
        Its name, as in an import; one of `EXTRAS`.

    Returns
    -------
    module
        The package, loaded.

    Raises
    ------
    MissingDependencyError
        If it is not installed; the message names the extra that brings it. A package that is there but lacks one of
        its own raises what it raises.

    Examples
    --------
    >>> require("distributed").__name__
    'distributed'
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{package}.".startswith(f"{error.name}."):
            raise
        raise MissingDependencyError(package, EXTRAS[package]) from None
