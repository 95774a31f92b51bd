"""Tasks of Dask's clusters."""

from __future__ import annotations

import pytest

import kaygraph_viz as kv

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")


@dask.delayed
def load(number):
    return number


@dask.delayed
def add(numbers):
    return sum(numbers)


def total():
    return add([load(number) for number in range(4)])


@pytest.mark.processes
@pytest.mark.leaves_threads
def test_tasks_of_a_cluster_are_branches():
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client, kv.record(capture="dask") as trace:
        with kv.span("outer") as outer:
            assert total().compute(scheduler=client) == 6
            assert client.submit(pow, 2, 3).result() == 8
        assert client.gather(client.map(abs, [-1, -2])) == [1, 2]
    trace.validate()
    found = {name: [each for each in trace if each.name == name] for name in ("load", "add", "pow", "abs")}
    assert {name: len(each) for name, each in found.items()} == {"load": 4, "add": 1, "pow": 1, "abs": 2}
    assert {each.lane.partition("/")[0] for each in found["load"]} == {"dask-1"}
    assert outer.span_id
