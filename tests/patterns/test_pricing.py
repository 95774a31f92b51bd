"""The price of one order: integer cents, the table of taxes, every planted fault found in its column."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.errors import DataError
from kaygraph_viz.patterns.pricing import TAX_PER_MILLE, price_order, tax_cents
from kaygraph_viz.services.datasets import Order, load_countries, load_customers, load_orders, load_orders_key

ORDERS, KEY = load_orders(), load_orders_key()
CUSTOMERS = {customer["customer_id"] for customer in load_customers()}


def order(**changed):
    return Order(**{
        "order_id": "N1", "customer_id": "C00001", "order_date": "2025-12-01", "country": "FR",
        "items": "P001:2:450;P007:1:1200", "total_cents": 2100, **changed,
    })  # fmt: skip


def test_lines_are_added_up_and_taxed():
    priced = price_order(order())
    assert (priced.order_id, priced.country, priced.lines) == ("N1", "FR", 2)
    assert (priced.net_cents, priced.tax_cents, priced.gross_cents) == (2100, 420, 2520)


def test_every_country_that_occurs_in_good_orders_has_a_rate():
    assert {each.country for each in ORDERS if each.order_id not in KEY} <= set(TAX_PER_MILLE)
    assert set(TAX_PER_MILLE) <= set(load_countries())


@given(st.integers(0, 10**9), st.sampled_from(sorted(TAX_PER_MILLE)))
def test_the_tax_is_rounded_to_the_nearest_cent_halves_up(net_cents, country):
    exact = Fraction(net_cents * TAX_PER_MILLE[country], 1000)
    assert tax_cents(net_cents, country) == int(exact + Fraction(1, 2))


@pytest.mark.parametrize(
    ("changed", "field", "says"),
    [
        ({"items": ""}, "items", "line 1: expected sku:quantity"),
        ({"items": "P001:2:4,50"}, "items", "line 1: expected sku:quantity"),
        ({"items": "P001:0:450", "total_cents": 0}, "items", "a quantity is below 1"),
        ({"total_cents": 2101}, "total_cents", "its total is 2,101 cents, but its lines add up to 2,100"),
        ({"country": "XX"}, "country", "no tax rate for country 'XX'"),
        ({"customer_id": "C99999"}, "customer_id", "there is no customer 'C99999'"),
        ({"order_date": "2025-02-30"}, "order_date", "'2025-02-30' is not a date"),
        ({"order_date": "2026-01-02"}, "order_date", "2026-01-02 is after 2026-01-01"),
    ],
)
def test_what_cannot_be_right_says_which_order_and_column(changed, field, says):
    with pytest.raises(DataError, match=says) as caught:
        price_order(order(**changed), CUSTOMERS)
    assert (caught.value.order_id, caught.value.field) == ("N1", field)
    assert str(caught.value).count("N1") == 1


def test_the_broken_orders_of_the_answer_key_are_found_in_their_column_and_no_others():
    found = {}
    for each in ORDERS:
        try:
            price_order(each, CUSTOMERS)
        except DataError as error:
            found[error.order_id] = error.field
    assert found == {number: fault.field for number, fault in KEY.items()}
