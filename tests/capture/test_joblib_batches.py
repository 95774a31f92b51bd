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
