"""Optional packages: loaded where they are used, with an error that says how to install them.

Belongs here: which extra installs which package. Does not belong here: using them.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from kaygraph_viz.errors import MissingDependencyError

__all__ = ["EXTRAS", "require"]

# The package that is imported, and the extra of kaygraph-viz that installs it. pyproject.toml says the same.
EXTRAS = {
    "distributed": "dask",
    "jupyter_client": "lab",
    "jupyterlab": "lab",
    "opentelemetry.sdk": "export",
    "pandas": "export",
    "viztracer": "bench",
}


def require(package: str) -> ModuleType:
    """Import and return an optional package.

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
        If it is not installed; the message names the extra that installs it. The error of an installed package whose
        own dependency is missing is passed on.

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
