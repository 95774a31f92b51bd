"""Executors of every kind for nodes with branches; one Dask cluster serves all tests."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from kaygraph_viz.execute.registry import KINDS, get_executor


@pytest.fixture(scope="session")
def dask_client():
    distributed = pytest.importorskip("distributed")
    from kaygraph_viz.execute.dask.cluster import local_cluster

    with local_cluster(2) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture(params=KINDS)
def opened(request):
    """Return what opens an executor of each kind with a number of workers."""
    if request.param == "process":
        processes = request.getfixturevalue("processes")
        return lambda workers=2: nullcontext(processes(min(workers, 3)))  # more would only take longer to start
    if request.param != "dask":
        return lambda workers=2: get_executor(request.param, workers)
    from kaygraph_viz.execute.dask.executor import DaskExecutor

    return lambda workers=2: DaskExecutor(workers, client=request.getfixturevalue("dask_client"))
