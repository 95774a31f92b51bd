"""Workers that were noted, idle ones, and the names of lanes."""

from __future__ import annotations

import pytest

from kaygraph_viz.analysis.workers import (
    count_workers,
    idle_lanes,
    kind_of_lane,
    noted_workers,
    process_of_lane,
)
from kaygraph_viz.base.checks import MAX_WORKERS
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting, unit_mask


def test_a_file_may_claim_any_number_of_workers():
    assert noted_workers({"executor": "thread", "workers": 10**12}) == MAX_WORKERS
    assert noted_workers({"executor": "thread", "workers": -1}) == 0
    assert noted_workers({"executor": 5, "workers": 2}) is None
    assert noted_workers({"executor": "thread", "workers": "many"}) is None


def noted(workers, *bars, executor="thread"):
    return make_trace((bar("exec", "main", 0, 9, kind="phase", executor=executor, workers=workers), list(bars)))


def counted(trace):
    nesting = Nesting.of(trace.columns)
    return count_workers(nesting, unit_mask(nesting))


def test_idle_workers_have_the_lowest_numbers_that_are_free():
    assert idle_lanes(noted(4, bar("a", "thread-2", 0, 1)).columns) == ["thread-1", "thread-3", "thread-4"]
    assert idle_lanes(noted(1, bar("a", "thread-2", 0, 1)).columns) == []


def test_where_no_worker_ran_anything_no_lane_is_invented():
    assert idle_lanes(noted(4).columns) == []


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_idle_workers_are_counted(workers):
    assert counted(noted(workers, bar("a", "thread-1", 0, 1))) == workers


def test_there_are_as_many_workers_as_units_at_once():
    assert counted(make_trace(bar("a", "t-1", 0, 2), bar("b", "t-2", 1, 3), bar("c", "t-1", 2, 3))) == 2
    assert counted(make_trace(bar("prep", "main", 0, 1, kind="phase"))) == 1


def test_lanes_tell_kind_and_process():
    assert [kind_of_lane(lane) for lane in ("thread-12", "process-1/thread-2", "main")] == [
        "thread",
        "process-1/thread",
        "",
    ]
    assert [process_of_lane(lane) for lane in ("async-1", "dask-3", "dask-3/thread-1")] == ["", "dask-3", "dask-3"]
