"""Spans from another process: new numbers, parents, lanes and times."""

from __future__ import annotations

from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.trace.columns import Spans
from kaygraph_viz.trace.recorder import Recorder
from kaygraph_viz.trace.wire import OWN_LANE, adopt, squeezed


def row(
    span_id, parent_id, name="s", *, index=-1, kind="branch", lane=OWN_LANE, times=(0, 10, 20), cpu=5, links=None,
    parts=None,
):  # fmt: skip
    return (span_id, parent_id, index, name, kind, lane, *times, cpu, 0, "ok", 1, None, {"a": 1}, links, parts)


def adopted(*rows, taken=0, **options):
    recorder = Recorder(REAL, storage=(storage := Spans()))
    for _ in range(taken):
        recorder.next_id()
    adopt(recorder, list(rows), **{"parent_id": 0, "lane": "process-1", "submitted_ns": 7} | options)
    return {s.name: s for s in map(storage.columns().span, range(len(rows)))}


def test_numbers_are_those_of_the_trace_and_parents_and_links_follow():
    found = adopted(
        row(1, 2, "child"), row(2, 0, "branch", index=3), row(3, 2, "late", links=(1, 99)), taken=40, parent_id=17
    )
    assert {name: s.span_id for name, s in found.items()} == {"child": 41, "branch": 42, "late": 43}
    assert {name: s.parent_id for name, s in found.items()} == {"child": 42, "branch": 17, "late": 42}
    assert found["late"].links == (41,)


def test_a_row_whose_parent_was_not_sent_belongs_to_what_encloses_the_branch():
    assert adopted(row(5, 4, "lost parent"), parent_id=3)["lost parent"].parent_id == 3


def test_only_the_branch_was_submitted_here():
    found = adopted(row(1, 2, "inner", index=0, times=(9, 10, 11)), row(2, 0, "branch", index=0), submitted_ns=4)
    assert (found["inner"].submitted_ns, found["branch"].submitted_ns) == (9, 4)


def test_a_branch_never_starts_before_it_was_submitted():
    assert adopted(row(1, 0, index=0), submitted_ns=15)["s"].submitted_ns == 10


def test_lanes_of_other_threads_there_become_lanes_beside_it():
    found = adopted(row(1, 0, "own"), row(2, 1, "other", lane="thread-2"))
    assert {s.name: s.lane for s in found.values()} == {"own": "process-1", "other": "process-1/thread-2"}


def test_attributes_and_figures_are_kept():
    kept = adopted(row(1, 0))["s"]
    assert (kept.started_ns, kept.ended_ns, kept.cpu_ns, dict(kept.attributes)) == (10, 20, 5, {"a": 1})


def test_times_are_squeezed_into_those_of_another_clock():
    kept = adopted(row(1, 0, index=0), shift=squeezed(8, 100, 105), submitted_ns=100)["s"]
    assert (kept.submitted_ns, kept.started_ns, kept.ended_ns, kept.cpu_ns) == (100, 102, 105, 3)


def test_parts_follow_their_span_to_another_clock():
    noted = ((1, 15, -1.0), (0, 20, -1.0))
    kept = adopted(row(1, 0, index=0, parts=noted), shift=squeezed(8, 100, 105), submitted_ns=100)["s"]
    assert [(part.kind, part.started_ns, part.ended_ns) for part in kept.parts] == [("wait", 102, 105)]
