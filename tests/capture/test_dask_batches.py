"""Tasks of Dask's local scheduler of processes."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack

import pytest

import kaygraph_viz as kv
from kaygraph_viz.export.loading import load as load_trace

dask = pytest.importorskip("dask")
from dask.callbacks import Callback  # noqa: E402

from tests.capture.dask_calls import add, fail  # noqa: E402

pytestmark = [pytest.mark.processes, pytest.mark.leaves_threads]  # the pool that the tests share has one


@dask.delayed
def load(number):
    with kv.span("inside"):
        return number


@dask.delayed
def end_worker(number):
    os._exit(3)


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as found:
        yield found


def compute(pool, task, **options):
    return task.compute(scheduler="processes", pool=pool, chunksize=2, **options)


def total():
    return add([load(number) for number in range(5)])


def found_in(trace, name):
    return [each for each in trace if each.name == name]


def test_tasks_are_branches_with_links_and_labels(pool, tmp_path):
    with kv.record(capture="dask", label=lambda found: str(found)) as trace, kv.span("outer") as outer:
        assert compute(pool, total()) == 10
    trace.validate()
    loads, (last,) = found_in(trace, "load"), found_in(trace, "add")
    assert len(loads) == 5
    assert {each.parent_id for each in [*loads, last]} == {outer.span_id}
    assert {each.lane for each in [*loads, last]} <= {"process-1", "process-2"}
    assert set(last.links) == {each.span_id for each in loads}
    assert {each.attributes["label"] for each in loads} == {"0", "1", "2", "3", "4"}
    assert last.submitted_ns >= max(each.ended_ns for each in loads)
    assert {each.parent_id for each in found_in(trace, "inside")} == {each.span_id for each in loads}
    trace.save(tmp_path / "dask.jsonl.gz")
    assert list(load_trace(tmp_path / "dask.jsonl.gz")) == list(trace)


def test_it_starts_its_own_processes_as_without_a_recording():
    with kv.record(capture="all") as trace:
        assert load(load(3)).compute(scheduler="processes", num_workers=1, optimize_graph=False) == 3
    first, second = found_in(trace, "load")
    assert second.links == (first.span_id,)
    assert {each.name for each in trace} == {"load", "inside"}


def test_a_task_that_fails_says_so_and_its_error_is_as_it_was(pool):
    def seen():
        with pytest.raises(ValueError, match="7") as caught:
            compute(pool, fail(7))
        frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        return type(caught.value).__mro__, str(caught.value), frames

    plain = seen()
    with kv.record(capture="dask") as trace:
        assert seen() == plain
    assert [(each.name, each.status, each.error) for each in trace] == [("fail", "error", "ValueError: 7")]


def test_tasks_of_a_killed_worker_are_lost():
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as pool,
        kv.record(capture="dask", label="arguments") as trace,
    ):
        first = load(1)
        with pytest.raises(BrokenProcessPool):
            compute(pool, end_worker(first))
    trace.validate()
    (done,), (lost,) = found_in(trace, "load"), found_in(trace, "end_worker")
    assert (lost.status, lost.links, lost.attributes["label"]) == ("lost", (done.span_id,), "1")


def test_a_run_that_outlives_the_recording_goes_on_unrecorded(pool):
    recording = ExitStack()
    trace = recording.enter_context(kv.record(capture="dask"))
    with Callback(posttask=lambda *_: recording.close()):
        assert compute(pool, load(load(load(3))), optimize_graph=False) == 3
    assert len(found_in(trace, "load")) == 1


def test_a_pool_of_threads_or_of_multiprocessing_does_as_well():
    with kv.record(capture="all") as trace:
        with ThreadPoolExecutor(1) as threads:
            assert compute(threads, total()) == 10
        with multiprocessing.get_context("fork").Pool(1) as processes:
            assert compute(processes, total()) == 10
    trace.validate()
    assert (len(found_in(trace, "load")), len(found_in(trace, "add"))) == (10, 2)
    assert all(len(each.links) == 5 for each in found_in(trace, "add"))


def test_in_simulated_time_they_are_not_recorded():
    with pytest.warns(UserWarning, match="simulated time") as warned, kv.record(clock="virtual", capture="dask"):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:  # threads of its own see what is warned
            assert compute(pool, total()) == 10
    assert len(warned) == 1
