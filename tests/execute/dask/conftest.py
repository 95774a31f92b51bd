"""Executors on the cluster that all tests share, and on one of their own, whose workers may be killed."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="package")
def own():
    """An executor with a cluster of its own, whose workers may be killed."""
    pytest.importorskip("distributed")
    from kaygraph_viz.execute.dask.executor import DaskExecutor

    with DaskExecutor(2) as executor:
        yield executor


@pytest.fixture
def foreign(dask_client):
    from kaygraph_viz.execute.dask.executor import DaskExecutor

    with DaskExecutor(client=dask_client) as executor:
        yield executor
