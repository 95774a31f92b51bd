"""Labels of Dask's tasks."""

from __future__ import annotations

import pytest

from kaygraph_viz.capture.dask.labels import label_of_task

pytest.importorskip("dask")
from dask._task_spec import Alias, Dict, List, Task, TaskRef


def fetch(page, *more, **options):
    raise AssertionError("nothing of a task is run")


RESULTS = {"a": 3, "b": "four"}


@pytest.mark.parametrize(
    ("task", "label", "found"),
    [
        (Task("key", fetch, 7, x=TaskRef("b")), "arguments", '7, x="four"'),
        (Task("key", fetch, Alias("a"), x=Alias("c", "b")), "arguments", '3, x="four"'),
        (Task("key", fetch, TaskRef("a")), lambda page: page + 1, "4"),
        (Task("key", fetch, List(TaskRef("a"), 5)), sum, "8"),
        (Task("key", fetch, List(List(TaskRef("a")), 5)), lambda pages: f"{pages}", "[[3], 5]"),
        (Task("key", fetch, Dict({"one": TaskRef("a")})), lambda pages: f"{pages}", "{'one': 3}"),
        (Task("key", fetch, List(TaskRef("a"))), "arguments", ""),
        (Task("key", fetch, Task(None, fetch, 1), 2), "arguments", "…, 2"),
        (Task("key", fetch, TaskRef("gone")), "arguments", "None"),
        (Task("key", fetch, 7), None, ""),
        (Task("key", Task, 7), "arguments", ""),
        ("no task", "arguments", ""),
    ],
)
def test_a_label_is_that_of_the_arguments_that_a_task_gets(task, label, found):
    assert label_of_task(label, task, RESULTS) == found
