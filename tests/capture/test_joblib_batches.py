"""Calls of `joblib.Parallel`."""

from __future__ import annotations

import pytest

import kaygraph_viz as kv

joblib = pytest.importorskip("joblib")


def double(number: int) -> int:
    return 2 * number


def fail(number: int) -> int:
    raise ValueError(number)


def run(backend: str, function=double, count: int = 10) -> list[int]:
    return joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(function)(number) for number in range(count))


@pytest.mark.processes
@pytest.mark.leaves_threads
@pytest.mark.parametrize("backend", ["sequential", "threading", "loky", "multiprocessing"])
def test_every_call_is_recorded(backend: str):
    with kv.record(capture="joblib") as trace, kv.span("outer") as outer:
        assert run(backend) == [2 * number for number in range(10)]
    trace.validate()
    calls = [each for each in trace if each.name == "double"]
    assert sum(each.attributes.get("items", 1) for each in calls) == 10
    assert {each.parent_id for each in calls} == {outer.span_id}
    (around,) = (each for each in trace if each.name == "outer")
    assert min(each.submitted_ns for each in calls) >= around.started_ns


@pytest.mark.processes
@pytest.mark.leaves_threads
@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_a_call_with_a_bar_of_its_own_has_its_label(backend: str):
    with kv.record(capture="joblib", label=lambda number: f"number {number}") as trace:
        run(backend, count=1)
    assert [each.attributes.get("label") for each in trace if each.name == "double"] == ["number 0"]


@pytest.mark.processes
@pytest.mark.leaves_threads
@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_an_error_is_that_of_the_call(backend: str):
    with kv.record(capture="joblib") as trace, pytest.raises(ValueError, match=r"^[01]$"):
        run(backend, fail, 2)
    assert "error" in {each.status for each in trace}


def run_on_dask(function=double, count: int = 10) -> list[int]:
    with joblib.parallel_config(backend="dask"):
        return joblib.Parallel(n_jobs=2)(joblib.delayed(function)(number) for number in range(count))


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as workers, distributed.Client(workers) as client:
        yield client


@pytest.mark.leaves_threads
def test_calls_on_dask_lie_within_its_tasks(cluster):
    with kv.record(capture=["joblib", "dask"]) as trace, kv.span("outer") as outer:
        assert run_on_dask() == [2 * number for number in range(10)]
    trace.validate()
    tasks = {each.span_id for each in trace if each.parent_id == outer.span_id}
    calls = [each for each in trace if each.name == "double"]
    assert len(calls) == 10
    assert {each.parent_id for each in calls} == tasks
    assert run_on_dask() == [2 * number for number in range(10)]  # as before, with no recording


@pytest.mark.leaves_threads
def test_an_error_on_dask_is_that_of_the_call(cluster):
    with kv.record(capture="all") as trace, pytest.raises(ValueError, match=r"^[01]$"):
        run_on_dask(fail, 2)
    trace.validate()
    assert "error" in {each.status for each in trace if each.name == "fail"}


@pytest.mark.leaves_threads
def test_calls_on_dask_without_its_tasks_are_one_warning(cluster):
    with pytest.warns(UserWarning, match=r'record with capture=\["joblib", "dask"\]') as warned:
        with kv.record(capture="joblib") as trace:
            assert run_on_dask() == [2 * number for number in range(10)]
    assert (len(warned), len(trace)) == (1, 0)


def test_a_backend_of_others_finds_what_it_looks_for_in_a_batch():
    seen = []

    class Curious(type(joblib.parallel.BACKENDS["threading"]())):
        def submit(self, func, callback=None):
            seen.append([args for _, args, _ in func.items])
            return super().submit(func, callback)

    joblib.register_parallel_backend("curious", Curious)
    try:
        with kv.record(capture="joblib") as trace:
            assert run("curious", count=3) == [0, 2, 4]
    finally:
        del joblib.parallel.BACKENDS["curious"]
    assert seen
    assert [each.name for each in trace] == ["double"] * 3
