"""The orders are the ones that data/README.md describes: good ones that add up, and 27 broken ones."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import pytest

from kaygraph_viz.base.errors import DataError
from kaygraph_viz.course.services import datasets

README = (Path(__file__).resolve().parents[2] / "data" / "README.md").read_text(encoding="utf-8")

ORDERS = datasets.load_orders()

KEY = datasets.load_orders_key()

GOOD = [order for order in ORDERS if order.order_id not in KEY]

CUSTOMERS = {customer["customer_id"]: customer for customer in datasets.load_customers()}

FAULTS = re.findall(r"^\| `(\w+)` \|", README.partition("does to the order |")[2], re.MULTILINE)


def in_readme(row):
    """Return the numbers in one row of the table of totals."""
    found = re.search(rf"^\| {re.escape(row)} \|(.*)\|$", README, re.MULTILINE)
    return [int(cell.replace(",", "")) for cell in found[1].split("|") if cell.strip()]


def faults_in(order):
    """Return what a thorough check finds wrong with one order: pairs of fault and field."""
    found = {("unknown_customer", "customer_id")} if order.customer_id not in CUSTOMERS else set()
    if order.country not in datasets.load_countries():
        found.add(("unknown_country", "country"))
    found |= {(fault, "order_date") for fault in fault_of_day(order.order_date)}
    return found | {faults_of_items(order)} - {None}


def fault_of_day(text):
    try:
        return [] if date.fromisoformat(text) < datasets.REFERENCE_DATE else ["date_in_future"]
    except ValueError:
        return ["impossible_date"]


def faults_of_items(order):
    try:
        lines = order.lines()
    except DataError:
        fault = "price_with_comma" if "," in order.items else "missing_price" if order.items else "no_items"
        return fault, "items"
    if any(line.quantity < 1 for line in lines):
        return "negative_quantity", "items"
    if sum(line.amount_cents for line in lines) != order.total_cents:
        return "wrong_total", "total_cents"
    return None


def test_a_thorough_check_finds_exactly_what_the_key_says():
    found = {order.order_id: faults for order in ORDERS if (faults := faults_in(order))}
    assert found == {number: {(entry.fault, entry.field)} for number, entry in KEY.items()}


def test_every_fault_of_the_catalogue_is_planted_three_times():
    assert Counter(entry.fault for entry in KEY.values()) == dict.fromkeys(FAULTS, 3)
    assert len(FAULTS) == 9


@pytest.mark.parametrize(
    ("row", "count"),
    [
        ("orders", lambda orders: len(orders)),
        ("`total_cents`", lambda orders: sum(order.total_cents for order in orders)),
    ],
)
def test_totals_of_the_years_are_the_written_ones(row, count):
    years = [[order for order in GOOD if order.order_date.startswith(year)] for year in ("2024", "2025")]
    assert [count(years[0]), count(years[1]), count(GOOD)] == in_readme(row)


def test_lines_and_units_are_the_written_ones():
    lines = [line for order in GOOD for line in order.lines()]
    assert [len(lines)] == in_readme("lines")
    assert [sum(line.quantity for line in lines)] == in_readme("units (sum of the quantities)")


def test_costs_are_skewed_as_written():
    counts = [order.line_count for order in ORDERS]
    assert 0.49 < counts.count(1) / len(counts) < 0.52
    long = [count for count in counts if count >= 10]
    assert round(1 / (len(long) / len(counts))) == 13
    assert round(sum(long) / sum(counts), 2) == 0.44
    assert f"{sum(order.cost_s for order in ORDERS):.1f} s" == "70.2 s"


def test_customers_order_between_signup_and_last_order():
    for order in GOOD:
        customer = CUSTOMERS[order.customer_id]
        assert customer["signup_date"] <= order.order_date <= customer["last_order_date"]


def test_last_order_is_on_the_day_that_the_customers_say():
    last = {order.customer_id: order.order_date for order in GOOD}
    otherwise = [number for number, day in last.items() if day != CUSTOMERS[number]["last_order_date"]]
    assert len(otherwise) <= len(KEY)  # the last order may be a broken one


def test_country_is_that_of_the_customer():
    assert [order.order_id for order in GOOD if order.country != CUSTOMERS[order.customer_id]["country"]] == []


def test_only_customers_without_a_fault_have_ordered():
    key = datasets.load_customers_key()
    assert all(key[order.customer_id].is_clean for order in GOOD)


def test_a_product_costs_the_same_in_every_order():
    prices = defaultdict(set)
    for order in GOOD:
        for line in order.lines():
            prices[line.sku].add(line.unit_price_cents)
    assert {len(found) for found in prices.values()} == {1}
