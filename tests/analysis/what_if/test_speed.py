"""Faster parts of a run: everything within them takes less time, and the rest as long as before."""

from __future__ import annotations

import numpy as np
import pytest

from kaygraph_viz.analysis.what_if.model import read_model
from kaygraph_viz.analysis.what_if.replay import Speed
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.testing import assert_trace, bar, make_trace
from tests.analysis.what_if.runs import call, one_after_the_other, two_nodes


@pytest.mark.parametrize(
    ("speed", "factors"),
    [({"Slow": 2}, {"slow": 2}), ({"Slow": 4, "Other": 0.5}, {"slow": 4, "other": 0.5}), ({}, {}),
     ({"Graph": 2}, {"slow": 2, "other": 2}), ({"Graph": 2, "Slow": 2}, {"slow": 4, "other": 2})],
)  # fmt: skip
def test_a_faster_node_does_everything_in_less_time(speed, factors):
    found = what_if(two_nodes(), [1, 2, 4], speed=speed)
    for workers, seconds in found.makespan_s.items():
        real = two_nodes(workers, **factors)
        assert seconds == pytest.approx(real.makespan_s, abs=1e-8)
        assert_trace(found.trace(workers).validate(), real, tolerance_s=1e-8)


def test_a_faster_branch_and_a_faster_part_of_one():
    inner = (bar("Parse", "thread-1", 1, 3, kind="node"), [bar("exec", "thread-1", 1, 3, kind="phase")])
    trace = make_trace(call(6, (bar("a", "thread-1", 0, 4), [inner]), bar("b", "thread-1", 4, 6, queued_s=4)))
    assert what_if(trace, 1, speed={"a": 2}).makespan_s == {1: 4}
    assert what_if(trace, 1, speed={"Parse": 2}).makespan_s == {1: 5}
    assert what_if(trace, 1, speed={"Parse": 2, "a": 2}).makespan_s == {1: 3.5}
    shorter = what_if(trace, 1, speed={"Parse": 2}).trace(1).validate()
    assert [(span.name, span.started_ns / 1e9, span.ended_ns / 1e9) for span in shorter] == [
        ("exec", 0, 5), ("a", 0, 3), ("Parse", 1, 2), ("exec", 1, 2), ("b", 3, 5),
    ]  # fmt: skip


def test_without_a_faster_part_nothing_changes():
    model = read_model(one_after_the_other().columns)
    speed = Speed.of(model, {})
    operations = object()
    assert speed.is_even
    assert speed.applied(operations) is operations
    assert speed.at(np.zeros(2, int), np.array([5, 9]) + model.begins_ns).tolist() == [5, 9]


def test_time_passes_faster_within_a_faster_span_only():
    model = read_model(make_trace(call(4, bar("a", "thread-1", 0, 2), bar("b", "thread-1", 2, 4, queued_s=2))).columns)
    speed = Speed.of(model, {"b": 4})
    owners, times = np.array([0, 0, 1, 1]), np.concatenate([[model.started[0], model.ended[0]],
                                                            [model.started[1], model.ended[1]]])  # fmt: skip
    scaled = speed.at(owners, times)
    assert (scaled[1] - scaled[0], scaled[3] - scaled[2]) == (pytest.approx(2e9), pytest.approx(0.5e9))
