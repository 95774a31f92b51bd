"""Spans from another process: new numbers, parents, lanes and times."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.trace.columns import Spans
from kaygraph_viz.trace.dask_stream import Clipped, after_each_other, function_of_key
from kaygraph_viz.trace.offsets import Move, Offset, offset_from
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


# -- offsets -------------------------------------------------------------------------------------------------------


def test_one_answer_bounds_the_offset_by_half_its_way():
    assert offset_from([(0, 1_000, 100)]) == Offset(950, 50, 1)


def test_several_answers_bound_it_by_what_they_have_in_common():
    assert offset_from([(0, 1_000, 100), (200, 1_180, 260)]) == Offset(950, 30, 2)


def test_answers_of_a_clock_that_drifts_have_nothing_in_common_and_the_quickest_counts():
    assert offset_from([(0, 1_000, 10), (0, 2_000, 4), (0, 3_000, 100)]) == Offset(1_998, 2, 3)


def test_the_clock_of_one_machine_has_no_offset_as_long_as_the_answers_allow_it():
    assert offset_from([(0, 40, 100)], is_same_clock=True) == Offset(0, 60, 1)
    assert offset_from([(0, 1_000, 100)], is_same_clock=True) == Offset(950, 50, 1)


ways = st.tuples(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**6))


@given(st.integers(-(10**12), 10**12), st.lists(ways, min_size=1, max_size=8))
def test_the_true_offset_is_within_the_bound(true, asked):
    found = offset_from([(at, at + there + true, at + there + back) for at, there, back in asked])
    assert abs(found.offset_ns - true) <= found.bound_ns
    assert found.probes == len(asked)


@pytest.mark.parametrize(
    ("worker_ns", "ours_ns"),
    [(1_060, 60), (1_050, 50), (1_048, 50), (1_045, 50), (1_044, 44), (1_090, 90), (1_095, 90), (1_096, 96)],
)
def test_times_are_moved_into_the_stretch_of_their_branch_by_no_more_than_the_bound(worker_ns, ours_ns):
    assert Move(Offset(1_000, 5), submitted_ns=50, received_ns=90)(worker_ns) == ours_ns


# -- dask stream ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("load-page-2f1e0c9b", "load-page"), (["sum-part-108d693e", 2], "sum-part"), (("sum-1", 2), "sum"),
        ("('read_csv-108d693e', 0)", "read_csv"), ("", "task"), ([], "task"), (None, "task"), ([[]], "task"),
        ("x" * 999, "x" * 200),
    ],
)  # fmt: skip
def test_the_name_of_a_task_is_that_of_its_function(key, name):
    assert function_of_key(key) == name


def test_a_task_within_another_of_its_thread_comes_after_it_and_takes_no_time():
    assert list(after_each_other([(1, 0, 9), (1, 2, 5)])) == [Clipped(0, 9, 0), Clipped(9, 9, 7)]


def test_what_was_cut_is_said_in_seconds():
    assert (Clipped(1, 2, 500_000_000).as_attribute, Clipped(1, 2, 0).as_attribute) == ({"clipped_s": 0.5}, {})


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 30)), max_size=20))
def test_tasks_of_a_thread_never_overlap(drawn):
    tasks = sorted(((thread, start, start + length) for thread, start, length in drawn), key=lambda each: each[1])
    until: dict[int, int] = {}
    for (thread, start, end), found in zip(tasks, after_each_other(tasks), strict=True):
        assert found.started_ns >= max(start, until.get(thread, start))
        assert found.ended_ns in (end, found.started_ns)
        assert found.clipped_ns == found.started_ns - start
        until[thread] = found.ended_ns
