"""The price of an order: the sum of its lines, the tax on them, and the errors of an order that cannot be right.

Belongs here: the arithmetic of one order and the table of taxes. Does not belong here: many orders (``batch``), reading
them (``services``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from kaygraph_viz.errors import DataError
from kaygraph_viz.services.datasets import REFERENCE_DATE, Order

__all__ = ["TAX_PER_MILLE", "PricedOrder", "check_order_date", "order_error", "price_order", "tax_cents"]

# The tax on a net amount, in thousandths of it, by country of the customer. The numbers resemble standard rates of
# these countries, but belong to a made-up shop.
_COUNTRIES_OF_RATE = {
    0: "US",
    50: "CA",
    81: "CH",
    90: "SG",
    100: "AU JP KR",
    150: "NZ ZA",
    160: "MX",
    170: "BR",
    180: "IN",
    190: "DE",
    200: "AT BG FR GB TR UA",
    210: "BE CZ ES NL",
    220: "IT",
    230: "IE PL PT",
    240: "GR",
    250: "DK NO SE",
    255: "FI",
}
TAX_PER_MILLE: Mapping[str, int] = {
    country: rate for rate, countries in _COUNTRIES_OF_RATE.items() for country in countries.split()
}


@dataclass(frozen=True, slots=True)
class PricedOrder:
    """The price of an order.

    Parameters
    ----------
    order_id, country
        The number of the order, and the country of the customer.
    lines
        The number of its lines.
    net_cents, tax_cents
        The sum of its lines, and the tax on that [cents].
    """

    order_id: str
    country: str
    lines: int
    net_cents: int
    tax_cents: int

    @property
    def gross_cents(self) -> int:
        """Net amount and tax [cents]."""
        return self.net_cents + self.tax_cents


def tax_cents(net_cents: int, country: str) -> int:
    """Return the tax on an amount, rounded to whole cents, halves up.

    Parameters
    ----------
    net_cents
        The amount [cents], 0 or more.
    country
        A key of `TAX_PER_MILLE`.

    Examples
    --------
    >>> tax_cents(1000, "FR"), tax_cents(1250, "DE"), tax_cents(1, "FI")
    (200, 238, 0)
    """
    return (net_cents * TAX_PER_MILLE[country] + 500) // 1000


def price_order(order: Order, customers: Collection[str] | None = None) -> PricedOrder:
    """Return the sum of the lines of an order and the tax on it.

    Parameters
    ----------
    order
        The order.
    customers
        The numbers of all customers; None to accept any customer.

    Raises
    ------
    DataError
        If the order cannot be right, with the attributes ``order_id`` and ``field``.

    Examples
    --------
    >>> price_order(Order("N1", "C00001", "2025-12-01", "FR", "P001:2:450;P007:1:1200", 2100)).gross_cents
    2520
    """
    try:
        lines = order.lines()
    except DataError as error:
        raise order_error(order, "items", str(error)) from error
    if any(line.quantity < 1 for line in lines):
        raise order_error(order, "items", "a quantity is below 1")
    net_cents = sum(line.amount_cents for line in lines)
    if net_cents != order.total_cents:
        why = f"its total is {order.total_cents:,} cents, but its lines add up to {net_cents:,}"
        raise order_error(order, "total_cents", why)

    if order.country not in TAX_PER_MILLE:
        raise order_error(order, "country", f"no tax rate for country {order.country!r}")
    if customers is not None and order.customer_id not in customers:
        raise order_error(order, "customer_id", f"there is no customer {order.customer_id!r}")
    check_order_date(order)
    return PricedOrder(order.order_id, order.country, order.line_count, net_cents, tax_cents(net_cents, order.country))


def check_order_date(order: Order, today: date = REFERENCE_DATE) -> None:
    """Raise a `DataError` if the date of an order does not exist or is after `today`."""
    try:
        day = date.fromisoformat(order.order_date)
    except ValueError as error:
        raise order_error(order, "order_date", f"{order.order_date!r} is not a date") from error
    if day > today:
        raise order_error(order, "order_date", f"{day} is after {today}")


def order_error(order: Order, field: str, why: str) -> DataError:
    """Return the error of an order, whose message begins with its number, with the attributes of `price_order`."""
    number = f"order {order.order_id}"
    return DataError(why if why.startswith(number) else f"{number}: {why}", order_id=order.order_id, field=field)
