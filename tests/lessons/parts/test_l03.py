"""Lesson 3: pricing with its cost, and the search for repeated orders."""

from __future__ import annotations

from dataclasses import replace

from kaygraph_viz.lessons.parts.l03 import by_country, count_repeats, price, sample_orders, search_in_turn
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span

FEW = sample_orders()


def test_a_price_takes_as_long_as_the_order_costs_and_a_broken_order_has_none():
    with record(clock="virtual") as trace, span("good"):
        assert price(FEW[0]) > 0
    assert trace.makespan_s == FEW[0].cost_s
    with record(clock="virtual"):
        assert price(replace(FEW[0], items="P1:2:")) == 0


def test_countries_are_in_alphabetical_order_and_lose_no_order():
    found = by_country(FEW)
    assert list(found) == sorted({order.country for order in FEW})
    assert sum(map(len, found.values())) == len(FEW)


def test_an_order_is_repeated_where_customer_and_items_are_the_same():
    with record(clock="virtual"):
        assert count_repeats([FEW[0], FEW[1], FEW[0], replace(FEW[0], order_id="again")]) == 2


def test_the_search_computes_for_the_square_of_the_orders_of_each_country():
    groups = by_country(FEW)
    repeats, trace = search_in_turn(groups)
    assert list(repeats) == list(groups)
    assert sum(branch.cpu_ns for branch in trace.where(kind="branch")) == sum(
        1000 * len(orders) ** 2 for orders in groups.values()
    )
