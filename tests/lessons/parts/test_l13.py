"""Lesson 13: the accounts of its exercise, and its two charts."""

from __future__ import annotations

import pytest

import kaygraph_viz as kv
from kaygraph_viz.lessons.parts import l13
from kaygraph_viz.testing import bar, make_trace


def test_transfers_keep_the_money_and_change_all_accounts():
    assert sum(l13.RIGHT.values()) == sum(l13.ACCOUNTS.values())
    accounts, transfers = l13.other_day()
    assert l13.settled(accounts, transfers) == l13.OTHER_RIGHT != accounts
    assert [name for name in l13.ACCOUNTS if l13.RIGHT[name] == l13.ACCOUNTS[name]] == []


def test_what_a_function_raises_is_its_result():
    error = l13.result_or_error(int, "a")
    assert type(error) is ValueError
    assert l13.result_or_error(int, "1") == 1


@pytest.mark.parametrize(
    ("bars", "is_met", "reason"),
    [
        (("book", "book"), True, "there were 2 bookings, and no branch failed"),
        (("book", "move"), False, "there were 1 bookings, and no branch failed"),
    ],
)
def test_bookings_are_counted_and_other_branches_are_not(bars, is_met, reason):
    trace = make_trace(*(bar(name, f"t-{number}", 0, 1) for number, name in enumerate(bars)))
    found = l13.booked(2).evaluate(trace)
    assert (found.is_met, found.reason) == (is_met, reason)


def test_a_booking_that_failed_does_not_count():
    trace = make_trace(bar("book", "t-1", 0, 1), bar("book", "t-2", 0, 1, status="error"))
    assert l13.booked(2).evaluate(trace).reason == "1 branches failed or never ended, the first is 'error'"


@pytest.mark.parametrize(
    ("found", "is_met", "reason"),
    [
        (dict(l13.RIGHT), True, "they are right"),
        ({**l13.RIGHT, "Bob": 7}, False, f"Bob has 7 and should have {l13.RIGHT['Bob']}"),
        ({}, False, f"Ada has None and should have {l13.RIGHT['Ada']}"),
        (None, False, "expected the accounts by name, got None"),
        (ValueError("no"), False, "it ended with an error: ValueError: no"),
    ],
)
def test_a_wrong_balance_is_told_with_the_right_one(found, is_met, reason):
    finding = l13.balances_are_right(found).evaluate(make_trace())
    assert (finding.is_met, finding.reason) == (is_met, reason)


def run_of(chunks, workers=2):
    with (
        kv.record(clock=kv.VirtualClock(dispatch_s=0.5)) as trace,
        kv.get_executor("process", workers) as executor,
    ):
        list(executor.imap(lambda chunk: kv.compute(sum(chunk)), chunks))
    return trace


def test_the_costs_of_a_chunk_size_add_up_to_the_makespan():
    one, two = run_of([[1], [1], [1]]), run_of([[1, 1], [1]])
    assert l13.chunk_costs(one, 2) == pytest.approx((1.5, 0.75, 0.75))
    assert l13.chunk_costs(two, 2) == pytest.approx((1.5, 0.5, 0.5))
    for trace in (one, two):
        assert sum(l13.chunk_costs(trace, 2)) == pytest.approx(trace.makespan_s)


def test_the_chunk_curve_has_a_point_for_each_size_and_names_the_best():
    runs = {1: run_of([[1], [1], [1]]), 2: run_of([[1, 1], [1]])}
    ax = l13.chunk_curve(runs, 2)
    assert ax.lines[0].get_xydata().tolist() == [[1, 3.0], [2, 2.5]]
    assert ax.get_title(loc="left") == "The best chunk here has 2 items"
    assert "makespan" in str(kv.describe(ax))


def test_the_curves_of_the_laws_go_through_points_that_follow_them():
    ax = l13.law_curves(0.5, {1: 1.0, 2: 4 / 3}, {1: 1.0, 2: 1.5})
    amdahl, same, gustafson, more = (line.get_xydata().tolist() for line in ax.lines)
    assert [amdahl[0], amdahl[1]] == same == [[1, 1.0], [2, pytest.approx(4 / 3)]]
    assert [gustafson[0], gustafson[1]] == more == [[1, 1.0], [2, 1.5]]
