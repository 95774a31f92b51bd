"""Calls that tests make graphs of Dask of."""

from __future__ import annotations

import dask


@dask.delayed
def load(number):
    return number


@dask.delayed
def add(numbers):
    return sum(numbers)


@dask.delayed
def fail(number):
    raise ValueError(number)
