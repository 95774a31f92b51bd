"""Counting and repeating by places in arrays, for every width of places.

Belongs here: what NumPy refuses where a place has 32 bits, as in a browser tab, and a number that tells one has 64.
Does not belong here: what is counted.

NumPy takes a number of 64 bits for a place of 32 only where it is told to. Places are counted from 0, and there are
fewer than 2**31 of them, so nothing is lost. Where numbers of two places make one key, they are multiplied as int64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["as_places", "repeated", "sums", "tally"]


def as_places(numbers: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Return whole numbers as places in an array."""
    return np.asarray(numbers).astype(np.intp, copy=False)


def tally(places: npt.ArrayLike, size: int = 0) -> npt.NDArray[np.int64]:
    """Return how often each place occurs, for `size` places or more."""
    return np.bincount(as_places(places), minlength=size).astype(np.int64, copy=False)


def sums(places: npt.ArrayLike, weights: npt.ArrayLike, size: int = 0) -> npt.NDArray[np.float64]:
    """Return the sum of the weights of each place, for `size` places or more."""
    return np.bincount(as_places(places), weights, size).astype(np.float64, copy=False)


def repeated(values: npt.ArrayLike, times: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return each value as often as is said for it."""
    return np.repeat(np.asarray(values), as_places(times))
