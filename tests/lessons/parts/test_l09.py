"""A simulated cluster: each message and each byte takes time, and the goals see what was sent and computed."""

from __future__ import annotations

import pytest

from kaygraph_viz.clock import compute
from kaygraph_viz.lessons.grade import grade
from kaygraph_viz.lessons.parts import l09
from kaygraph_viz.testing import make_trace

DAYS = l09.years["north"][:8]


def each(days):
    return [l09.evaluate(day) for day in days]


def finding(goal, trace):
    (found,) = grade(trace, [goal]).findings
    return found.is_met, found.reason


def test_a_message_takes_5_ms_and_a_second_for_ten_megabytes():
    _, small = l09.on_cluster(len, [b""])
    _, large = l09.on_cluster(len, [bytes(1_000_000)])
    assert small.makespan_s == pytest.approx(0.005, rel=0.02)
    assert large.makespan_s - small.makespan_s == pytest.approx(0.1, rel=0.001)


def test_what_the_work_uses_from_outside_is_sent_with_each_message():
    outside = bytes(1_000_000)
    _, trace = l09.on_cluster(lambda number: outside[number], [0, 1], workers=2)
    assert [bar.service_s for bar in trace.where(kind="branch")] == pytest.approx([0.105, 0.105], rel=0.01)


def test_each_worker_has_a_core_of_its_own():
    _, trace = l09.on_cluster(compute, [1.0] * 8)
    assert trace.makespan_s == pytest.approx(1.005, rel=0.001)


def test_results_come_in_the_order_of_the_parts():
    (first, second), _ = l09.on_cluster(each, [DAYS[:3], DAYS[3:]])
    assert first + second == each(DAYS)


def test_fewer_messages_send_less():
    (_, one), (_, eight) = l09.on_cluster(each, [DAYS]), l09.on_cluster(each, [[day] for day in DAYS])
    assert l09.sending_share(one) < 0.3 < 0.7 < l09.sending_share(eight)
    assert finding(l09.sending_at_most(0.3), one) == (True, "1 messages, and sending took 24% of their time")
    assert finding(l09.sending_at_most(0.3), eight)[0] is False
    assert l09.sending_share(make_trace()) == 0


def test_days_that_the_cluster_does_not_evaluate_are_missed():
    (_, whole), (_, half) = l09.on_cluster(each, [DAYS]), l09.on_cluster(each, [DAYS[:4]])
    assert finding(l09.all_computed_there(whole), whole) == (True, "the cluster evaluated 8 of 8 days")
    assert finding(l09.all_computed_there(whole), half) == (False, "the cluster evaluated 4 of 8 days")
