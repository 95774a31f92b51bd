"""Which branches belong to one parallel call."""

from __future__ import annotations

from kaygraph_viz.analysis.calls import Calls
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting


def calls(*trees):
    return Calls.of(Nesting.of(make_trace(*trees).columns))


def test_a_phase_that_started_workers_is_one_call_until_its_last_branch_ends():
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
