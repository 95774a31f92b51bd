"""Which branches belong to one parallel call, and what spans are called."""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.calls import Calls
from kaygraph_viz.analysis.naming import named
from kaygraph_viz.analysis.nesting import Nesting
from kaygraph_viz.analysis.workers import noted_workers
from kaygraph_viz.checks import MAX_WORKERS
from kaygraph_viz.testing import bar, make_trace


def calls(*trees):
    return Calls.of(Nesting.of(make_trace(*trees).columns))


def test_a_phase_that_hired_workers_is_one_call_until_its_last_branch_ends():
    phase = bar("exec", "main", 0, 9, kind="phase", executor="thread", workers=3)
    found = calls((phase, [bar("a", "thread-1", 1, 2), bar("b", "thread-1", 5, 7)]))
    assert (found.begins.tolist(), found.ends.tolist(), found.workers.tolist()) == ([0], [7 * 10**9], [3])


def test_a_branch_that_outlives_its_phase_counts_until_its_end():
    phase = bar("exec", "main", 0, 3, kind="phase", executor="thread", workers=1)
    found = calls((phase, [bar("a", "thread-1", 1, 8, status="abandoned")]))
    assert (found.ended.tolist(), found.ends.tolist()) == ([3 * 10**9], [3 * 10**9])


def test_without_notes_what_overlaps_or_queues_belongs_together():
    found = calls(bar("a", "t-1", 0, 2), bar("b", "t-1", 2, 3, queued_s=1), bar("c", "t-1", 4, 5))
    assert found.call.tolist() == [0, 0, 1]
    assert found.workers.tolist() == [1, 1]


def test_without_notes_each_kind_of_lane_is_a_call_of_its_own():
    found = calls(bar("a", "read-1", 0, 2), bar("b", "store-1", 0, 2), bar("c", "store-2", 1, 3))
    assert sorted(zip(found.lanes, found.workers.tolist(), strict=True)) == [("read-1", 1), ("store-1", 2)]


def test_a_trace_without_branches_has_no_calls():
    assert len(calls(bar("prep", "main", 0, 1, kind="phase")).workers) == 0


def test_a_file_may_claim_any_number_of_workers():
    assert noted_workers({"executor": "thread", "workers": 10**12}) == MAX_WORKERS
    assert noted_workers({"executor": "thread", "workers": -1}) == 0
    assert noted_workers({"executor": 5, "workers": 2}) is None
    assert noted_workers({"executor": "thread", "workers": "many"}) is None


def test_branches_with_many_names_are_called_after_their_node():
    def texts(count):
        branches = [bar(f"map {number}", f"t-{number}", 0, 1) for number in range(count)]
        trace = make_trace((bar("Count", "main", 0, 1, kind="node"), branches))
        return set(named(Nesting.of(trace.columns), np.arange(len(trace)))[1])

    assert texts(3) == {"Count", "map 0", "map 1", "map 2"}
    assert texts(30) == {"Count"}


def test_branches_without_a_node_keep_their_names():
    trace = make_trace(*(bar(f"job {number}", f"t-{number}", 0, 1) for number in range(30)))
    assert len(named(Nesting.of(trace.columns), np.arange(30))[1]) == 30
