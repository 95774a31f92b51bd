"""The task stream of Dask."""

from __future__ import annotations

import json

import pytest

from kaygraph_viz.export.loading import load
from tests.export.examples import task, write


def test_tasks_are_branches_and_what_was_done_before_is_time_in_the_queue(tmp_path):
    begin_s = 1_790_000_000
    added = task("add-1f2e", ("transfer", begin_s, begin_s + 1), ("compute", begin_s + 1.5, begin_s + 2))
    (span,) = load(write(tmp_path, [added]))
    assert (span.name, span.kind, span.lane, span.status) == ("add", "branch", "dask-1", "ok")
    assert (span.queue_wait_s, span.service_s) == (1.5, 0.5)
    assert span.submitted_ns == begin_s * 10**9
    assert dict(span.attributes) == {
        "key": "add-1f2e", "worker": "tcp://127.0.0.1:4001", "nbytes": 28, "typename": "int",
    }  # fmt: skip


def test_each_thread_of_a_worker_is_a_lane(tmp_path):
    ran = ("compute", 1, 2)
    tasks = [task("a", ran), task("b", ran, thread=12), task("c", ran, worker="tcp://127.0.0.1:4002")]
    assert load(write(tmp_path, tasks)).lanes == ("dask-1/thread-1", "dask-1/thread-2", "dask-2")


def test_a_failed_task_is_an_error_and_one_that_never_ran_is_left_out(tmp_path):
    tasks = [task("a", ("compute", 1, 2), status="error"), task("b")]
    (span,) = load(write(tmp_path, tasks))
    assert (span.status, span.error) == ("error", "the task failed")


def test_tasks_of_one_thread_that_overlap_are_cut_and_say_by_how_much(tmp_path):
    ran = [("compute", 1, 3), ("compute", 2.5, 4), ("compute", 2.8, 3.5)]
    tasks = [task(name, action) for name, action in zip("abc", ran, strict=True)]
    other = task("d", ("compute", 2, 3), thread=12)
    trace = load(write(tmp_path, [*reversed(tasks), other])).validate()
    times = {span.name: (span.started_ns / 1e9, span.ended_ns / 1e9) for span in trace}
    assert times == {"a": (1, 3), "d": (2, 3), "b": (3, 4), "c": (4, 4)}
    assert {span.name: span.attributes.get("clipped_s") for span in trace} == {"a": None, "d": None, "b": 0.5, "c": 1.2}
    assert trace.spans[2].attributes["key"] == "b"


def test_a_real_task_stream_is_read(tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        with distributed.get_task_stream(client=client) as stream:
            client.gather(client.map(abs, range(6), pure=False))
        path = write(tmp_path, json.dumps(stream.data, default=str))
    trace = load(path).validate()
    assert [span.name for span in trace] == ["abs"] * 6
    assert set(trace.lanes) <= {"dask-1", "dask-2"}
