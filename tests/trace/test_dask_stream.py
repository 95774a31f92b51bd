"""Tasks as the scheduler of Dask tells of them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.trace.dask_stream import Clipped, after_each_other, function_of_key


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
