"""Goals of pipelines: queues, items in flight, and that none is lost."""

from __future__ import annotations

import pytest

from kaygraph_viz.clock import sleep
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.graph.pipeline import PipelineNode
from kaygraph_viz.lessons.goals.stages import _done_ns, at_most_on_the_way, nothing_lost, queue_at_most
from kaygraph_viz.lessons.grade import grade
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace


def no_fives(number):
    sleep(0.01)
    if number == 5:
        raise ValueError("five")
    return number


def shop(buffer):
    """Return a run with a slow last stage; its source and first stage are far ahead where there is room."""
    stages = [Stage("check", no_fives, buffer=buffer), Stage("store", lambda number: sleep(0.04), buffer=buffer)]
    with record(clock="virtual") as trace:
        PipelineNode(stages).run({"items": range(12)})
    return trace


def finding(goal, trace):
    (found,) = grade(trace, [goal]).findings
    return found


def test_a_queue_is_as_long_as_the_most_that_wait_in_it():
    assert finding(queue_at_most(2), shop(2)).is_met
    assert finding(queue_at_most(2, "store"), shop(2)).is_met
    assert not finding(queue_at_most(1, "store"), shop(2)).is_met
    long = finding(queue_at_most(8), shop(100))
    assert (long.is_met, long.reason) == (False, "11 items waited in front of check; from 0 s on, more than 8 waited")
    assert (long.from_s, long.to_s) == (0, 0.03)  # until only 8 wait


def test_what_a_blocked_worker_holds_is_on_its_way():
    # one in hand of the last stage, two in its queue, one held by the blocked stage before it
    assert finding(at_most_on_the_way(4, "check", "store"), shop(2)).is_met
    assert finding(at_most_on_the_way(3, "check", "store"), shop(2)).reason.startswith(
        "4 items were in the pipeline; from "
    )


def test_a_failed_item_has_arrived():
    assert finding(at_most_on_the_way(12, "source", "store"), shop(100)).is_met
    fails = make_trace(bar("a", "t-1", 0, 1, span_id=1), bar("b", "t-2", 1, 2, links=(1,), status="error", error="no"),
                       bar("a", "t-1", 2, 3), bar("c", "t-3", 3, 4))  # fmt: skip
    assert finding(at_most_on_the_way(1, "a", "c"), fails).is_met


def test_what_went_in_came_through_or_failed():
    assert finding(nothing_lost("source", "store"), shop(2)).reason == "12 went in, 11 came through, 1 failed"
    assert finding(nothing_lost("source", "store"), shop(2)).is_met
    lost = make_trace(bar("a", "t-1", 0, 1), bar("a", "t-1", 1, 2), bar("b", "t-2", 1, 2))
    twice = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 1, 2), bar("b", "t-2", 2, 3))
    assert [finding(nothing_lost("a", "b"), trace).is_met for trace in (lost, twice)] == [False, False]


@pytest.mark.parametrize(
    "goal", [queue_at_most(9, "post"), at_most_on_the_way(9, "post", "b"), nothing_lost("post", "b")]
)
def test_a_stage_that_is_missing_meets_nothing(goal):
    found = finding(goal, shop(2))
    assert (found.is_met, found.reason) == (False, "no item went through a stage called 'post'")


def test_a_stage_that_waits_for_a_lock_in_its_middle_is_not_done_then():
    span = bar("load", "thread-1", 0, 3, blocked_s=1, parts=[("cpu", 1), ("blocked", 1), ("cpu", 1)], cpu_s=2)
    handed_on = bar("load", "thread-1", 0, 3, blocked_s=1, parts=[("cpu", 2), ("blocked", 1)], cpu_s=2)
    assert (_done_ns(span), _done_ns(handed_on)) == (3_000_000_000, 2_000_000_000)
