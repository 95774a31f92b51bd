"""The facts that all examples report."""

from __future__ import annotations

import pytest

from kaygraph_viz.course.examples.example import measured
from kaygraph_viz.testing import bar, make_trace

SERIAL = make_trace(bar("price 0", "main", 0, 3), bar("price 1", "main", 3, 4))
PARALLEL = make_trace(bar("price 0", "thread-1", 0, 1.5), bar("price 1", "thread-2", 0, 0.5))


def table(found):
    return {fact.label: fact.value for fact in found.facts()}


def test_everything_that_is_reported_was_measured():
    found = measured(1_200, 2, PARALLEL, SERIAL, unit="orders", remark="a sample")
    assert table(found) == {
        "orders": "1,200",
        "ok": "1,198",
        "failed": "2",
        "one after the other": "4.00 s",
        "in parallel": "1.50 s",
        "measured speedup": "2.7",
        "throughput": "800",
        "workers used": "2",
        "bottleneck": "price",
    }
    assert found.facts()[0].remark == "a sample"


def test_speedup_needs_a_serial_run():
    found = measured(2, 0, PARALLEL)
    assert found.speedup is None
    assert not {"one after the other", "measured speedup"} & table(found).keys()


def test_nothing_that_ran_has_neither_throughput_nor_bottleneck():
    found = measured(0, 0, make_trace(), make_trace())
    assert (found.throughput, found.speedup, found.bottleneck) == (None, None, None)
    assert not {"throughput", "bottleneck"} & table(found).keys()


def test_work_that_grew_in_parallel_is_said():
    slow = make_trace(bar("a", "thread-1", 0, 4), bar("b", "thread-2", 0, 4))
    found = {fact.label: fact for fact in measured(2, 0, slow, SERIAL, computes=True).facts()}
    assert found["work in parallel"].value == "8.00 s"
    assert "2.0 times as long as alone" in found["work in parallel"].remark


def test_work_that_grew_since_branches_waited_is_no_news():
    slow = make_trace(bar("a", "thread-1", 0, 4), bar("b", "thread-2", 0, 4))
    assert "work in parallel" not in table(measured(2, 0, slow, SERIAL))


def test_bottleneck_is_the_kind_of_branch_that_took_most():
    trace = make_trace(bar("price 0", "t-1", 0, 1), bar("price 12", "t-1", 1, 3), bar("tax", "t-2", 0, 1))
    assert measured(3, 0, trace).bottleneck == ("price", "75% of the work")


def test_branch_that_holds_others_is_no_bottleneck():
    inner = bar("a record", "t-1", 0, 9), [bar("social", "t-2", 0, 5), bar("company", "t-3", 0, 3)]
    assert measured(1, 0, make_trace(inner)).bottleneck == ("social", "62% of the work")


def test_bottleneck_can_be_given():
    assert measured(1, 0, PARALLEL, bottleneck=("enrich", "busy")).bottleneck == ("enrich", "busy")


@pytest.mark.parametrize(
    ("lanes", "words"),
    [
        (["thread-1", "thread-2"], "threads"),
        (["process-1"], "processes"),
        (["async-1"], "coroutines"),
        (["dask-1"], "Dask workers"),
        (["main"], "this thread alone"),
        (["process-1/thread-2", "process-1"], "processes and threads"),
        (["other-1"], "other"),
    ],
)
def test_kind_of_worker_is_said_in_words(lanes, words):
    assert measured(1, 0, make_trace(*(bar("a", lane, 0, 1) for lane in lanes))).kind == words
