"""One Dask cluster for all tests that do not break it: starting one takes longer than most tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

DASK_WORKERS = 3


@pytest.fixture(scope="session")
def dask_client() -> Iterator[Any]:
    """Return a client of somebody else's cluster, as far as an executor can tell."""
    distributed = pytest.importorskip("distributed")
    from kaygraph_viz.execute.dask.cluster import local_cluster

    with local_cluster(DASK_WORKERS) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client
