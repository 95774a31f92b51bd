"""The operations of branches: those that are known are replayed in their order."""

from __future__ import annotations

import numpy as np
import pytest

from kaygraph_viz.analysis.what_if.model import read_model
from kaygraph_viz.analysis.what_if.tasks import COMPUTE, COMPUTE_FREE, WAIT, BranchOperations, KnownOperations, in_order
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.clock.clock import compute, sleep
from kaygraph_viz.testing import bar, make_trace
from tests.analysis.what_if.runs import COUNTS, batch, run, wait_and_compute, without_parts


def test_whether_branches_compute_first_can_be_said():
    trace = without_parts(run(batch(range(19), wait_and_compute, 1)))
    found = what_if(trace, COUNTS, computes_first=False)
    assert found.makespan_s == {
        workers: run(batch(range(19), wait_and_compute, workers)).makespan_s for workers in COUNTS
    }
    assert what_if(trace, COUNTS, computes_first=True).makespan_s != found.makespan_s


@pytest.mark.parametrize("recorded", [1, 3])
@pytest.mark.parametrize("computes_first", [None, False, True])
def test_where_it_is_known_what_branches_did_when_they_do_it_in_that_order(recorded, computes_first):
    def in_three_steps(place):
        compute(0.003 * (place % 2 + 1))
        sleep(0.03 * (place % 4 + 1))
        compute(0.004 * (place % 3 + 1))

    trace = run(batch(range(19), in_three_steps, recorded))
    found = what_if(trace, COUNTS, computes_first=computes_first)
    assert found.makespan_s == {
        workers: run(batch(range(19), in_three_steps, workers)).makespan_s for workers in COUNTS
    }


def test_known_operations_are_faster_in_a_faster_node():
    trace = run(batch(range(19), wait_and_compute, 3))
    found = what_if(trace, [1, 3], speed={"ParallelBatchNode": 2})
    assert found.makespan_s == pytest.approx({workers: seconds / 2 for workers, seconds in
                                              what_if(trace, [1, 3]).makespan_s.items()}, rel=0.01)  # fmt: skip


def test_parts_are_operations_and_waits_for_a_turn_are_left_out():
    parts = [("wait", 1), ("gil", 2), ("cpu", 1), ("core", 1), ("cpu", 2), ("blocked", 1)]
    model = read_model(
        make_trace(bar("a", "thread-1", 0, 8, cpu_s=3, parts=parts), bar("b", "t-2", 0, 1, cpu_s=0.5)).columns
    )
    known, second = KnownOperations.of(model), 10**9
    assert known.is_known.tolist() == [True, False]
    assert known.of_branch(0) == [(WAIT, second), (COMPUTE, 3 * second), (WAIT, second)]
    assert (known.wait[0], known.compute[0]) == (2 * second, 3 * second)


def test_known_operations_can_be_faster_and_free_of_the_interpreter():
    parts = [("wait", 2), ("cpu", 2)]
    known = KnownOperations.of(read_model(make_trace(bar("a", "thread-1", 0, 4, cpu_s=2, parts=parts)).columns))
    second = 10**9
    assert known.of_branch(0, faster=2, free=0.25) == [
        (WAIT, second), (COMPUTE, 3 * second // 4), (COMPUTE_FREE, second // 4),
    ]  # fmt: skip


@pytest.mark.parametrize("computes_first", [False, True])
def test_a_branch_of_which_only_sums_are_known_waits_on_one_side(computes_first):
    operations = BranchOperations(np.array([5]), np.array([7]), computes_first=computes_first, free=np.array([3]))
    compute = ((COMPUTE, 4), (COMPUTE_FREE, 3))
    assert operations.of_branch(0) == ((*compute, (WAIT, 5)) if computes_first else ((WAIT, 5), *compute))
    assert operations.held.tolist() == [4]


def test_what_takes_no_time_is_no_operation():
    assert in_order((WAIT, 0), (COMPUTE, 0)) == ()
    assert BranchOperations(np.array([0]), np.array([2])).of_branch(0) == ((COMPUTE, 2),)
