"""Tasks of Dask."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import kaygraph_viz as kv

dask = pytest.importorskip("dask")


@dask.delayed
def load(number):
    return number


@dask.delayed
def add(numbers):
    return sum(numbers)


@dask.delayed
def fail(number):
    raise ValueError(number)


def total():
    return add([load(number) for number in range(4)])


@pytest.mark.leaves_threads
@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_tasks_of_a_local_scheduler_are_branches_with_links(scheduler):
    with kv.record(capture="dask") as trace, kv.span("outer") as outer:
        assert total().compute(scheduler=scheduler) == 6
    trace.validate()
    loads = [each for each in trace if each.name == "load"]
    (last,) = (each for each in trace if each.name == "add")
    assert len(loads) == 4
    assert {each.parent_id for each in [*loads, last]} == {outer.span_id}
    assert set(last.links) == {each.span_id for each in loads}


@pytest.mark.leaves_threads
def test_a_task_that_fails_says_so():
    with kv.record(capture="dask") as trace, pytest.raises(ValueError, match="7"):
        fail(7).compute(scheduler="threads")
    assert [(each.name, each.status, each.error) for each in trace] == [("fail", "error", "ValueError: 7")]


@pytest.mark.leaves_threads
@pytest.mark.parametrize(("label", "found"), [("arguments", {"3"}), (lambda number: f"no. {number}", {"no. 3"})])
def test_tasks_of_a_local_scheduler_have_labels(label, found):
    with kv.record(capture="dask", label=label) as trace:
        load(load(3)).compute(scheduler="synchronous", optimize_graph=False)
    assert [each.name for each in trace] == ["load", "load"]
    assert {each.attributes["label"] for each in trace} == found


def test_the_scheduler_is_as_it_was():
    import dask.local
    from dask.callbacks import Callback

    before, active = dask.local.execute_task, set(Callback.active)
    with kv.record(capture="dask"):
        assert dask.local.execute_task is not before
    assert dask.local.execute_task is before
    assert Callback.active == active


@pytest.mark.processes
@pytest.mark.leaves_threads
def test_tasks_of_a_cluster_are_branches():
    distributed = pytest.importorskip("distributed")
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


def test_processes_of_the_local_scheduler_say_once_that_they_are_not_recorded():
    both = [dask.delayed(abs)(-1), dask.delayed(abs)(-2)]
    with (
        pytest.warns(UserWarning, match="not recorded") as warned,
        kv.record(capture="dask"),
        ThreadPoolExecutor(1) as pool,
    ):
        for _ in range(2):
            assert dask.compute(*both, scheduler="processes", pool=pool) == (1, 2)
    assert len(warned) == 1
