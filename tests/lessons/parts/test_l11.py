"""Lesson 11: the bank, what its goal finds, and the chart of lags."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

from kaygraph_viz.lessons.grade import grade
from kaygraph_viz.lessons.parts.l11 import (
    Bank,
    EventStream,
    booked_once,
    lag_chart,
    load_orders,
    paid_one_by_one,
    stream_graph,
)
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace

ORDERS = load_orders()[:24]
SOME_RUN = make_trace(bar("charge", "t-1", 0, 1))


def pay(bank, orders, key):
    """Charge orders one after the other until the connection breaks; return whether it did not."""
    try:
        for order in orders:
            bank.charge(order.order_id, order.total_cents, key(order))
    except ConnectionError:
        return False
    return True


def paid(key):
    bank = Bank()
    with record(clock="virtual"):
        runs = [pay(bank, ORDERS, key) for _ in range(3)]
    assert runs == [False, False, True]
    return bank


def found(bank, orders=ORDERS):
    return str(grade(SOME_RUN, [booked_once(bank, orders)]))


def test_with_a_key_each_order_is_booked_once():
    assert "all 24 were" in found(paid(lambda order: order.order_id))


def test_without_a_key_orders_are_booked_again():
    assert "N00001 was booked 3 times, expected once" in found(paid(lambda order: None))


def test_with_the_same_key_for_all_nothing_is_booked_after_the_first():
    assert "N00002 was booked 0 times" in found(paid(lambda order: "key"))


def test_payments_of_others_are_found():
    assert "1 more payments were booked" in found(paid(lambda order: order.order_id), ORDERS[:-1])


@pytest.mark.parametrize("bank", [None, Bank()])
def test_a_bank_that_never_broke_proves_nothing(bank):
    assert "the connection did not break twice" in found(bank)


def test_the_bank_knows_what_is_paid_also_where_its_answer_was_lost():
    bank = Bank()
    with record(clock="virtual"):
        assert not pay(bank, ORDERS, lambda order: None)
        assert [bank.is_paid(order.order_id) for order in ORDERS[11:15]] == [True, True, False, False]


def test_one_by_one_takes_the_time_of_all_calls_also_of_those_that_are_repeated():
    assert paid_one_by_one(ORDERS).makespan_s == pytest.approx((13 + 9 + 24) * 0.05)


def test_the_chart_has_a_line_for_each_number_of_workers():
    with record(clock="virtual"):
        stream_graph(windows=2, max_workers=2).run(shared := {"events": EventStream(20)})
    ax = lag_chart({2: shared["stream_result"], 4: shared["stream_result"]}, rush=(1, 2))
    assert [line.get_label() for line in ax.get_lines()] == ["2 workers", "4 workers"]
    assert ax.get_lines()[0].get_xdata().tolist() == [1.0, 2.0]
    plt.close(ax.figure)
