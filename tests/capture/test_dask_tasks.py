"""Tasks of Dask."""

from __future__ import annotations

import importlib
import threading
from contextlib import ExitStack

import pytest

import kaygraph_viz as kv

dask = pytest.importorskip("dask")
from dask.callbacks import Callback  # noqa: E402

from tests.capture.dask_calls import add, load  # noqa: E402


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
@pytest.mark.parametrize(("label", "found"), [("arguments", {"3"}), (lambda number: f"no. {number}", {"no. 3"})])
def test_tasks_of_a_local_scheduler_have_labels(label, found):
    with kv.record(capture="dask", label=label) as trace:
        load(load(3)).compute(scheduler="synchronous", optimize_graph=False)
    assert [each.name for each in trace] == ["load", "load"]
    assert {each.attributes["label"] for each in trace} == found


@pytest.mark.leaves_threads
def test_tasks_that_compute_other_tasks_are_their_parents():
    @dask.delayed
    def outer(number):
        return load(load(number)).compute(scheduler="threads", optimize_graph=False)

    with kv.record(capture=["dask", "futures"]) as trace:
        assert outer(3).compute(scheduler="threads") == 3
    first, second = (each for each in trace if each.name == "load")
    (around,) = (each for each in trace if each.name == "outer")
    assert first.parent_id == second.parent_id == around.span_id
    assert second.links == (first.span_id,)
    assert len(trace) == 3


@pytest.mark.leaves_threads
def test_two_schedulers_at_once_are_both_recorded():
    both = threading.Barrier(2)
    task = dask.delayed(lambda: both.wait())()  # the same for both

    with kv.record(capture="dask") as trace:
        threads = [threading.Thread(target=load(task).compute, kwargs={"scheduler": "synchronous"}) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(each.name for each in trace) == ["lambda", "lambda", "load", "load"]
    lanes = {each.span_id: each.lane for each in trace}
    assert [lanes[link] for each in trace for link in each.links] == [each.lane for each in trace if each.links]


def test_a_run_that_outlives_the_recording_goes_on_unrecorded():
    recording = ExitStack()

    @dask.delayed
    def close(number):
        recording.close()
        return number

    trace = recording.enter_context(kv.record(capture="dask"))
    assert load(close(load(3))).compute(scheduler="synchronous", optimize_graph=False) == 3
    assert [(each.name, each.status) for each in trace] == [("load", "ok"), ("close", "abandoned")]


@pytest.mark.leaves_threads
def test_the_callbacks_of_the_program_are_called_as_before():
    seen = []
    with kv.record(capture="dask"), Callback(pretask=lambda key, *_: seen.append(key)):
        total().compute(scheduler="threads")
    assert len(seen) == 5


def test_the_schedulers_are_as_they_were():
    modules = [importlib.import_module(f"dask.{name}") for name in ("local", "threaded", "multiprocessing")]
    before = [vars(module).copy() for module in modules]
    with kv.record(capture="dask"):
        assert all(module.get_async is not was["get_async"] for module, was in zip(modules, before, strict=True))
    assert [vars(module) for module in modules] == before
