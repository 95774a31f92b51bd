"""What can be wrong with an order: each function spoils a good one and returns the column that it changed.

Belongs here: the catalogue, whose first lines of docstrings are the table in ``README.md``. Does not belong here: how
many orders are spoiled and which (``make_orders``).
"""

from __future__ import annotations

from collections.abc import Callable

from customer_clean import Dice, Row


def negative_quantity(dice: Dice, row: Row) -> str:
    """Order less than nothing of one product."""
    return change_line(dice, row, lambda name, quantity, price: f"{name}:-{quantity}:{price}")


def missing_price(dice: Dice, row: Row) -> str:
    """Leave out the price of one product."""
    return change_line(dice, row, lambda name, quantity, _price: f"{name}:{quantity}:")


def price_with_comma(dice: Dice, row: Row) -> str:
    """Write one price with a decimal comma instead of in cents."""
    return change_line(dice, row, lambda name, quantity, price: f"{name}:{quantity}:{price[:-2]},{price[-2:]}")


def no_items(_dice: Dice, row: Row) -> str:
    """Order nothing at all."""
    row["items"] = ""
    return "items"


def wrong_total(dice: Dice, row: Row) -> str:
    """Let the total differ from the sum of the lines."""
    row["total_cents"] = str(int(row["total_cents"]) + dice.pick((-10, 1, 9, 90, 900)))
    return "total_cents"


def unknown_country(dice: Dice, row: Row) -> str:
    """Use a country code that is not given to any country."""
    row["country"] = dice.pick(("XX", "ZZ", "QQ", ""))
    return "country"


def unknown_customer(dice: Dice, row: Row) -> str:
    """Use a customer number that nobody has."""
    row["customer_id"] = dice.fill("C9####")
    return "customer_id"


def impossible_date(dice: Dice, row: Row) -> str:
    """Use a day that no calendar has."""
    row["order_date"] = row["order_date"][:4] + dice.pick(("-02-30", "-13-01", "-04-31"))
    return "order_date"


def date_in_future(dice: Dice, row: Row) -> str:
    """Use a day after the reference date."""
    row["order_date"] = dice.pick(("2026-01-02", "2026-03-15", "2062-05-17"))
    return "order_date"


def change_line(dice: Dice, row: Row, write: Callable[[str, str, str], str]) -> str:
    """Write one line of the order anew; the total stays what it should be."""
    lines = row["items"].split(";")
    at = dice.below(len(lines))
    name, quantity, price = lines[at].split(":")
    lines[at] = write(name, quantity, price)
    row["items"] = ";".join(lines)
    return "items"


Fault = Callable[[Dice, Row], str]
CATALOGUE: tuple[Fault, ...] = (
    negative_quantity, missing_price, price_with_comma, no_items, wrong_total,
    unknown_country, unknown_customer, impossible_date, date_in_future,
)  # fmt: skip
