"""Whether a library that a lesson needs is installed.

Belongs here: the friendly sentence where it is missing. Does not belong here: loading it (``_optional``).
"""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["is_here"]

NAMES = {"distributed": "Dask"}


def is_here(package: str) -> bool:
    """Return whether a package is installed, and say how to install it where it is not.

    >>> is_here("no_such_library")
    This cell needs no_such_library: run `%pip install no_such_library` and restart the kernel.
    False
    """
    if find_spec(package) is not None:
        return True
    name = NAMES.get(package, package)
    print(f"This cell needs {name}: run `%pip install {package}` and restart the kernel.")
    return False
