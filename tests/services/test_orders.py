"""Reading orders and taking them apart."""

from __future__ import annotations

import dataclasses

import pytest

from kaygraph_viz.errors import DataError, OptionError
from kaygraph_viz.services.orders import Order, OrderLine, load_orders, load_orders_key


def order(items):
    return Order("N7", "C00001", "2025-12-01", "FR", items, 1)


def test_lines_are_taken_apart():
    assert order("P001:2:450;P007:1:1200").lines() == (OrderLine("P001", 2, 450), OrderLine("P007", 1, 1200))


@pytest.mark.parametrize("items", ["", "P001", "P001:2", "P001:2:", "P001:2:4,50", "P001:two:450", "P001:2:450:9"])
def test_items_that_cannot_be_read_are_an_error_that_names_order_and_line(items):
    with pytest.raises(DataError, match=r"^order N7, line 2: expected sku:quantity:unit_price_cents, got"):
        order(f"P001:1:1;{items}").lines()


def test_order_without_items_costs_as_much_as_one_with_a_single_line():
    assert (order("").line_count, order("").cost_s) == (0, 0.002)


@pytest.mark.parametrize("count", [1, 2, 50])
def test_cost_is_that_of_the_lines(count):
    assert order(";".join(["P001:1:1"] * count)).cost_s == pytest.approx(0.002 * count)


def test_limit_returns_the_first_orders():
    assert load_orders(3) == load_orders()[:3]


def test_impossible_limit_is_refused():
    with pytest.raises(OptionError, match="limit must be"):
        load_orders(-1)


def test_changing_a_list_changes_nothing_for_the_next_caller():
    load_orders().clear()
    load_orders_key().clear()
    assert load_orders()
    assert load_orders_key()


def test_order_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_orders(1)[0].total_cents = 0
