"""The orders of the shipped customers: 10,000 of them over 24 months, a few of them broken on purpose.

Belongs here: reading the orders and their answer key, and taking the lines of an order apart. Does not belong here:
how they are made (``data/make_orders.py``) and judging or adding them up (``patterns``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kaygraph_viz.errors import DataError
from kaygraph_viz.services.files import checked_limit, read_table

__all__ = ["COST_OF_A_LINE_S", "ORDER_COLUMNS", "Order", "OrderFault", "OrderLine", "load_orders", "load_orders_key"]

ORDER_COLUMNS = ("order_id", "customer_id", "order_date", "country", "items", "total_cents")
COST_OF_A_LINE_S = 0.002  # so that orders of 1 to 50 lines cost 2 to 100 ms


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of an order.

    Parameters
    ----------
    sku
        What was ordered, such as ``"P042"``.
    quantity
        How many; 1 or more unless the order is broken.
    unit_price_cents
        The price of one [cents of one made-up currency], above 0.

    Examples
    --------
    >>> OrderLine("P042", 3, 1999).amount_cents
    5997
    """

    sku: str
    quantity: int
    unit_price_cents: int

    @property
    def amount_cents(self) -> int:
        """Quantity times unit price [cents]."""
        return self.quantity * self.unit_price_cents


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands in the file; only the total has been turned into a number.

    Parameters
    ----------
    order_id
        Such as ``"N00001"``; in the order of the dates.
    customer_id
        The customer of ``customers.csv`` who ordered.
    order_date
        ``YYYY-MM-DD``, in the 24 months before `REFERENCE_DATE` unless the order is broken.
    country
        ISO 3166-1 alpha-2 code of the customer's country.
    items
        The lines, ``sku:quantity:unit_price_cents`` separated by semicolons.
    total_cents
        What the order says it costs in all [cents].

    Examples
    --------
    >>> order = Order("N1", "C00001", "2025-12-01", "FR", "P001:2:450;P007:1:1200", 2100)
    >>> [line.amount_cents for line in order.lines()]
    [900, 1200]
    >>> order.line_count, order.cost_s
    (2, 0.004)
    """

    order_id: str
    customer_id: str
    order_date: str
    country: str
    items: str
    total_cents: int

    @property
    def line_count(self) -> int:
        """The number of lines: 1 to 50, 0 only when the order is broken."""
        return self.items.count(";") + 1 if self.items else 0

    @property
    def cost_s(self) -> float:
        """The time to process the order at 2 ms a line [s]: 0.002 to 0.1, a 50-fold difference."""
        return max(self.line_count, 1) * COST_OF_A_LINE_S

    def lines(self) -> tuple[OrderLine, ...]:
        """Take the items apart.

        Raises
        ------
        DataError
            When there are none, or a line is not ``sku:quantity:unit_price_cents`` with whole numbers.

        Examples
        --------
        >>> Order("N1", "C00001", "2025-12-01", "FR", "P001:2:", 900).lines()
        Traceback (most recent call last):
        kaygraph_viz.errors.DataError: order N1, line 1: expected sku:quantity:unit_price_cents, got 'P001:2:'
        """
        return tuple(self._line(at, text) for at, text in enumerate(self.items.split(";"), start=1))

    def _line(self, at: int, text: str) -> OrderLine:
        try:
            sku, quantity, price = text.split(":")
            return OrderLine(sku, int(quantity), int(price))
        except ValueError:
            raise DataError(
                f"order {self.order_id}, line {at}: expected sku:quantity:unit_price_cents, got {text[:80]!r}",
                order_id=self.order_id,
                line=at,
            ) from None


@dataclass(frozen=True, slots=True)
class OrderFault:
    """The fault that the generator planted in a broken order.

    Parameters
    ----------
    fault
        Name of the planted fault, such as ``"negative_quantity"``; the catalogue is in ``data/README.md``.
    field
        The column that was changed.
    """

    fault: str
    field: str


def load_orders(limit: int | None = None) -> list[Order]:
    """Return the generated orders by date, a few of them broken.

    Parameters
    ----------
    limit
        How many of the first orders to return (0 or more); None returns all.

    Examples
    --------
    >>> [order.order_id for order in load_orders(limit=2)]
    ['N00001', 'N00002']
    """
    return list(_orders()[: checked_limit(limit, "load_orders(limit=100)")])


def load_orders_key() -> dict[str, OrderFault]:
    """Return the answer key: from ``order_id`` to what is wrong, for the broken orders only.

    Examples
    --------
    >>> "N00001" in load_orders_key()
    False
    """
    return {number: OrderFault(fault, field) for number, fault, field in _key()}


@lru_cache(maxsize=1)
def _orders() -> tuple[Order, ...]:
    rows = read_table("orders.csv", ORDER_COLUMNS)
    return tuple(Order(number, who, day, land, items, int(total)) for number, who, day, land, items, total in rows)


@lru_cache(maxsize=1)
def _key() -> tuple[tuple[str, ...], ...]:
    return read_table("orders_key.csv", ("order_id", "fault", "field"))
