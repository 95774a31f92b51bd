"""The catalogue of faults of orders: each function spoils a good order and returns the column that it changed.

Belongs here: the catalogue, whose first lines of docstrings are the table in ``README.md``. Does not belong here: the
number of spoiled orders, and which these are (``make_orders``).
"""

from __future__ import annotations

from collections.abc import Callable

from customer_clean import RandomSource, Row


def negative_quantity(rng: RandomSource, row: Row) -> str:
    """Make the quantity of one product negative."""
    return change_line(rng, row, lambda name, quantity, price: f"{name}:-{quantity}:{price}")


def missing_price(rng: RandomSource, row: Row) -> str:
    """Leave out the price of one product."""
    return change_line(rng, row, lambda name, quantity, _price: f"{name}:{quantity}:")


def price_with_comma(rng: RandomSource, row: Row) -> str:
    """Write one price with a decimal comma instead of in cents."""
    return change_line(rng, row, lambda name, quantity, price: f"{name}:{quantity}:{price[:-2]},{price[-2:]}")


def no_items(_dice: RandomSource, row: Row) -> str:
    """Leave out all products."""
    row["items"] = ""
    return "items"


def wrong_total(rng: RandomSource, row: Row) -> str:
    """Make the total differ from the sum of the lines."""
    row["total_cents"] = str(int(row["total_cents"]) + rng.pick((-10, 1, 9, 90, 900)))
    return "total_cents"


def unknown_country(rng: RandomSource, row: Row) -> str:
    """Use a country code that does not exist."""
    row["country"] = rng.pick(("XX", "ZZ", "QQ", ""))
    return "country"


def unknown_customer(rng: RandomSource, row: Row) -> str:
    """Use a customer number that does not exist."""
    row["customer_id"] = rng.fill("C9####")
    return "customer_id"


def impossible_date(rng: RandomSource, row: Row) -> str:
    """Use a day that does not exist."""
    row["order_date"] = row["order_date"][:4] + rng.pick(("-02-30", "-13-01", "-04-31"))
    return "order_date"


def date_in_future(rng: RandomSource, row: Row) -> str:
    """Use a day after the reference date."""
    row["order_date"] = rng.pick(("2026-01-02", "2026-03-15", "2062-05-17"))
    return "order_date"


def change_line(rng: RandomSource, row: Row, write: Callable[[str, str, str], str]) -> str:
    """Replace one line of the order and keep the total."""
    lines = row["items"].split(";")
    at = rng.below(len(lines))
    name, quantity, price = lines[at].split(":")
    lines[at] = write(name, quantity, price)
    row["items"] = ";".join(lines)
    return "items"


Fault = Callable[[RandomSource, Row], str]
CATALOGUE: tuple[Fault, ...] = (
    negative_quantity, missing_price, price_with_comma, no_items, wrong_total,
    unknown_country, unknown_customer, impossible_date, date_in_future,
)  # fmt: skip
